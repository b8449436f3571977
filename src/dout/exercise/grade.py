"""A sheet with answers in; points, each with its reason, out. Gradients are judged exactly: there is no answer key.

What is said of a wrong answer names the kind of mistake and its line. It never shows a line that would be right.
"""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dout.check.project.discover import Job
from dout.check.report.report import Report, shown
from dout.check.report.verdicts import Finding, Raised, Refuted, Verdict
from dout.check.worker.jobs import Checked, GivenArguments, JobOutcome
from dout.check.worker.runner import run
from dout.errors import visible
from dout.exercise.answer_rules import line_of_answer, refused
from dout.exercise.grading_words import CAUSES, CONTRACT, UNKNOWN, WORDS
from dout.exercise.sheet import Sheet
from dout.judge.outcomes import CLOSE, RIGHT, Word

SECONDS = 10.0  # that a sheet may run
_GIGABYTES = 2.0
_VALUE, _SHAPE, _HABIT = 3, 1, 1  # points
PLAIN = "forward, backward(dout)"
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
    if why := _unwritten(sheet) or refused(sheet):
        return _nothing(sheet, why, "refused" if not _unwritten(sheet) else "unwritten")
    checked, problem = _checked(sheet, timeout)
    if checked is None:
        return _nothing(sheet, problem, "stopped")
    report = checked.report
    if not report.verdicts and not report.missing:
        return _nothing(sheet, *_unjudged(sheet, report.findings))
    findings = [f for f in report.findings if f.severity == "error" and _is_about(sheet, f)]
    values = [credit for verdict in report.verdicts for credit in _of_gradient(sheet, verdict, findings)]
    lost = [Credit(f"the gradient of {visible(name)}", 0, _VALUE + _SHAPE, WORDS["lost"], "lost") for name in report.missing]
    earned = any(credit.points == _VALUE for credit in values)
    credits = (*values, *lost, *_habits(sheet, report, findings, earned))
    return Grade(sheet.name, credits, sheet.is_changed, None if all(c.is_full for c in credits) else checked.trace)


def _unwritten(sheet: Sheet) -> str:
    blank = [answer.label for answer in sheet.answers if answer.is_blank]
    return WORDS["unwritten"].format(label=visible(blank[0])) if blank else ""


def _nothing(sheet: Sheet, why: str, kind: str) -> Grade:
    labels = ", ".join(visible(answer.label) for answer in sheet.answers)
    return Grade(sheet.name, (Credit(f"{labels} gives gradients", 0, 1, why, kind),), sheet.is_changed)


def _checked(sheet: Sheet, timeout: float) -> tuple[Checked | None, str]:
    """What the check of a layer says, from a process of its own; or what became of that process."""
    with tempfile.TemporaryDirectory(prefix="dout-exercise-") as folder:
        file = Path(folder, "sheet.py")
        file.write_text(sheet.text, encoding="utf-8")
        job = Job(str(file), "file", (sheet.name,))
        given = GivenArguments(memory=_GIGABYTES, pictures=True, kind_alone=True, interface=_interface(sheet))
        (outcome,) = run([job], given, processes=1, timeout=timeout, asked={str(file)}, isolated=True)
        if outcome.layers:
            return outcome.layers[0], ""
        return None, _problem(outcome, f"{file}")


def _interface(sheet: Sheet) -> str:
    """How the class is called, where that is plain to see: else an answer in the wrong order would pass for another."""
    for item in ast.walk(ast.parse(sheet.text)):
        if isinstance(item, ast.ClassDef) and item.name == sheet.name:
            methods = {m.name: m.args for m in item.body if isinstance(m, ast.FunctionDef)}
            backward = methods.get("backward")
            if "forward" in methods and backward is not None and len(backward.args) == 2:
                return PLAIN
    return ""


def _problem(outcome: JobOutcome, file: str) -> str:
    told = next(filter(None, (outcome.problem, *outcome.remarks, *outcome.refused, outcome.skipped)), WORDS["silent"])
    return visible(told.replace(file, "the file").replace(os.path.basename(file), "the file"))  # noqa: PTH119


def _is_about(sheet: Sheet, finding: Finding) -> bool:
    """Whether a finding is about the method that the learner writes, and not about what the sheet gives."""
    spans = list(_spans(sheet))
    return finding.line is None or any(first <= finding.line <= last for first, last in spans)


