"""The fixes of a check: written into the files, or shown as one diff a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from dout.check.project.fixed_files import FixedFile, fixable, fixed_files
from dout.check.report.machine_formats import identity
from dout.check.report.verdicts import SEVERITIES
from dout.check.rules.unjudged.d001_raises import RULE as RAISES
from dout.errors import TargetError, visible
from dout.files import near

if TYPE_CHECKING:
    from dout.check.report.fix import Fix
    from dout.check.report.verdicts import Finding
    from dout.cli.output.check_output import Result

_Layer = tuple[str, str]  # its file and its name
MOST_ROUNDS = 30  # of fixing and checking again: a fix may bring another mistake to light


def show_fixes(result: Result, unsafe: bool) -> None:
    """Print what the fixes change, as one diff a file."""
    files, refused = fixed_files(fixable(result.findings, unsafe), result.files)
    _tell(refused)
    for file in files:
        click.echo(visible(file.diff, keep="\n\t\r\f"), nl=False)


def write_fixes(result: Result, unsafe: bool, again: Callable[[], None]) -> None:
    """Write the fixes, and check `again`, until none is left.

    A fix that does not mend its finding is taken back. So is one after which a layer is wrong that was right: two
    layers may share one convention. Where several fixes fail, each is tried by itself: one may have been in another's
    way.
    """
    rounds = _Rounds(result, unsafe)
    for _ in range(MOST_ROUNDS):
        before, files = rounds.standing, rounds.written()
        if not files:
            break
        again()
        if result.interrupted:
            rounds.take_back(files)
            break
        if rounds.failed(files, before):
            again()
    rounds.told |= dict.fromkeys(rounds.unfixed())
    _tell(rounds.told)


@dataclass
class _Rounds:
    """What the rounds so far have shown of the fixes."""

    result: Result
    unsafe: bool
    useless: set[tuple[str, ...]] = field(default_factory=set)  # findings whose fix does not mend them, or does harm
    one_by_one: set[str] = field(default_factory=set)  # files that take one fix a round
    is_single: bool = False  # one fix a round, whatever its file
    told: dict[str, None] = field(default_factory=dict)
    wanted: dict[Fix, list[Finding]] = field(default_factory=dict)  # of this round
    known: set[tuple[str, ...]] = field(default_factory=set)  # the errors before it

    @property
    def standing(self) -> dict[_Layer, int]:
        """The rank of the worst finding of each layer that was judged; 0 is an error, and -1 that it raises."""
        found: dict[_Layer, int] = {}
        for outcome in self.result.outcomes:
            for report in (checked.report for checked in outcome.layers):
                raises = any(finding.code == RAISES.code and not _rank(finding) for finding in report.findings)
                if report.verdicts or raises:
                    worst = min(map(_rank, report.findings), default=len(SEVERITIES))
                    found[outcome.job.where, report.layer] = worst if report.verdicts else -1
        return found

    def written(self) -> list[FixedFile]:
        """Write the fixes of this round into their files, and return these."""
        self.known = {identity(finding) for finding in self.result.findings if not _rank(finding)}
        wanted = fixable((f for f in self.result.findings if identity(f) not in self.useless), self.unsafe)
        first = {os.path.realpath(fix.file): fix for fix in reversed(wanted)}
        wanted = {fix: found for fix, found in wanted.items() if _may_be_written(fix, first, self.one_by_one)}
        self.wanted = dict(list(wanted.items())[: 1 if self.is_single else None])
        files, refused = fixed_files(self.wanted, self.result.files)
        self.told |= dict.fromkeys(refused)
        written = []
        for file in files:
            try:
                file.write()
                written.append(file)
            except TargetError as error:
                self.told[str(error)] = None
        return written

    def failed(self, files: Sequence[FixedFile], before: Mapping[_Layer, int]) -> bool:
        """Take back the fixes that mend nothing or make a layer wrong; False if there is none."""
        after = self.standing
        harmed = [layer for layer, rank in before.items() if after.get(layer, rank) < min(rank, 1)]
        is_one = sum(len(file.fixes) for file in files) == 1
        self.is_single |= bool(harmed) and not is_one
        taken_back = False
        for file in files:
            mended = [finding for fix in file.fixes for finding in self.wanted[fix]]
            names = ", ".join(dict.fromkeys(f"{finding.code} in {finding.layer}" for finding in mended))
            if not harmed and not self._left(mended, before, after):
                self.told[f"fixed {near(str(file.path))}: {names}"] = None
                continue
            file.put_back()
            taken_back = True
            if len(file.fixes) > 1:
                self.one_by_one.add(os.path.realpath(file.path))
            elif is_one or not harmed:
                self.useless |= set(map(identity, mended))
                others = ", ".join(name for _, name in harmed)
                why = f", {others} would be wrong" if harmed else " it is still wrong"
                self.told[f"{near(str(file.path))} is not fixed: with the fix of {names}{why}"] = None
        return taken_back

    def take_back(self, files: Sequence[FixedFile]) -> None:
        """Take back fixes of which nobody knows what they do."""
        for file in files:
            file.put_back()
            self.told[f"{near(str(file.path))} is not fixed: the check of its fix was interrupted"] = None

    def unfixed(self) -> Iterator[str]:
        """Say in a line for each file which errors are left, and why, if nothing was said of them yet."""
        without: dict[str, dict[str, None]] = {}
        unasked: dict[str, dict[str, None]] = {}
        for finding in self.result.findings:
            if finding.severity == "error" and identity(finding) not in self.useless:
                kind = without if finding.fix is None else unasked
                if finding.fix is None or (finding.fix.unsafe and not self.unsafe):
                    kind.setdefault(finding.file or "", {})[f"{finding.code} in {finding.layer}"] = None
        for file, names in without.items():
            yield f"{near(file)} is not fixed: no fix is known for {', '.join(names)}"
        for file, names in unasked.items():
            yield f"{near(file)} is not fixed: add --unsafe-fixes for {', '.join(names)}, and look at the change first"

    def _left(self, mended: Sequence[Finding], before: Mapping[_Layer, int], after: Mapping[_Layer, int]) -> bool:
        """Whether a finding is still there, or its layer is worse than it was: has another error, if that is unsafe."""
        left = {identity(finding): _rank(finding) for finding in self.result.findings}
        names = {finding.layer for finding in mended}
        worse = any(after.get(layer, rank) < rank for layer, rank in before.items() if layer[1] in names)
        if any(finding.fix is not None and finding.fix.unsafe for finding in mended):
            errors = (f for f in self.result.findings if f.layer in names and not _rank(f))
            worse |= any(identity(finding) not in self.known for finding in errors)
        return worse or any(left.get(identity(finding), len(SEVERITIES)) <= _rank(finding) for finding in mended)


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _may_be_written(fix: Fix, first: Mapping[str, Fix], one_by_one: Collection[str]) -> bool:
    """Whether a fix may be written beside the others of its file, or is the first of them."""
    file = os.path.realpath(fix.file)
    return file not in one_by_one or first[file] is fix


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(f"dout: {visible(line)}", err=True)
