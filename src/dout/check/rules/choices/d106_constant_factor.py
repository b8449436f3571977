"""D106: gradients are right up to a constant that people choose: 1/N for a mean, 2 for a square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.repair import first_fix
from dout.check.report.report import Report
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import Finding, Undivided
from dout.check.rules.choices.kept_conventions import by_reason, gradient_of, keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D106", "note", "a constant factor: a convention")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for a layer; a warning for a loss whose forward divides by a number that its backward leaves out.

    That is an error where one function returns both: what comes with a loss is its own gradient. A layer whose own
    gradients do not keep to one constant has no convention: they are wrong.
    """
    found = keeping(judgement, Word.SCALED)
    for because, names in by_reason(found).items():
        kept = {name: found[name] for name in names}
        message, details = f"{subject.name}.backward is {because}, in the {gradient_of(names)}", told(kept)
        if any(convention.undivided for convention in kept.values()):
            message += ": forward divides by that number, and backward does not"
            together = subject.interface is not None and subject.interface.gives
            details |= {"severity": "error" if together else "warning", "reason": Undivided()}
            excused = {n: o for n, o in judgement.excused.items() if o.judged.name in kept}
            details["fix"] = first_fix(subject, judgement.examination, excused)
        yield RULE.about(subject, message, cause="factor", **details)


def among_siblings(reports: Sequence[Report]) -> tuple[Report, ...]:
    """Return the reports on the layers of one file, with a warning for a constant that another layer has not.

    Layers are compared with those of their kind: with losses, or with layers that have parameters. A loss that leaves
    the division out has a note alone, and no fix, if another layer divides.
    """
    return tuple(report.with_each(partial(_beside, report, reports)) for report in reports)


def among_all(reports: Sequence[Report]) -> tuple[Report, ...]:
    """Return the reports on all layers of a run, with a note for a loss that leaves the division out if one divides."""

    def beside(report: Report) -> Report:
        return report.with_each(
            lambda found: _with_what_divides(found, report, reports) if isinstance(found.reason, Undivided) else found
        )

    return tuple(map(beside, reports))


def _beside(report: Report, reports: Sequence[Report], found: Finding) -> Finding:
    if isinstance(found.reason, Undivided):
        return _with_what_divides(found, report, reports)
    if found.code != RULE.code or found.severity != "note":
        return found
    mine = {(v.role, v.constant) for v in report.verdicts if v.word == Word.SCALED and "self." not in v.constant}
    for other in (r for r in reports if r is not report):
        for verdict in other.verdicts:
            kind, constant = verdict.role, verdict.constant
            if constant and kind in {role for role, _ in mine} and (kind, constant) not in mine:
                gives = "the derivative itself" if constant == "1" else f"another constant, {constant}"
                return found.doubted(f"; {other.layer}.backward, in the same file, gives {gives}")
    return found


def _with_what_divides(found: Finding, report: Report, reports: Sequence[Report]) -> Finding:
    for other in (r for r in reports if r is not report and found.severity != "note"):
        if any(verdict.word == Word.SCALED and verdict.constant.startswith("1/") for verdict in other.verdicts):
            place = "the same file" if other.file == report.file else Path(other.file or "").name
            message = f"{found.message}; {other.layer}.backward, in {place}, divides"
            return replace(found, severity="note", message=message, fix=None)  # together they are right
    return found