def _spans(sheet: Sheet) -> Iterator[tuple[int, int]]:
    """The lines of the methods with answers in them."""
    for node in ast.walk(ast.parse(sheet.text)):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            for _, start, end in sheet.lines_of_answers():
                if first < start <= end + 1 and node.lineno <= start and (node.end_lineno or 0) >= end - 1:
                    yield first, end


def _unjudged(sheet: Sheet, findings: Collection[Finding]) -> tuple[str, str]:
    """Why nothing could be judged, in words that give nothing away."""
    for finding in findings:
        if isinstance(finding.reason, Raised):
            return f"{_at(sheet, finding)}it raises {visible(finding.reason.text)}", "raises"
        if finding.code == "D003":
            return WORDS["stopped"], "stopped"
    return WORDS["no gradient"], "no gradient"


def _of_gradient(sheet: Sheet, verdict: Verdict, findings: Collection[Finding]) -> Iterator[Credit]:
    """The credits of one gradient: for its numbers, and for its shape."""
    name = visible(verdict.argument)
    mine = [f for f in findings if f.argument == verdict.argument]
    misshapen = next((f for f in mine if f.code == "D501"), None)
    wrong = [f for f in mine if f is not misshapen]
    what = f"the gradient of {name}"
    if misshapen is not None:
        why = (
            f"{_at(sheet, misshapen)}{WORDS['shape'].format(got=shown(misshapen.got), right=shown(misshapen.expected))}"
        )
        yield Credit(what, 0, _VALUE, _cause(misshapen) or WORDS["shape first"], misshapen.cause or "shape first")
        yield Credit(f"{what}: its shape", 0, _SHAPE, why, "shape")
        return
    elsewhere = [f for f in wrong if isinstance(f.reason, Refuted) and f.reason.elsewhere]
    if verdict.word in _RIGHT and not elsewhere:
        yield Credit(what, _VALUE, _VALUE)
    elif verdict.word in _RIGHT:
        yield Credit(what, _VALUE - 1, _VALUE, f"{WORDS['elsewhere']}{_case(elsewhere[0])}", "elsewhere")
    else:
        points = _VALUE - 1 if verdict.word is Word.SCALED else 0
        yield Credit(what, points, _VALUE, _why(sheet, verdict, wrong[0] if wrong else None), (str(verdict.word) if str(verdict.word) in CAUSES else (wrong[0].cause if wrong else "") or "formula"))
    yield Credit(f"{what}: its shape", _SHAPE, _SHAPE)


def _why(sheet: Sheet, verdict: Verdict, finding: Finding | None) -> str:
    """What is wrong with the numbers of a gradient: the kind of mistake, its line, and one number that is wrong."""
    kind = CAUSES.get(str(verdict.word)) or (_cause(finding) if finding else "") or UNKNOWN
    return f"{_at(sheet, finding) if finding else ''}{kind}{_case(finding) if finding else ''}"


def _cause(finding: Finding) -> str:
    return CAUSES.get(finding.cause or "", "")


def _case(finding: Finding) -> str:
    """One number that is wrong, and the right one."""
    if finding.index is None or finding.expected is None or finding.got is None:
        return ""
    where = f" at {list(finding.index)}" if finding.index else ""
    return f"; it is {shown(finding.got)}{where}, right: {shown(finding.expected)}"


def _at(sheet: Sheet, finding: Finding) -> str:
    """The line of an answer that a finding is about."""
    for answer, first, last in sheet.lines_of_answers():
        if finding.line is not None and first <= finding.line <= last:
            return f"{line_of_answer(answer, finding.line - first)}: "
    return ""


def _habits(sheet: Sheet, report: Report, findings: Collection[Finding], earned: bool) -> Iterator[Credit]:
    """The credits for what a backward owes to those who call it: they count where some gradient is right."""
    told = [f for f in findings if not isinstance(f.reason, Refuted)]
    for what, codes, why in CONTRACT:
        broken = next((f for f in told if f.code in codes), None)
        if broken is not None:
            yield Credit(what, 0, _HABIT, f"{_at(sheet, broken)}{_cause(broken) or why}", broken.cause or "else")
        else:
            yield Credit(what, _HABIT if earned else 0, _HABIT, "" if earned else WORDS["not earned"], "" if earned else "not earned")
    known = {code for _, codes, _ in CONTRACT for code in codes}
    named = {verdict.argument for verdict in report.verdicts}
    for finding in told:
        if finding.code not in known and finding.argument not in named:
            yield Credit(WORDS["else"], 0, _HABIT, f"{_at(sheet, finding)}{_cause(finding) or UNKNOWN}", finding.cause or "else")
