"""What a run of `dout check` found, printed: for a person, or for one of several machines."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from dout.cli.output.printing import is_unicode, tell
from dout.errors import visible
from dout.files import HTML_MARK, Kind, near

if TYPE_CHECKING:
    from dout.check.project.settings import Settings
    from dout.check.report.report import Report
    from dout.check.report.verdicts import Finding
    from dout.check.worker.jobs import Checked, JobOutcome
    from dout.styled_lines import Line

PAGE = Kind("a report", (".html", ".htm"), HTML_MARK)


@dataclass
class Result:
    """What a run found.

    `given` are the options `--init NAME` and `--input NAME` as they were typed, `unused` those that no layer took;
    `folded` says that of many layers only those with an error or a warning are printed in detail, `notes` that notes
    are printed, and conditions that were not covered. `read` are the paths that were read for it, and it `stands` until
    they change. `interrupted` is the number of the signal that ended it early, and `ended` says so.
    """

    settings: Settings
    format: str = "text"
    given: Mapping[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    folded: bool = False
    notes: bool = False
    problems: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    outcomes: list[JobOutcome] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    stands: bool = True
    interrupted: int = 0
    ended: str = ""
    known: int = 0
    for_baseline: list[Finding] = field(default_factory=list)  # the known ones too
    start: float = field(default_factory=time.perf_counter)

    def end_at(self, number: int) -> None:
        """A signal has ended the run: files that were not begun are left out, and the others that are cut are named."""
        from dout.check.report.report import some

        cut = [near(outcome.job.where) for outcome in self.outcomes if outcome.cut_short]
        self.outcomes = [outcome for outcome in self.outcomes if outcome.layers or not outcome.cut_short]
        self.interrupted, self.stands = number, False
        what = f"{some(cut, 3)} {'was' if len(cut) == 1 else 'were'}" if cut else "programs were"
        self.ended = f"interrupted: {what} not checked to the end"

    @property
    def checked(self) -> list[Checked]:
        """Every layer."""
        return [checked for outcome in self.outcomes for checked in outcome.layers]

    @property
    def files(self) -> set[str]:
        """The files that were checked, without links."""
        return {os.path.realpath(outcome.job.file) for outcome in self.outcomes if outcome.job.file}

    @property
    def reports(self) -> list[Report]:
        """The report of every layer."""
        return [checked.report for checked in self.checked]

    @property
    def findings(self) -> list[Finding]:
        """Every finding."""
        return [finding for report in self.reports for finding in report.findings]

    @property
    def errors(self) -> list[str]:
        """What could not be run, and which options no layer took."""
        unused = (f"{option}: no layer that was checked takes it; remove it" for option in self.unused)
        return [*self.problems, *filter(None, [self.ended]), *unused]

    @property
    def exit_code(self) -> int:
        """2 where something could not be run or used, 1 where a finding counts; more than 128 after a signal."""
        if self.interrupted:
            return 128 + self.interrupted
        if self.errors or (not self.checked and any(outcome.skipped for outcome in self.outcomes)):
            return 2
        return int(any(finding.severity in self.counting for finding in self.findings))

    @property
    def counting(self) -> set[str]:
        """The severities that count."""
        return {"error", "warning"} if self.settings.strict else {"error"}

    @property
    def summary(self) -> str:
        """The counts of the whole run, in one line."""
        from dout.check.report.report import summary

        seconds = time.perf_counter() - self.start
        return summary(self.reports, known=self.known, problems=len(self.problems), seconds=seconds)


def tell_result(result: Result) -> None:
    """Print everything: what was found on stdout, what could not be run on stderr."""
    on_runner = os.environ.get("GITHUB_ACTIONS") == "true"
    with _no_commands(on_runner and bool(result.errors), err=True):
        for text in result.tracebacks:
            click.echo(visible(text, keep="\n\t"), err=True, nl=False)
        for problem in result.errors:
            click.echo(f"dout: {visible(problem)}", err=True)
    with _no_commands(on_runner and result.format == "text", err=False):
        FORMATS[result.format](result)
    if result.format != "github" and on_runner:
        _github(result, err=result.format != "text")


# --- to a person ------------------------------------------------------------------------------------------------------

_MOST = 60  # lines of a report on a folder in which every layer has a line, and every warning its own


def _human(result: Result) -> None:
    from dout.check.project.fixed_files import fixes_told
    from dout.check.report.report import WIDTH
    from dout.styled_lines import ascii_only, wrapped

    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, 120) if sys.stdout.isatty() else WIDTH
    shown = result if result.notes else replace(result, outcomes=list(map(_without_notes, result.outcomes)))
    lines, hidden = [*_details(shown, width), *_at_a_glance(shown, width)], _hidden(result, shown)
    summary, fixes = list(wrapped([(shown.summary, "title")], width)), list(fixes_told(result.findings, result.files))
    closing = len(summary) + bool(hidden) + len(fixes)
    if result.folded and not result.notes and len(lines) + closing > _MOST:
        lines, hidden = list(_in_brief(shown, width)), ["every layer", *hidden]
    while len(lines) > 1 and not lines[-1] and not lines[-2]:
        lines.pop()
    lines += summary
    lines += [[(f"with --notes: {', '.join(hidden)}", "dim")]] if hidden else []
    lines += [[(said, "dim")] for said in fixes]
    tell(lines, ascii_only)


def _without_notes(outcome: JobOutcome) -> JobOutcome:
    """An outcome without notes and without conditions that were not covered; why a layer was not judged stays."""

    def quiet(report: Report) -> Report:
        findings = tuple(f for f in report.findings if f.severity != "note" or not report.verdicts)
        return replace(report, findings=findings, branches=(), timed=False)

    return replace(outcome, layers=[replace(checked, report=quiet(checked.report)) for checked in outcome.layers])


def _hidden(result: Result, shown: Result) -> list[str]:
    """How many notes are not printed, and how many conditions that were not covered."""
    from dout.check.report.report import counted_noun

    notes = len(result.findings) - len(shown.findings)
    sides = sum(len(report.branches) for report in result.reports) - sum(len(r.branches) for r in shown.reports)
    timed = sum(report.timed for report in result.reports)
    counted = [(notes, counted_noun(notes, "note")), (sides, f"{counted_noun(sides, 'condition')} not covered"),
               (timed, f"{counted_noun(timed, 'layer')} cut short by the clock")]  # fmt: skip
    return [said for number, said in counted if number]


def _details(result: Result, width: int) -> Iterator[Line]:
    """Every layer in detail; of many files only those with an error or a warning, errors first."""
    from dout.check.worker.summary import by_state, state

    places = {id(checked.report): (outcome, checked) for outcome in result.outcomes for checked in outcome.layers}
    reports = by_state(result.reports) if _is_many(result) else result.reports
    for report in reports:
        if not result.folded or state(report) in ("error", "warning"):
            yield from detail(result, *places[id(report)], width)
            yield []


def _in_brief(result: Result, width: int) -> Iterator[Line]:
    """What is wrong in detail, and all else by code and by file: a report that people read to its end."""
    from dout.check.report.report import to_lines
    from dout.check.rules import rules
    from dout.check.worker.summary import in_brief, state, told_lines
    from dout.judge.outcomes import Word
    from dout.styled_lines import wrapped

    for report in (report for report in result.reports if state(report) == "error"):
        verdicts = tuple(verdict for verdict in report.verdicts if verdict.word == Word.REFUTED)
        errors = tuple(finding for finding in report.findings if finding.severity == "error")
        yield from to_lines(replace(report, verdicts=verdicts, findings=errors), width=width)
        yield []
    titles = {code: rule.title for code, rule in rules().items()}
    told = told_lines(result.outcomes, True, _shown, most=1)
    for line in (*in_brief(result.reports, titles, _shown), [], *told, []):
        yield from wrapped(line, width)


def detail(result: Result, outcome: JobOutcome, checked: Checked, width: int) -> Iterator[Line]:
    """A layer's report; where something is wrong, with the command that gives the same run again."""
    from dout.check.report.report import to_lines
    from dout.cli.output.repeat_command import Again, about

    yield from to_lines(checked.report, about(checked), width)
    if result.folded or not checked.report.ok:
        again = Again(outcome.job, checked, result.given)
        yield from ([(line, "verbatim")] for line in again.lines(width))


