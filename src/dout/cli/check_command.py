"""`dout check`: is every backward the derivative of its forward, and does every layer keep to the contract?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli.check_output import Result, tell
from dout.errors import TargetError, needs, visible

if TYPE_CHECKING:
    from dout.check.project.settings import Settings
    from dout.check.report.verdicts import Finding


@click.command()
@click.argument("targets", metavar="TARGET…", nargs=-1)
@click.option("--init", metavar="NAME=VALUE", multiple=True, help="An argument for the layers' constructors.")
@click.option(
    "--input",
    "inputs",
    metavar="NAME=VALUE",
    multiple=True,
    help="An input for their forward: x=[1.0, 2.0], x=array(3,4).",
)
@click.option("--interface", metavar="CALLS", default="",
              help="How the layers are called [found out]: 'forward_pass, backward_pass(dout, rate)'.")  # fmt: skip
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
@click.option("--isolate", is_flag=True, help="Run in an empty folder, and without a network.")
@click.option("--all", "all_", is_flag=True, help="Of many files, too, print every layer in detail.")
@click.option("--html", metavar="REPORT", help="Write everything, with pictures, to one page that stands alone.")
@click.option("--force", is_flag=True, help="Replace what is at REPORT or FILE, also where dout did not write it.")
@click.option("--json", "format_", flag_value="json", help="Print one JSON document and nothing else.")
@click.option("--sarif", "format_", flag_value="sarif", help="Print one SARIF 2.1.0 log and nothing else.")
@click.option("--github", "format_", flag_value="github", help="Print GitHub's annotations.")
def check(
    targets: tuple[str, ...], init: tuple[str, ...], inputs: tuple[str, ...], processes: int | None,
    select: str | None, ignore: str | None, strict: bool | None, explain: str | None, baseline: str | None,
    write_baseline: bool, timeout: float | None, memory: float | None, isolate: bool, all_: bool,
    html: str | None, force: bool, format_: str | None, interface: str,
) -> None:  # fmt: skip
    """Check every layer in TARGET…: is its backward the derivative of its forward?

    A TARGET is a file, a folder, a module, a layer in one of them (file.py:Name, package.module:Name), or the name of
    a ready-made layer (Sigmoid). In a file every class with forward and backward that it defines is a layer. Arguments
    and inputs that are not given are chosen, and the report says which. Of a folder, or of several files, the layers
    with an error or a warning are told in detail, and all in a table.

    The files are EXECUTED, in processes of their own and in the current folder, with your rights; they may not write
    outside a temporary folder, start programs, or reach the network.

    Exit code: 0 fine, 1 a finding of severity error (with --strict also a warning), 2 usage, or something cannot run.
    """
    if explain is not None:
        click.echo(_page(explain))
        return
    if not targets:
        raise click.UsageError("give a TARGET to check: a file, a folder, a module or a layer")
    if write_baseline and baseline is None:
        raise click.UsageError("--write-baseline needs --baseline FILE")
    if interface:
        from dout.adapt.interface.interface import Interface

        Interface.parse(interface)  # says what is wrong with it before anything runs
    page, known = Path(html) if html else None, Path(baseline) if baseline else None
    _refuse(page, known if write_baseline else None, targets, force)
    _load()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # and not without ending the processes
    given = [*(("--init", text) for text in init), *(("--input", text) for text in inputs)]
    result = Result(_settings(select, ignore, strict, timeout, memory), format_ or "human", given)
    pictures, processes = html is not None, processes or _processors()
    _run(result, targets, (init, inputs), processes, pictures=pictures, isolate=isolate, interface=interface)
    result.folded = not all_ and (len(result.outcomes) > 1 or any(Path(target).is_dir() for target in targets))
    findings = _judge(result, known, write_baseline)
    tell(result)
    if page is not None:
        from dout.cli.check_page import write_page

        write_page(result, page, force)
    if known is not None and write_baseline:
        _write(known, findings, force)
    sys.exit(result.exit_code)


def _refuse(page: Path | None, baseline: Path | None, targets: Sequence[str], force: bool) -> None:
    """Say what may not be written, before anything runs and not after. Raises TargetError."""
    from dout.cli.cli_target import split
    from dout.files import refuse

    reads = [split(target)[0] for target in targets]
    if page is not None:
        from dout.cli.check_page import PAGE

        refuse(page, PAGE, inputs=reads, force=force)
    if baseline is not None:
        from dout.check.project.baseline import BASELINE

        refuse(baseline, BASELINE, inputs=reads, force=force)


def _load() -> None:
    """Load what the processes of the files will share; say what is missing."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices, and a process for each file
    from importlib.util import find_spec

    if find_spec("flint") is None:
        raise TargetError(needs("dout check", "flint"))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _page(code: str) -> str:
    from dout.check.report.finding_pages import codes, page

    code = code.strip().upper()
    if code not in codes():
        raise TargetError(f"there is no code {code}; they are {', '.join(codes())}")
    return page(code).rstrip()


