"""`dout check`: is every backward the derivative of its forward, and does every layer keep to the contract?"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.check.worker import kept_answers
from dout.cli import options
from dout.cli.cli_target import split
from dout.cli.output.check_output import FORMATS, PAGE, Result, tell_result
from dout.cli.output.kept_output import heard, question
from dout.cli.session.watch import watch
from dout.errors import visible

if TYPE_CHECKING:
    from types import FrameType

    from dout.check.report.verdicts import Finding
    from dout.check.worker.jobs import JobOutcome
    from dout.cli.output.cli_values import Values


def _codes(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...] | None:
    from dout.check.project.settings import codes

    return codes(",".join(texts), option.opts[0]) if texts else None


def _explain(context: click.Context, option: click.Parameter, code: str | None) -> None:
    """Print the page about a code, or the list of all codes, and end the command."""
    if code is not None:
        from dout.check.project.settings import known_code
        from dout.check.report.finding_pages import page
        from dout.check.rules import rules

        every = (f"{rule.code}  {rule.severity:7}  {rule.title}" for rule in rules().values())
        click.echo(page(known_code(code)).rstrip() if code != _EVERY else "\n".join(every))
        context.exit()


def _no_cache(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        os.environ[kept_answers.OFF] = "1"


_EVERY = "all"  # codes


@click.command(short_help="Is each backward the derivative of its forward?")
@click.argument("targets", metavar="TARGET…", nargs=-1)
@options.init
@options.inputs
@click.option("--interface", metavar="CALLS", default="",
              help="How the layers are called [found out]: 'forward_pass, backward_pass(dout, rate)'.")  # fmt: skip
@click.option("-j", "--jobs", "processes", metavar="N", type=click.IntRange(1),
              help="Check N files at a time [one per CPU].")  # fmt: skip
@click.option("--dask", "cluster", metavar="ADDRESS",
              help="Let the workers of a Dask cluster check the files: tcp://10.0.0.1:8786.")  # fmt: skip
@click.option("--select", metavar="CODES", multiple=True, callback=_codes,
              help="Report these codes alone: D201, or D2 for all that begin so.")  # fmt: skip
@click.option("--ignore", metavar="CODES", multiple=True, callback=_codes, help="Do not report these codes.")
@click.option("--strict", is_flag=True, default=None, help="Count warnings as errors.")
@click.option("--explain", metavar="[CODE]", is_flag=False, flag_value=_EVERY, is_eager=True, expose_value=False,
              callback=_explain, help="Print the page about a code, or the list of all codes.")  # fmt: skip
@click.option("--baseline", metavar="FILE.json", type=options.PATH,
              help="Findings in FILE.json are known and do not count.")  # fmt: skip
@click.option("--write-baseline", is_flag=True, help="Write today's findings to the baseline.")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(0),
              help="Limit for loading a file, and for each layer in it [20]; 0: no limit.")  # fmt: skip
@click.option("--memory", metavar="GB", type=click.FloatRange(0), help="Limit for each file [2]; 0: no limit.")
@click.option("--isolate", is_flag=True, help="Run in an empty folder, without a network.")
@click.option("--watch", "watched", is_flag=True, help="Check again whenever a file changes that was read.")
@click.option("--no-cache", is_flag=True, expose_value=False, callback=_no_cache,
              help="Check everything anew, and keep nothing [DOUT_NO_CACHE=1].")  # fmt: skip
@click.option("--notes", is_flag=True, help="Print the notes too, and the conditions that were not covered.")
@click.option("--all", "all_", is_flag=True, help="Print every layer in detail, the notes too.")
@click.option("--html", metavar="REPORT.html", type=options.PATH,
              help="Write everything, with pictures, to one page that stands alone.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace REPORT.html and FILE.json even if dout did not write them.")
@click.option("--fix", is_flag=True, help="Write the fixes of errors into the files, and check them again.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, and nothing else.")
@click.option("--unsafe-fixes", "unsafe", is_flag=True,
              help="With --fix or --diff: also fixes to look at first, and those of warnings.")  # fmt: skip
@click.option("--output-format", metavar="FORMAT", type=click.Choice([*FORMATS]),
              help=f"Print the findings as {', '.join(FORMATS)}, and nothing else.")  # fmt: skip
@click.option("--json", "format_", flag_value="json", help="Short for --output-format json.")
@click.option("--sarif", "format_", flag_value="sarif", help="Short for --output-format sarif.")
@click.option("--github", "format_", flag_value="github", help="Short for --output-format github.")
def check(
    targets: tuple[str, ...], interface: str, select: tuple[str, ...] | None, ignore: tuple[str, ...] | None,
    baseline: Path | None, write_baseline: bool, notes: bool, all_: bool, html: Path | None, force: bool,
    output_format: str | None, format_: str | None, fix: bool, diff: bool, unsafe: bool,
    strict: bool | None, timeout: float | None, memory: float | None, watched: bool, **how: Any,
) -> None:  # fmt: skip
    """Check every layer in TARGET…: is its backward the derivative of its forward?

    A TARGET is a file, a folder, a module, a layer in one of them (file.py:Name, package.module:Name), or the name of
    a ready-made layer (Sigmoid); without one, the current folder. Every class with forward and backward that a file
    defines is a layer, and every layer that a package exports. dout chooses the arguments and inputs that you do not
    give, and the report says which. dout prints the layers with an error or a warning in detail, and all layers in a
    table.

    The files are EXECUTED, in processes of their own and in the current folder, with your rights. They may not write
    outside a temporary folder, start programs, or reach the network.

    Exit code: 0 fine, 1 a finding of severity error (with --strict also a warning), 2 wrong usage, or something cannot
    run.
    """
    from dout.check.project.settings import read_settings

    if watched:
        watch([word for word in sys.argv[1:] if word != "--watch"])
    asked = question(sys.argv[1:])
    kept_answers.listen()
    targets = targets or (".",)
    if write_baseline and baseline is None:
        raise click.UsageError("--write-baseline needs a file to write: add --baseline FILE.json")
    if how["processes"] and how["cluster"]:
        raise click.UsageError("--jobs counts the processes of this machine, and --dask uses others: leave one out")
    if interface:
        from dout.adapt.interface.interface import Interface

        Interface.parse(interface)  # says what is wrong with it before anything runs
    _refuse(html, baseline if write_baseline else None, targets, force)
    options.require("dout check", "flint")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices, and a process for each file
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # and not without ending the processes
    settings = read_settings(Path.cwd())
    ignore = None if ignore is None else (*settings.ignore, *ignore)
    settings = settings.but(select=select, ignore=ignore, strict=strict, timeout=timeout, memory=memory)
    result = Result(settings, output_format or format_ or "text")
    result.notes = notes or all_

    def run() -> None:
        _run(result, targets, pictures=html is not None, interface=interface, **how)
        result.folded = not all_ and (len(result.reports) > 1 or any(Path(target).is_dir() for target in targets))
        _judge(result, baseline, write_baseline)

    run()
    if result.interrupted:  # nothing is written from half of it
        html, write_baseline, fix = None, False, False
    printed: list[tuple[bool, str]] = []
    if diff or fix:
        from dout.cli.output.fix_rounds import show_fixes, write_fixes

        if diff:
            show_fixes(result, unsafe)
        else:
            write_fixes(result, unsafe, run)
    if not diff:
        with heard() as printed:
            tell_result(result)
    if html is not None:
        from dout.cli.output.check_page import write_page

        write_page(result, html, force)
    if baseline is not None and write_baseline:
        _write(baseline, result.for_baseline, force)
    only_printed = not (html or write_baseline or fix or diff)
    asked.keep([result.exit_code, printed] if printed and only_printed and result.stands else None, result.read)
    sys.exit(result.exit_code)


@contextmanager
def _heard_softly() -> Iterator[None]:
    """While it lasts, an interrupt ends the checks, and what they have found is told; a second one ends the command."""
    from dout.check.worker.runner import Interruption

    def hear(number: int, frame: FrameType | None) -> None:
        if Interruption.signal:
            click.echo("dout: interrupted", err=True)
            sys.exit(128 + number)
        Interruption.signal = number

    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = [signal.signal(number, hear) for number in heard]  # those of a process in the background are ignored
    try:
        yield
    finally:
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)


def _refuse(page: Path | None, baseline: Path | None, targets: tuple[str, ...], force: bool) -> None:
    """Refuse a file that may not be written, before anything runs. Raises TargetError."""
    from dout.check.project.baseline import BASELINE
    from dout.files import refuse

    for path, kind in ((page, PAGE), (baseline, BASELINE)):
        if path is not None:
            refuse(path, kind, inputs=[split(target)[0] for target in targets], force=force)


def _run(
    result: Result, targets: tuple[str, ...], *, init: Values, inputs: Values, processes: int | None, pictures: bool,
    isolate: bool, interface: str, cluster: str | None,
) -> None:  # fmt: skip
    """Run every target."""
    from dout.check.project.discover import find_jobs
    from dout.check.worker.jobs import GivenArguments
    from dout.check.worker.program_phase import UsedLayers, recorded_layers, used_layers
    from dout.check.worker.runner import Interruption, run
    from dout.cli.output.progress import Progress
    from dout.engine.runtime.parallel_threshold import cores

    places = [split(target) for target in targets]
    jobs, result.problems = find_jobs(places, result.settings)
    result.given = {**init.texts, **inputs.texts}
    given = GivenArguments(dict(init), dict(inputs), result.settings.memory, interface=interface, pictures=pictures)
    how: Any = {"processes": processes or cores(), "timeout": result.settings.timeout, "isolated": isolate}
    with Progress("checking", len(jobs)) as progress, nullcontext() if cluster else _heard_softly():
        asked = {where for where, _ in places if not Path(where).is_dir()} | {"dout.layers"}
        used = UsedLayers()
        if not (init or inputs or interface):
            used = used_layers(jobs, given, asked=asked, waiting=progress.look, **how)
        rest = [job for job in jobs if not (job.where in asked and used.is_all_of(job))]
        with_used: Any = {"used": used.layers, "asked": asked, "done": lambda outcome: progress.advance()}
        if cluster is not None:
            options.require("dout check --dask", "distributed")
            from dout.cli.session.spread_files import run_spread

            limits: Any = {"timeout": result.settings.timeout, "isolated": isolate}
            outcomes = run_spread(cluster, rest, given, **with_used, **limits)
        else:
            outcomes = run(rest, given, **with_used, waiting=progress.look, **how)
        recorded_layers(used, outcomes, given, waiting=progress.look, **how)
    every = [*used.programs, *outcomes]
    named = {os.path.abspath(where) for where, _ in places}  # noqa: PTH100 - there may be nothing yet
    result.read = kept_answers.read.union(named, *(outcome.read for outcome in every))
    result.outcomes = used.with_programs(jobs, outcomes, asked)
    result.problems += [outcome.problem for outcome in result.outcomes if outcome.problem]
    result.stands = all(outcome.stands for outcome in every)
    if Interruption.signal:
        result.end_at(Interruption.signal)
    result.tracebacks = [outcome.traceback for outcome in result.outcomes if outcome.traceback]
    if result.checked:
        took = frozenset[str]().union(*(checked.took for checked in result.checked))
        result.unused = [option for option in result.given if option not in took]


def _judge(result: Result, baseline: Path | None, write: bool) -> None:
    """Drop findings that are not asked for, silenced, or known."""
    from dout.check.project.baseline import Baseline
    from dout.check.project.ignore_comments import is_silenced

    _keep(result, lambda finding: result.settings.wants(finding) and not is_silenced(finding))
    findings = result.for_baseline = result.findings
    if baseline is not None:
        knows = (lambda finding: True) if write else Baseline(baseline).knows
        _keep(result, lambda finding: not knows(finding))
        result.known = len(findings) - len(result.findings)
    _tell_once(result)


def _tell_once(result: Result) -> None:
    """Of the findings that are told once a file, keep the first of each file, with the number of the others."""
    from dout.check.report.report import counted_noun
    from dout.check.rules import rules

    once = {code for code, rule in rules().items() if rule.once_a_file}
    for outcome in result.outcomes:
        untold = Counter(f.code for checked in outcome.layers for f in checked.report.findings)

        def told(finding: Finding, untold: Counter[str] = untold) -> Finding | None:
            if finding.code not in once:
                return finding
            if finding.code not in untold:
                return None
            others = untold.pop(finding.code) - 1
            more = f"; so {'has' if others == 1 else 'have'} {counted_noun(others, 'other layer')} of this file"
            return replace(finding, message=finding.message + more) if others else finding

        _change(outcome, told)


def _write(baseline: Path, findings: list[Finding], force: bool) -> None:
    """Write the baseline last: if that fails, the findings have been printed."""
    from dout.check.project.baseline import write_baseline
    from dout.check.report.report import counted_noun

    number = write_baseline(baseline, findings, force=force)
    click.echo(visible(f"wrote {counted_noun(number, 'finding')} to {baseline}"), err=True)


def _keep(result: Result, wanted: Callable[[Finding], bool]) -> None:
    for outcome in result.outcomes:
        _change(outcome, lambda finding: finding if wanted(finding) else None)


def _change(outcome: JobOutcome, change: Callable[[Finding], Finding | None]) -> None:
    """Put what `change` returns in the place of each finding; None drops it."""
    outcome.layers = [
        replace(c, report=replace(c.report, findings=tuple(filter(None, map(change, c.report.findings)))))
        for c in outcome.layers
    ]
