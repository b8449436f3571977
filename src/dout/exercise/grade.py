"""A sheet with answers in; points, each with its reason, out. Gradients are judged exactly: there is no answer key.

What is said of a wrong answer names the kind of mistake and its line. It never shows a line that would be right.
"""

from __future__ import annotations

import ast
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dout.check.project.discover import Job
from dout.check.report.report import shown
from dout.check.report.verdicts import Finding, OtherOrder, Raised, Refuted, Verdict
from dout.check.rules.determinism.d602_backward_draws import RULE as DRAWS
from dout.check.rules.formula.d104_loss_assumes_one import RULE as AS_LOSS
from dout.check.rules.formula.d108_gradient_kept_nowhere import RULE as FORGOTTEN
from dout.check.rules.shapes.d501_gradient_shape import RULE as SHAPES
from dout.check.rules.shapes.d502_more_gradients import RULE as COUNT
from dout.check.rules.shapes.d506_other_rows import RULE as OTHER_ROWS
from dout.check.rules.unjudged.d003_stopped import RULE as STOPPED
from dout.check.worker.jobs import Checked, GivenArguments, JobOutcome
from dout.check.worker.runner import run
from dout.errors import visible
from dout.exercise.answer_rules import line_of_answer, refused
from dout.exercise.grading_words import CONTRACT, KINDS, VERDICTS
from dout.exercise.sheet import Sheet, first_line
from dout.exercise.sheet_runs import GIGABYTES, on_disk
from dout.judge.outcomes import CLOSE, RIGHT, Word

SECONDS = 10.0  # that a sheet may run
_VALUE, _SHAPE, _HABIT = 3, 1, 1  # points
_STEP = 4  # points of one step
_PLAIN = "forward, backward(dout)"
_RIGHT = RIGHT | CLOSE | {Word.BUT_AT_KINKS}


@dataclass(frozen=True)
class Credit:
    """Points for one thing that was asked, and why some are missing: in words, and as a key of `grading_words`."""

    what: str
    points: int
    of: int
    why: str = ""
    kind: str = ""

    @property
    def is_full(self) -> bool:
        """Whether no point is missing."""
        return self.points == self.of


@dataclass(frozen=True)
class Grade:
    """What an answer is worth. `trace` is the document of a recording in which the first wrong gradient can be seen.

    `changed` says that the file is not the sheet as it was made, outside of the marks.
    """

    name: str
    credits: tuple[Credit, ...]
    changed: bool = False
    trace: Mapping[str, Any] | None = None

    @property
    def points(self) -> int:
        """The points of all credits."""
        return sum(credit.points for credit in self.credits)

    @property
    def of(self) -> int:
        """The most points that there are."""
        return sum(credit.of for credit in self.credits)

    @property
    def ok(self) -> bool:
        """Whether no point is missing."""
        return self.points == self.of

    def to_json(self) -> dict[str, Any]:
        """As plain data: what a gradebook reads."""
        return {
            "dout": "grade", "version": 1, "exercise": self.name, "ok": self.ok, "points": self.points, "of": self.of,
            "score": round(self.points / self.of, 4) if self.of else 0.0, "changed": self.changed,
            "credits": [{"what": c.what, "points": c.points, "of": c.of, "why": c.why} for c in self.credits],
        }  # fmt: skip


def graded(sheet: Sheet, *, timeout: float = SECONDS) -> Grade:
    """Return what the answers in a sheet are worth.

    They run in a process of its own, for at most `timeout` seconds: whatever they do there is told as a reason.
    """
    if why := refused(sheet):
        return _nothing(sheet, "refused", why)
    if sheet.asks_steps:
        return _of_steps(sheet, timeout)
    if (blank := next((answer for answer in sheet.answers if answer.is_blank), None)) is not None:
        return _nothing(sheet, "unwritten", KINDS["unwritten"].format(label=visible(blank.label)))
    found, problem = _checked(sheet, [sheet.name], timeout)
    if sheet.name not in found:
        return _nothing(sheet, "stopped", problem)
    checked = found[sheet.name]
    gradients, findings = _gradients(sheet, checked)
    if not gradients:
        return _nothing(sheet, *_unjudged(sheet, checked.report.findings))
    earned = any(credit.points == _VALUE for credit in gradients)
    counted = any(credit.kind == "counted" for credit in gradients)
    credits = (*gradients, *_habits(sheet, findings, earned, counted))
    return Grade(sheet.name, credits, sheet.is_changed, None if all(c.is_full for c in credits) else checked.trace)


