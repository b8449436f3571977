"""`dout check`: is every backward the derivative of its forward, and does every layer keep to the contract?"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from dout.errors import TargetError, needs, visible

if TYPE_CHECKING:
    from dout.check.model import Finding, Report
    from dout.check.runner import Outcome
    from dout.check.settings import Settings
    from dout.check.worker import Checked

FORMATS = ("human", "json", "sarif", "github")


@click.command()
@click.argument("targets", metavar="TARGET…", nargs=-1)
@click.option("--init", metavar="NAME=VALUE", multiple=True, help="An argument for the layers' constructors.")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input for the layers' forward.")
@click.option("-j", "--jobs", "processes", metavar="N", type=click.IntRange(1), help="Files at a time [a CPU each].")
@click.option("--select", metavar="CODES", help="Report these codes only; D2 stands for all that begin so.")
@click.option("--ignore", metavar="CODES", help="Do not report these codes.")
@click.option("--strict", is_flag=True, default=None, help="Warnings count as errors.")
@click.option("--explain", metavar="CODE", help="Print the page about a code.")
@click.option("--baseline", metavar="FILE", help="Findings in FILE are known and do not count.")
@click.option("--write-baseline", is_flag=True, help="Write today's findings to the baseline.")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(0),
              help="For loading a file, and for each layer in it [20]; 0: no limit.")  # fmt: skip
@click.option("--memory", metavar="GB", type=click.FloatRange(0), help="For each file [2]; 0: no limit.")
@click.option("--json", "format_", flag_value="json", help="Print one JSON document and nothing else.")
@click.option("--sarif", "format_", flag_value="sarif", help="Print one SARIF 2.1.0 log and nothing else.")
@click.option("--github", "format_", flag_value="github", help="Print GitHub's annotations.")
def check(
    targets: tuple[str, ...], init: tuple[str, ...], inputs: tuple[str, ...], processes: int | None,
    select: str | None, ignore: str | None, strict: bool | None, explain: str | None, baseline: str | None,
    write_baseline: bool, timeout: float | None, memory: float | None, format_: str | None,
) -> None:  # fmt: skip
    """Check every layer in TARGET…: is its backward the derivative of its forward?

    A TARGET is a file, a folder, a module, a layer in one of them (file.py:Name, package.module:Name), or the name of
    a ready-made layer (Sigmoid). In a file every class with forward and backward that it defines is a layer. Arguments
    and inputs that are not given are chosen, and the report says which.

    The files are EXECUTED, in processes of their own and in the current folder, with your rights.

    Exit code: 0 fine, 1 a finding of severity error (with --strict also a warning), 2 usage, or something cannot run.
    """
    if explain is not None:
        click.echo(_page(explain))
        return
    if not targets:
        raise click.UsageError("give a TARGET to check: a file, a folder, a module or a layer")
    if write_baseline and baseline is None:
        raise click.UsageError("--write-baseline needs --baseline FILE")
    _load()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # and not without ending the processes
    run = _Run(_settings(select, ignore, strict, timeout, memory), format_ or "human")
    run.check(targets, init, inputs, processes or _processors())
    run.judge(Path(baseline) if baseline else None, write_baseline)
    run.tell()
    sys.exit(run.exit_code)


def _load() -> None:
    """Load what the processes of the files will share; say what is missing."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices, and a process for each file
    from importlib.util import find_spec

    if find_spec("flint") is None:
        raise TargetError(needs("dout check", "flint"))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _page(code: str) -> str:
    from dout.check.codes import CODES
    from dout.check.findings import page

    code = code.strip().upper()
    if code not in CODES:
        raise TargetError(f"there is no code {code}; they are {', '.join(CODES)}")
    return page(code).rstrip()


def _settings(select: str | None, ignore: str | None, *others: Any) -> Settings:
    from dout.check.settings import codes, read_settings

    strict, timeout, memory = others
    settings = read_settings(Path.cwd())
    return settings.but(
        select=None if select is None else codes(select, "--select"),
        ignore=None if ignore is None else (*settings.ignore, *codes(ignore, "--ignore")),
        strict=strict,
        timeout=timeout,
        memory=memory,
    )


