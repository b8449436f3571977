"""D106: gradients are right up to a constant that people choose: 1/N for a mean, 2 for a square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.repair import causes
from dout.check.report.layer_report import Report
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import Cause, Finding, Undivided
from dout.check.rules.formula.kept_conventions import by_reason, gradient_of, keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D106", "note", "a constant factor: a convention")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for a layer with one constant; a warning if its own gradients do not agree on one.

    It is a warning, too, for a loss whose forward divides by a number that its backward leaves out.
    """
    found = keeping(judgement, Word.SCALED)
    if not found:
        return
    groups, right = by_reason(found), _right(judgement)
    if len(groups) == 1 and not right:
        message = f"{subject.name}.backward is {next(iter(groups))}, in the {gradient_of([*found])}"
        if any(kept.undivided for kept in found.values()):
            message += ": forward divides by that number, and backward does not"
            reason = Undivided()
            yield RULE.about(subject, message, cause="factor", severity="warning", reason=reason, **told(found))
            return
        yield RULE.about(subject, message, cause="factor", **told(found))
        return
    parts = [f"the {gradient_of(names)} is {because}" for because, names in groups.items()]
    parts += [f"the {gradient_of(right)} is the derivative itself"] if right else []
    message = f"{subject.name}.backward does not keep to one constant: {', '.join(parts)}"
    details = {"severity": "warning", "cause": "factor", **told(found)}
    repair = _repair(subject, judgement)
    if repair is not None:
        details["fix"] = repair.fix
    yield RULE.about(subject, message, repair.where if repair is not None else None, **details)


def _right(judgement: Judgement) -> list[str]:
    """The arguments whose gradient is the derivative itself; those of parameters where the layer has some."""
    of_parameters = judgement.parameters and not any(v.role == "loss" for v in judgement.verdicts)
    compared = [v for v in judgement.verdicts if v.role == "parameter" or not of_parameters]
    return [v.argument for v in compared if v.constant == "1"]


def _repair(subject: Subject, judgement: Judgement) -> Cause | None:
    """The first repaired line of a layer that does not agree with itself."""
    if judgement.examination is None:
        return None
    found = causes(subject, judgement.examination, judgement.excused).values()
    return next((cause for cause in found if cause.fix), None)


def among_siblings(reports: Sequence[Report]) -> tuple[Report, ...]:
    """Return the reports on the layers of one file, with a warning for a constant that another layer has not.

    Layers are compared with those of their kind: with losses, or with layers that have parameters. A loss that leaves
    the division out has a note alone if another layer divides.
    """
    return tuple(replace(r, findings=tuple(_beside(f, r, reports) for f in r.findings)) for r in reports)


def _beside(found: Finding, report: Report, reports: Sequence[Report]) -> Finding:
    if isinstance(found.reason, Undivided):
        return _with_what_divides(found, report, reports)
    if found.code != RULE.code or found.severity != "note":
        return found
    mine = {(v.role, v.constant) for v in report.verdicts if v.word == Word.SCALED}
    for other in (r for r in reports if r is not report):
        for verdict in other.verdicts:
            kind, constant = verdict.role, verdict.constant
            if constant and kind in {role for role, _ in mine} and (kind, constant) not in mine:
                gives = "the derivative itself" if constant == "1" else f"another constant, {constant}"
                more = f"; {other.layer}.backward, in the same file, gives {gives}"
                return replace(found, severity="warning", message=found.message + more)
    return found


def _with_what_divides(found: Finding, report: Report, reports: Sequence[Report]) -> Finding:
    for other in (r for r in reports if r is not report):
        if any(verdict.word == Word.SCALED and verdict.constant.startswith("1/") for verdict in other.verdicts):
            message = f"{found.message}; {other.layer}.backward, in the same file, divides"
            return replace(found, severity="note", message=message)
    return found