def _at_a_glance(result: Result, width: int) -> Iterator[Line]:
    """The table and the codes of many files; for any number of files, those that were not judged or were refused."""
    from dout.check.worker.summary import code_counts, table, told_lines
    from dout.styled_lines import wrapped

    many = _is_many(result) and bool(result.outcomes)
    if many:
        yield from table(result.outcomes, width, _shown)
        yield []
    told = [part for line in told_lines(result.outcomes, many, _shown) for part in wrapped(line, width)]
    yield from told
    if told:
        yield []
    counts = code_counts(result.reports)
    if many and counts:
        line = ", ".join(f"{code} × {number}" for code, number in counts.items())
        yield from wrapped([("codes: ", "dim"), (line, "")], width)
    if not (result.reports or result.errors or told):
        yield [("there is no layer here: no class has forward and backward; dout show draws a script", "fair")]


def _shown(of_the_user: str) -> str:
    shown = visible(of_the_user)
    return shown if is_unicode(sys.stdout) else shown.encode("ascii", "backslashreplace").decode()


def _is_many(result: Result) -> bool:
    return len(result.outcomes) > 1 or result.folded


# --- to machines ------------------------------------------------------------------------------------------------------


def _json(result: Result) -> None:
    from dout import __version__
    from dout.check.report.machine_formats import FORMAT

    severities = [finding.severity for finding in result.findings]
    files = [
        {
            "file": outcome.job.where,
            "problem": outcome.problem or None,
            "skipped": outcome.skipped or None,
            "remarks": [*(f"{act}: refused" for act in outcome.refused), *outcome.remarks],
            "data": outcome.data,
            "network": outcome.network or None,
            "layers": [_layer(result, outcome, checked) for checked in outcome.layers],
        }
        for outcome in result.outcomes
    ]
    document = {
        "dout": FORMAT,
        "version": __version__,
        "files": files,
        "problems": result.errors,
        "summary": {
            "text": result.summary,
            "layers": len(result.reports),
            **{f"{severity}s": severities.count(severity) for severity in ("error", "warning", "note")},
            "known": result.known,
            "seconds": round(time.perf_counter() - result.start, 3),
        },
        "exit_code": result.exit_code,
    }
    click.echo(json.dumps(document, ensure_ascii=True, allow_nan=False))


