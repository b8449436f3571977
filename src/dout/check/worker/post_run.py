"""What a run says about more than the layer: refused acts, memory that is not there, and old names of NumPy."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dout.adapt.interface.method_pairs import required
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Raised, Severity
from dout.check.rules.unjudged.d002_not_judged import RULE as NOT_JUDGED
from dout.check.rules.unjudged.d003_stopped import RULE as STOPPED
from dout.check.rules.unjudged.d004_removed_numpy_name import RULE as REMOVED
from dout.check.rules.unjudged.d004_removed_numpy_name import RemovedName
from dout.check.worker.jobs import JobOutcome
from dout.trace.program.removed_numpy_names import OldNameUse, Removed, said_of


def excused(report: Report, refused: Sequence[str]) -> Report:
    """The report where an error was no fault of the layer's: it came of an act that the check refused."""

    def told(item: Finding) -> Finding:
        if not refused or not isinstance(item.reason, Raised) or item.reason.name != PermissionError.__name__:
            return item
        message = f"{report.layer} was not judged: it wants to {refused[-1]}"
        return NOT_JUDGED.finding(message, item.where, layer=report.layer)

    return report.with_each(told)


def patched(report: Report, changed: Sequence[str]) -> Report:
    """The report, with a finding on what its layer has replaced for everyone, if that is anything."""
    message = f"{report.layer} replaces {', '.join(changed)} for everyone while it runs; it was put back"
    found = STOPPED.finding(message, layer=report.layer, file=report.file, line=report.line, severity="warning")
    return replace(report, findings=(*report.findings, found)) if changed else report


class UsesOfOldNames:
    """Shares out the uses of names that NumPy has removed.

    A use belongs to the layer whose class has the nearest of the lines that led to it. One that no class led to, while
    a file was loaded, is every layer's: `told_once` leaves it to the first.
    """

    def __init__(self, removed: Removed, layers: Mapping[str, Any]) -> None:
        self.removed = removed
        self._spans = {name: _span(item) for name, item in layers.items()}
        self._loading = [(use, self._owner(use)) for use in removed.take()]

    def noted(self, report: Report) -> Report:
        """A report with those of its layer: also those of other layers, that ran inside of it."""
        uses = [(use, owner) for use, owner in self._loading if owner in ("", report.layer)]
        uses += [(use, self._owner(use)) for use in self.removed.take()]
        return replace(report, findings=(*report.findings, *(_finding(report.layer, *use) for use in uses)))

    def _owner(self, use: OldNameUse) -> str:
        for where in (use.where, *use.callers):
            for name, (file, first, end) in self._spans.items():
                if file == where.file and first <= where.line < end:
                    return name
        return ""

    def of_no_layer(self) -> Iterator[str]:
        """Sentences about the uses in a file that has no layers."""
        return (f"{use.where} {said_of(use.name)}" for use, _ in self._loading if not self._spans)


def told_once(outcomes: Sequence[JobOutcome]) -> list[JobOutcome]:
    """Of one old name in one file keep one use: of the first line, by the layer that it stands in, or the first.

    Which process came first has no part in it, nor which other layers one process has judged before.
    """
    uses: dict[tuple[str, str], list[tuple[int, bool, int, Finding]]] = {}
    every = [item for outcome in outcomes for c in outcome.layers for item in c.report.findings]
    for place, item in enumerate(every):
        if isinstance(item.reason, RemovedName):
            rank = (item.line or 0, item.reason.owner != item.layer, place, item)
            uses.setdefault((os.path.realpath(item.file or ""), item.reason.name), []).append(rank)
    others = {id(rank[-1]) for ranks in uses.values() for rank in sorted(ranks)[1:]}

    def left(report: Report) -> Report:
        return replace(report, findings=tuple(item for item in report.findings if id(item) not in others))

    return [replace(o, layers=[replace(c, report=left(c.report)) for c in o.layers]) for o in outcomes]


def _finding(layer: str, use: OldNameUse, owner: str) -> Finding:
    return REMOVED.finding(f"{layer} {said_of(use.name)}", use.where, layer=layer, reason=RemovedName(use.name, owner))


def _span(item: object) -> tuple[str, int, int]:
    """The file of a class and its lines."""
    try:
        lines, first = inspect.getsourcelines(item)  # type: ignore[arg-type]
        return inspect.getsourcefile(item) or "", first, first + len(lines)  # type: ignore[arg-type]
    except Exception:  # also what the class answers
        return "", 0, 0


def severity_of_stop(target: Any) -> Severity:
    """How bad it is that a layer was stopped: it may be right to refuse what was chosen to build it."""
    return "warning" if isinstance(target, type) and required(target) else "error"


def without_memory(name: str, has_run: bool, item: Finding) -> Finding:
    """The finding, as one of D003 where memory was out: a layer that `has_run` needs less than to judge it does."""
    if isinstance(item.reason, Raised) and item.reason.name == "MemoryError":
        message = f"{name} needs more memory than it may have; it was stopped (see --memory)"
        if has_run:
            message = f"{name} runs, and could not be judged within the memory that it may have (see --memory)"
        return STOPPED.finding(message, layer=name, file=item.file, line=item.line, severity="warning", cause="memory")
    return item