def _of_steps(sheet: Sheet, timeout: float) -> Grade:
    """The grade of answers in several classes: each is a step, and the last is the whole."""
    owners = sheet.owners
    written = [name for name, answer in zip(owners, sheet.answers, strict=True) if not answer.is_blank]
    found, problem = _checked(sheet, written, timeout) if written else ({}, "")
    credits: list[Credit] = []
    for name, answer in zip(owners, sheet.answers, strict=True):
        wrong = next((credit for credit in credits if not credit.is_full), None)
        what = f"{visible(answer.label)}: {_forward_line(sheet, name)}"
        if name == sheet.name:
            what = f"{visible(answer.label)}: the whole"
        if name == sheet.name and wrong is not None:
            credits.append(Credit(what, 0, _STEP, KINDS["after"].format(first=wrong.what), "after"))
        elif answer.is_blank:
            credits.append(Credit(what, 0, _STEP, KINDS["unwritten"].format(label=visible(answer.label)), "unwritten"))
        elif name not in found:
            credits.append(Credit(what, 0, _STEP, problem, "stopped"))
        else:
            credits.append(_of_step(sheet, found[name], what, is_last=name in (sheet.name, owners[0])))
    first = next((name for name, credit in zip(owners, credits, strict=True) if not credit.is_full), "")
    trace = found[first].trace if first in found else None
    return Grade(sheet.name, tuple(credits), sheet.is_changed, trace)