def _settings(select: str | None, ignore: str | None, *others: Any) -> Settings:
    from dout.check.project.settings import codes, read_settings

    strict, timeout, memory = others
    settings = read_settings(Path.cwd())
    return settings.but(
        select=None if select is None else codes(select, "--select"),
        ignore=None if ignore is None else (*settings.ignore, *codes(ignore, "--ignore")),
        strict=strict,
        timeout=timeout,
        memory=memory,
    )


def _run(
    result: Result,
    targets: Sequence[str],
    options: tuple[tuple[str, ...], tuple[str, ...]],
    processes: int,
    *,
    pictures: bool,
    isolate: bool,
    interface: str,
) -> None:
    """Run every target."""
    from dout.check.project.discover import find_jobs
    from dout.check.worker.jobs import GivenArguments
    from dout.check.worker.runner import run
    from dout.cli.cli_target import parse, split
    from dout.cli.progress import Progress

    init, inputs = options
    jobs, result.problems = find_jobs(map(split, targets), result.settings)
    given = GivenArguments(parse(init, "--init"), parse(inputs, "--input"), result.settings.memory,
                  interface=interface, pictures=pictures)  # fmt: skip
    with Progress("checking", len(jobs)) as progress:
        result.outcomes = run(
            jobs, given, processes=processes, timeout=result.settings.timeout, isolated=isolate,
            asked={where for where, _ in map(split, targets) if not Path(where).is_dir()} | {"dout.layers"},
            done=lambda outcome: progress.advance(), waiting=progress.look,
        )  # fmt: skip
    result.problems += [outcome.problem for outcome in result.outcomes if outcome.problem]
    result.tracebacks = [outcome.traceback for outcome in result.outcomes if outcome.traceback]
    if result.checked:
        took = frozenset[str]().union(*(checked.took for checked in result.checked))
        asked = [f"--init {key}" for key in given.init] + [f"--input {key}" for key in given.inputs]
        result.problems += [f"{option}: no layer that was checked takes it" for option in asked if option not in took]


def _judge(result: Result, baseline: Path | None, write: bool) -> list[Finding]:
    """Leave out what is not asked for, silenced, or known; what is known is returned where it is to be written."""
    from dout.check.project.baseline import Baseline
    from dout.check.project.ignore_comments import is_silenced

    _keep(result, lambda finding: result.settings.wants(finding) and not is_silenced(finding))
    findings = result.findings
    if baseline is not None:
        knows = (lambda finding: True) if write else Baseline(baseline).knows
        _keep(result, lambda finding: not knows(finding))
        result.known = len(findings) - len(result.findings)
    return findings


def _write(baseline: Path, findings: Sequence[Finding], force: bool) -> None:
    """Write the baseline at last: where that fails, what was found has been told."""
    from dout.check.project.baseline import write_baseline

    number = write_baseline(baseline, findings, force=force)
    click.echo(visible(f"wrote {number} finding{'' if number == 1 else 's'} to {baseline}"), err=True)


def _keep(result: Result, wanted: Callable[[Finding], bool]) -> None:
    for outcome in result.outcomes:
        outcome.layers = [
            replace(c, report=replace(c.report, findings=tuple(filter(wanted, c.report.findings))))
            for c in outcome.layers
        ]