def _layer(result: Result, outcome: JobOutcome, checked: Checked) -> dict[str, Any]:
    from dout.check.report.machine_formats import data, to_json
    from dout.cli.output.repeat_command import Again

    return {
        **to_json(checked.report),
        "chosen": {"init": data(checked.init), "inputs": data(checked.inputs)},
        "interface": checked.interface or None,
        "used": checked.used or None,
        "again": Again(outcome.job, checked, result.given).command,
    }


def _sarif(result: Result) -> None:
    from dout import __version__
    from dout.check.report.machine_formats import to_sarif
    from dout.check.rules import rules

    placed = [
        replace(one.report, file=one.report.file or one.file or outcome.job.file or None)  # it may be made by exec
        for outcome in result.outcomes
        for one in outcome.layers
    ]
    log = to_sarif(placed, rules(), version=__version__, problems=result.errors)
    click.echo(json.dumps(log, ensure_ascii=True, allow_nan=False))


def _github(result: Result, err: bool = False) -> None:
    from dout.check.report.ci_formats import github_line

    for finding in result.findings:
        line = github_line(finding)
        if not is_unicode(sys.stderr if err else sys.stdout):
            line = line.encode("ascii", "backslashreplace").decode()
        click.echo(line, err=err)


def _gitlab(result: Result) -> None:
    from dout.check.report.ci_formats import to_gitlab

    click.echo(json.dumps(to_gitlab(result.findings), ensure_ascii=True))


def _junit(result: Result) -> None:
    from dout.check.report.ci_formats import to_junit

    files = [(outcome.job.where, [checked.report for checked in outcome.layers]) for outcome in result.outcomes]
    text = to_junit([(file, reports) for file, reports in files if reports], result.errors, result.counting)
    click.echo(text.encode("ascii", "xmlcharrefreplace").decode())


FORMATS = {
    "text": _human, "json": _json, "sarif": _sarif, "github": _github, "gitlab": _gitlab, "junit": _junit,
}  # fmt: skip


@contextmanager
def _no_commands(on_runner: bool, err: bool) -> Iterator[None]:
    """Within, GitHub's runners obey no line: a user's text may begin with `::`, and lines are broken at spaces."""
    word = secrets.token_hex(16) if on_runner else ""
    if on_runner:
        click.echo(f"::stop-commands::{word}", err=err)
    yield
    if on_runner:
        click.echo(f"::{word}::", err=err)