def _of_step(sheet: Sheet, checked: Checked, what: str, is_last: bool) -> Credit:
    """The credit of one step: its gradients together, with the reason of the first that is wrong.

    Only what `is_last` of forward may take dout to be 1.
    """
    gradients, _ = _gradients(sheet, checked, _asked(sheet, checked.report.layer))
    if not gradients:
        kind, why = _unjudged(sheet, checked.report.findings)
        return Credit(what, 0, _STEP, why, kind)
    if not is_last and any(f.code == AS_LOSS.code for f in checked.report.findings):
        return Credit(what, 0, _STEP, KINDS["ignores dout"], "ignores dout")
    points, of = sum(credit.points for credit in gradients), sum(credit.of for credit in gradients)
    wrong = next((credit for credit in gradients if not credit.is_full), None)
    why = f"{wrong.what}: {wrong.why}" if wrong else ""
    return Credit(what, _STEP * points // of, _STEP, why, wrong.kind if wrong else "")


def _gradients(
    sheet: Sheet, checked: Checked, asked: Collection[str] | None = None
) -> tuple[list[Credit], list[Finding]]:
    """The credits of the gradients of a class, and the findings that are about its answer; none, if none was judged.

    `asked` names the gradients that count; all do by default.
    """
    report = checked.report
    if asked is not None:
        verdicts = tuple(v for v in report.verdicts if v.argument in asked)
        missing = tuple(name for name in report.missing if name in asked)
        report = replace(report, verdicts=verdicts, missing=missing)
    if not report.verdicts and not any(f.code == FORGOTTEN.code for f in report.findings):
        return [], []
    spans = list(_spans(sheet))
    findings = [f for f in report.findings if isinstance(f.reason, Refuted) or _is_about(f, spans)]
    values = [credit for verdict in report.verdicts for credit in _of_gradient(sheet, verdict, findings)]
    return [*values, *(credit for name in report.missing for credit in _lost(name, findings))], findings


def _nothing(sheet: Sheet, kind: str, why: str) -> Grade:
    labels = ", ".join(visible(answer.label) for answer in sheet.answers)
    return Grade(sheet.name, (Credit(f"{labels} gives gradients", 0, 1, why, kind),), sheet.is_changed)


def _checked(sheet: Sheet, names: Sequence[str], timeout: float) -> tuple[dict[str, Checked], str]:
    """What the check of each class says, from a process of its own; or what became of that process."""
    with on_disk(sheet) as file:
        job = Job(str(file), "file", tuple(names))
        given = GivenArguments(
            memory=GIGABYTES, pictures=True, kind_alone=True, kept=False, interface=_interface(sheet)
        )
        (outcome,) = run([job], given, processes=1, timeout=timeout, asked={str(file)}, isolated=True)
        return {one.report.layer: one for one in outcome.layers}, _problem(outcome, f"{file}")


def _asked(sheet: Sheet, name: str) -> set[str]:
    """The inputs of a class whose gradients a sheet of steps asks for: those that a step takes."""
    inputs = {
        owner: {one.arg for one in methods["forward"].args.args[1:]}
        for owner, methods in sheet.methods.items()
        if "forward" in methods
    }
    steps = {name} if name != sheet.name else {*sheet.owners} - {name}
    return inputs.get(name, set()) & set().union(*(inputs.get(step, set()) for step in steps))


def _forward_line(sheet: Sheet, name: str) -> str:
    """The first line of the forward of a step, which says what it computes."""
    forward = sheet.methods.get(name, {}).get("forward")
    return visible(ast.unparse(forward.body[0]) if forward is not None else name)


def _interface(sheet: Sheet) -> str:
    """How the class is called, where that is plain to see: else an answer in the wrong order would pass for another."""
    methods = sheet.methods.get(sheet.name, {})
    is_plain = "forward" in methods and "backward" in methods and len(methods["backward"].args.args) == 2
    return _PLAIN if is_plain else ""


def _problem(outcome: JobOutcome, file: str) -> str:
    told = next(filter(None, (outcome.problem, *outcome.remarks, *outcome.refused, outcome.skipped)), KINDS["died"])
    return visible(told.replace(file, "the file").replace(os.path.basename(file), "the file"))  # noqa: PTH119


def _is_about(finding: Finding, spans: Collection[tuple[int, int]]) -> bool:
    """Whether a finding is about the method that the learner writes, and not about what the sheet gives."""
    return finding.line is None or any(first <= finding.line <= last for first, last in spans)


def _spans(sheet: Sheet) -> Iterator[tuple[int, int]]:
    """The lines of the methods with answers in them."""
    for node in ast.walk(sheet.tree):
        if isinstance(node, ast.FunctionDef):
            first = first_line(node)
            for _, start, end in sheet.lines_of_answers():
                if first < start <= end + 1 and node.lineno <= start and (node.end_lineno or 0) >= end - 1:
                    yield first, end


def _unjudged(sheet: Sheet, findings: Collection[Finding]) -> tuple[str, str]:
    """Why nothing could be judged, as a kind and in words that give nothing away."""
    for finding in findings:
        if isinstance(finding.reason, Raised):
            place = _at(sheet, finding)
            told = KINDS["raises" if place else "raises somewhere"]
            return "raises", f"{place}{told.format(what=visible(finding.reason.text))}"
        if finding.code == STOPPED.code:
            kind = cause if (cause := finding.cause or "") in KINDS else "stopped"
            return kind, KINDS[kind]
    kind = "count" if any(f.code == COUNT.code for f in findings) else "no gradient"
    return kind, KINDS[kind]


def _of_gradient(sheet: Sheet, verdict: Verdict, findings: Collection[Finding]) -> Iterator[Credit]:
    """The credits of one gradient: for its numbers, and for its shape."""
    name = verdict.argument
    mine = [f for f in findings if f.argument == name and (f.severity == "error" or f.code == SHAPES.code)]
    moved = any(isinstance(f.reason, OtherOrder) and name in f.reason.names for f in findings)
    misshapen = next((f for f in mine if _is_of_shape(f) and not isinstance(f.reason, OtherOrder)), None)
    wrong = next((f for f in mine if f is not misshapen and isinstance(f.reason, Refuted)), None)
    what = f"the gradient of {visible(name)}"
    if moved:
        yield Credit(what, 0, _VALUE, KINDS["swapped"], "swapped")
    elif verdict.word in _RIGHT and wrong is None:
        yield Credit(what, _VALUE, _VALUE)
    elif verdict.word in _RIGHT and wrong is not None:
        yield Credit(what, _VALUE - 1, _VALUE, f"{KINDS['elsewhere']}{_case(wrong)}", "elsewhere")
    else:
        kind = _kind(verdict, misshapen or wrong, findings)
        place, case = (_at(sheet, wrong), _case(wrong)) if wrong is not None else ("", "")
        points = _VALUE - 1 if kind == "scaled" else 0
        yield Credit(what, points, _VALUE, f"{place}{KINDS[kind]}{case}", kind)
    if misshapen is None and not moved:
        yield Credit(f"{what}: its shape", _SHAPE, _SHAPE)
        return
    why = KINDS["swapped"]
    if misshapen is not None:
        got, right = misshapen.got, misshapen.expected
        told = KINDS["another shape" if got is None else "shape"].format(got=got, right=right)
        why = f"{_at(sheet, misshapen)}{told}"
    yield Credit(f"{what}: its shape", 0, _SHAPE, why, "shape")


def _kind(verdict: Verdict, finding: Finding | None, findings: Collection[Finding]) -> str:
    """What is wrong with the numbers of a gradient, as a key of the words for it."""
    cause = (finding.cause if finding else None) or ""
    if finding is not None and _is_of_shape(finding) and cause == "broadcast" and not _is_spread(verdict, finding):
        return "shape first"
    if verdict.word is Word.SCALED and verdict.role in ("input", "parameter") and _counts(verdict.constant):
        return "counted"
    if finding is not None and isinstance(finding.got, float) and not math.isfinite(finding.got):
        return "not finite"
    drawn = "random" if any(f.code == DRAWS.code for f in findings) else ""
    return next(kind for kind in (VERDICTS.get(verdict.word, ""), drawn, cause, "formula") if kind in KINDS)


def _counts(constant: str) -> bool:
    """Whether a factor changes with the size of the arrays: 1/N does, 1/2 does not."""
    return any(letter.isupper() for letter in constant)


def _is_of_shape(finding: Finding) -> bool:
    """Whether a finding says that a gradient has another shape than what it is the gradient of."""
    shapes = isinstance(finding.got, tuple) and isinstance(finding.expected, tuple)
    return finding.code == SHAPES.code or (shapes and finding.got != finding.expected)


def _is_spread(verdict: Verdict, finding: Finding) -> bool:
    """Whether a gradient has the right shape once it is summed along some axes: its rows, say."""
    got, right = finding.got, finding.expected
    if got is None:
        return False
    return got[len(got) - len(right) :] == right or (verdict.role == "parameter" and len(right) == 1)


def _lost(name: str, findings: Collection[Finding]) -> Iterator[Credit]:
    """The credits of a gradient that was not found."""
    forgotten = any(f.code == FORGOTTEN.code and f.argument == name for f in findings)
    kind = "kept nowhere" if forgotten else "lost"
    yield Credit(f"the gradient of {visible(name)}", 0, _VALUE + _SHAPE, KINDS[kind], kind)


def _case(finding: Finding) -> str:
    """One number that is wrong, and the right one."""
    if finding.index is None or finding.expected is None or finding.got is None:
        return ""
    where = f" at {list(finding.index)}" if finding.index else ""
    got, right = _apart(finding.got, finding.expected)
    return f"; it is {got}{where}, right: {right}"


def _apart(got: Any, right: Any) -> tuple[str, str]:
    """Two numbers as text, with as many digits as it takes to tell them apart.

    >>> _apart(0.4375000017, 0.4375)
    ('0.437500002', '0.4375')
    """
    texts = shown(got), shown(right)
    for digits in (9, 12, 17):
        if texts[0] != texts[1] or not (isinstance(got, float) and isinstance(right, float)):
            break
        texts = f"{got:.{digits}g}", f"{right:.{digits}g}"
    return texts


def _at(sheet: Sheet, finding: Finding) -> str:
    """The line of an answer that a finding is about; none, where it is a line of another class's answer."""
    owners = sheet.owners
    for (answer, first, last), owner in zip(sheet.lines_of_answers(), owners, strict=True):
        if finding.layer in owners and owner != finding.layer:
            continue
        if finding.line is not None and first <= finding.line <= last:
            return f"{line_of_answer(answer, finding.line - first)}: "
    return ""


def _habits(sheet: Sheet, findings: Collection[Finding], earned: bool, counted: bool) -> Iterator[Credit]:
    """The credits for what a backward owes to those who call it: they count where some gradient is right.

    `counted` says that a gradient is right for one number of rows alone.
    """
    for what, rules, otherwise in CONTRACT:
        codes = {rule.code for rule in rules}
        broken = next((f for f in findings if f.code in codes), None)
        if broken is not None:
            kind = cause if (cause := broken.cause or "") in KINDS else otherwise
            yield Credit(what, 0, _HABIT, f"{_at(sheet, broken)}{KINDS[kind]}", kind)
        elif counted and OTHER_ROWS in rules:
            yield Credit(what, 0, _HABIT, KINDS[otherwise], otherwise)
        else:
            kind = "" if earned else "not earned"
            yield Credit(what, _HABIT if earned else 0, _HABIT, KINDS.get(kind, ""), kind)
