"""The fixes of a check: written into the files, or shown as one diff a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import click

from dout.errors import TargetError, visible
from dout.files import near

if TYPE_CHECKING:
    from dout.check.report.fix import Fix
    from dout.cli.output.check_output import Result

MOST_ROUNDS = 30  # of fixing and checking again: a fix may bring another mistake to light


def show_fixes(result: Result, unsafe: bool) -> None:
    """Print what the fixes change, as one diff a file."""
    from dout.check.project.fixed_files import fixable, fixed_files

    files, refused = fixed_files(fixable(result.findings, unsafe), _checked(result))
    _tell(refused)
    for file in files:
        click.echo(visible(file.diff, keep="\n\t\r\f"), nl=False)


def write_fixes(result: Result, unsafe: bool, again: Callable[[], None]) -> None:
    """Write the fixes, and check `again`, until none is left. A fix that does not mend its finding is taken back.

    Where several do not in one file, each is tried by itself: one may have been in another's way.
    """
    from dout.check.project.fixed_files import fixable, fixed_files
    from dout.check.report.machine_formats import identity

    useless: set[tuple[str, ...]] = set()
    one_by_one: set[str] = set()
    told: dict[str, None] = {}
    for _ in range(MOST_ROUNDS):
        wanted = fixable((f for f in result.findings if identity(f) not in useless), unsafe)
        first = {os.path.realpath(fix.file): fix for fix in reversed(wanted)}
        wanted = {fix: found for fix, found in wanted.items() if _may_be_written(fix, first, one_by_one)}
        files, refused = fixed_files(wanted, _checked(result))
        told |= dict.fromkeys(refused)
        written = []
        for file in files:
            try:
                file.write()
                written.append(file)
            except TargetError as error:
                told[str(error)] = None
        if not written:
            break
        again()
        left = {identity(finding) for finding in result.findings if finding.severity == "error"}
        is_back = False
        for file in written:
            mended = [finding for fix in file.fixes for finding in wanted[fix]]
            names = ", ".join(dict.fromkeys(f"{finding.code} in {finding.layer}" for finding in mended))
            failed = {identity(finding) for finding in mended} & left
            if failed:
                file.put_back()
                is_back = True
            if failed and len(file.fixes) > 1:
                one_by_one.add(os.path.realpath(file.path))
            elif failed:
                useless |= failed
                told[f"{near(str(file.path))} is not fixed: with the fix of {names} it is still wrong"] = None
            else:
                told[f"fixed {near(str(file.path))}: {names}"] = None
        if is_back:
            again()
    _tell(told)


def _may_be_written(fix: Fix, first: Mapping[str, Fix], one_by_one: Collection[str]) -> bool:
    """Whether a fix may be written beside the others of its file, or is the first of them."""
    file = os.path.realpath(fix.file)
    return file not in one_by_one or first[file] is fix


def _checked(result: Result) -> set[str]:
    """The files that were checked, without links."""
    return {os.path.realpath(outcome.job.file) for outcome in result.outcomes if outcome.job.file}


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(f"dout: {visible(line)}", err=True)
