"""The fixes of a check: written into the files, or shown as one diff a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from dout.errors import TargetError, visible
from dout.files import near

if TYPE_CHECKING:
    from dout.cli.output.check_output import Result

MOST_ROUNDS = 10  # of fixing and checking again: a fix may bring another mistake to light


def show_fixes(result: Result, unsafe: bool) -> None:
    """Print what the fixes change, as one diff a file."""
    from dout.check.project.fixed_files import fixable, fixed_files

    files, refused = fixed_files(fixable(result.findings, unsafe), _checked(result))
    _tell(refused)
    for file in files:
        click.echo(visible(file.diff, keep="\n\t\r\f"), nl=False)


def write_fixes(result: Result, unsafe: bool, again: Callable[[], None]) -> None:
    """Write the fixes, and check `again`, until none is left. A fix that does not mend its finding is taken back."""
    from dout.check.project.fixed_files import fixable, fixed_files
    from dout.check.report.machine_formats import identity

    useless: set[tuple[str, ...]] = set()
    told: dict[str, None] = {}
    for _ in range(MOST_ROUNDS):
        wanted = fixable((f for f in result.findings if identity(f) not in useless), unsafe)
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
        for file in written:
            mended = [finding for fix in file.fixes for finding in wanted[fix]]
            names = ", ".join(dict.fromkeys(f"{finding.code} in {finding.layer}" for finding in mended))
            failed = {identity(finding) for finding in mended} & left
            if failed:
                file.put_back()
                useless |= failed
                told[f"{near(str(file.path))} is not fixed: with the fix of {names} it is still wrong"] = None
            else:
                told[f"fixed {near(str(file.path))}: {names}"] = None
        if useless:
            again()
    _tell(told)


def _checked(result: Result) -> set[str]:
    """The files that were checked, without links."""
    return {os.path.realpath(outcome.job.file) for outcome in result.outcomes if outcome.job.file}


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(f"dout: {visible(line)}", err=True)