class _Run:
    """One run of the command: what it found, and how it is told."""

    def __init__(self, settings: Settings, format_: str) -> None:
        self.settings, self.format = settings, format_
        self.problems: list[str] = []
        self.tracebacks: list[str] = []
        self.outcomes: list[Outcome] = []
        self.known = 0
        self.start = time.perf_counter()

    def check(self, targets: Sequence[str], init: tuple[str, ...], inputs: tuple[str, ...], processes: int) -> None:
        """Run every target."""
        from dout.check.discover import find_jobs
        from dout.check.runner import run
        from dout.check.worker import Given
        from dout.cli.progress import Progress
        from dout.cli.target import parse, split

        jobs, self.problems = find_jobs(map(split, targets), self.settings)
        given = Given(parse(init, "--init"), parse(inputs, "--input"), self.settings.memory)
        with Progress("checking", len(jobs)) as progress:
            self.outcomes = run(
                jobs, given, processes=processes, timeout=self.settings.timeout,
                done=lambda outcome: progress.advance(), waiting=progress.look,
            )  # fmt: skip
        self.problems += [outcome.problem for outcome in self.outcomes if outcome.problem]
        self.tracebacks = [outcome.traceback for outcome in self.outcomes if outcome.traceback]
        if self.checked:
            took = frozenset[str]().union(*(checked.took for checked in self.checked))
            asked = [f"--init {key}" for key in given.init] + [f"--input {key}" for key in given.inputs]
            self.problems += [f"{option}: no layer that was checked takes it" for option in asked if option not in took]

    def judge(self, baseline: Path | None, write: bool) -> None:
        """Leave out what is not asked for, silenced, or known."""
        from dout.check.baseline import Baseline, write_baseline
        from dout.check.silence import is_silenced

        self._keep(lambda finding: self.settings.wants(finding) and not is_silenced(finding))
        if baseline is not None and write:
            number = write_baseline(baseline, (f for report in self.reports for f in report.findings))
            click.echo(f"wrote {number} finding{'' if number == 1 else 's'} to {baseline}", err=True)
        if baseline is not None:
            known = Baseline(baseline)
            before = sum(len(report.findings) for report in self.reports)
            self._keep(lambda finding: not known.knows(finding))
            self.known = before - sum(len(report.findings) for report in self.reports)

    def _keep(self, wanted: Any) -> None:
        for outcome in self.outcomes:
            outcome.layers = [
                replace(c, report=replace(c.report, findings=tuple(filter(wanted, c.report.findings))))
                for c in outcome.layers
            ]

    @property
    def checked(self) -> list[Checked]:
        return [checked for outcome in self.outcomes for checked in outcome.layers]

    @property
    def reports(self) -> list[Report]:
        return [checked.report for checked in self.checked]

    @property
    def findings(self) -> list[Finding]:
        return [finding for report in self.reports for finding in report.findings]

    @property
    def exit_code(self) -> int:
        """2 where something could not be run, 1 where a finding counts."""
        if self.problems:
            return 2
        counts = {"error", "warning"} if self.settings.strict else {"error"}
        return int(any(finding.severity in counts for finding in self.findings))

    def tell(self) -> None:
        """Print everything: what was found on stdout, what could not be run on stderr."""
        on_runner = os.environ.get("GITHUB_ACTIONS") == "true"
        with _no_commands(on_runner and bool(self.problems), err=True):
            for text in self.tracebacks:
                click.echo(visible(text, keep="\n\t"), err=True, nl=False)
            for problem in self.problems:
                click.echo(f"dout: {visible(problem)}", err=True)
        with _no_commands(on_runner and self.format == "human", err=False):
            {"human": self._human, "json": self._json, "sarif": self._sarif, "github": self._github}[self.format]()
        if self.format != "github" and on_runner:
            self._github(err=self.format != "human")

    def _human(self) -> None:
        from dout.check.report import WIDTH, ascii_only, coloured, plain, summary, to_lines

        width = min(shutil.get_terminal_size((WIDTH, 24)).columns, 120) if sys.stdout.isatty() else WIDTH
        lines = []
        for checked in self.checked:
            lines += [*to_lines(checked.report, _built(checked), width), []]
        seconds = time.perf_counter() - self.start
        lines.append([(summary(self.reports, known=self.known, problems=len(self.problems), seconds=seconds), "title")])
        if not _is_unicode(sys.stdout):
            lines = ascii_only(lines)
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            from rich.console import Console

            Console(highlight=False, soft_wrap=True).print(coloured(lines))
        else:
            click.echo(plain(lines))

    def _json(self) -> None:
        from dout import __version__
        from dout.check.machine import FORMAT, data, to_json
        from dout.check.report import summary

        seconds = time.perf_counter() - self.start
        severities = [finding.severity for finding in self.findings]
        files = [
            {
                "file": outcome.job.where,
                "problem": outcome.problem or None,
                "layers": [
                    {**to_json(c.report), "chosen": {"init": data(c.init), "inputs": data(c.inputs)}}
                    for c in outcome.layers
                ],
            }
            for outcome in self.outcomes
        ]
        document = {
            "dout": FORMAT,
            "version": __version__,
            "files": files,
            "problems": self.problems,
            "summary": {
                "text": summary(self.reports, known=self.known, problems=len(self.problems), seconds=seconds),
                "layers": len(self.reports),
                **{f"{severity}s": severities.count(severity) for severity in ("error", "warning", "note")},
                "known": self.known,
                "seconds": round(seconds, 3),
            },
            "exit_code": self.exit_code,
        }
        click.echo(json.dumps(document, ensure_ascii=True, allow_nan=False))

    def _sarif(self) -> None:
        from dout import __version__
        from dout.check.machine import to_sarif

        log = to_sarif(self.reports, version=__version__, problems=self.problems)
        click.echo(json.dumps(log, ensure_ascii=True, allow_nan=False))

    def _github(self, err: bool = False) -> None:
        from dout.check.machine import github_line

        for finding in self.findings:
            line = github_line(finding)
            if not _is_unicode(sys.stderr if err else sys.stdout):
                line = line.encode("ascii", "backslashreplace").decode()
            click.echo(line, err=err)


def _is_unicode(stream: TextIO) -> bool:
    return "utf" in (stream.encoding or "").lower()


@contextmanager
def _no_commands(on_runner: bool, err: bool) -> Iterator[None]:
    """Within, GitHub's runners obey no line: a user's text may begin with `::`, and lines are broken at spaces."""
    word = secrets.token_hex(16) if on_runner else ""
    if on_runner:
        click.echo(f"::stop-commands::{word}", err=err)
    yield
    if on_runner:
        click.echo(f"::{word}::", err=err)


def _built(checked: Checked) -> str:
    """What was chosen, in a line."""
    built = ", ".join(f"{name} {_short(value)}" for name, value in checked.init.items())
    given = ", ".join(f"{name} {_short(value)}" for name, value in checked.inputs.items())
    return ", ".join(filter(None, (built and f"built with {built}", given and f"on {given}")))


def _short(value: Any) -> str:
    shape = getattr(value, "shape", ())
    return str(shape) if shape else f"= {value}"
