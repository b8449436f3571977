"""What a run says about more than the layer: refused acts, memory that is not there, and old names of NumPy."""

from __future__ import annotations

import inspect
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
from dout.graph import Where
from dout.trace.program.removed_numpy_names import Removed, said_of


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
    """Shares out the uses of names that NumPy has removed: each goes to the layer that it stands in, or that ran it."""

    def __init__(self, removed: Removed, layers: Mapping[str, Any]) -> None:
        self.removed, self.pending = removed, removed.take()
        self._spans = {name: _span(item) for name, item in layers.items()}

    def noted(self, report: Report) -> Report:
        """A report with those of its layer."""
        mine = [use for use in self.pending if self._home(use[1], report.layer) == report.layer]
        self.pending = [use for use in self.pending if use not in mine]
        uses = [*mine, *self.removed.take()]
        return replace(report, findings=(*report.findings, *(_finding(report.layer, *use) for use in uses)))

    def _home(self, where: Where, layer: str) -> str:
        """The layer in whose class a line stands; the one at hand for a line outside of all."""
        inside = [
            n for n, (file, first, end) in self._spans.items() if file == where.file and first <= where.line < end
        ]
        return inside[0] if inside else layer

    def left(self) -> Iterator[str]:
        """Sentences about those of no layer."""
        return (f"{where} {said_of(name)}" for name, where in self.pending if not self._home(where, ""))


def _finding(layer: str, name: str, where: Where) -> Finding:
    return REMOVED.finding(f"{layer} {said_of(name)}", where, layer=layer, reason=RemovedName(name))


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


def without_memory(name: str, target: Any, item: Finding) -> Finding:
    """The finding, as one of D003 where the layer was out of memory."""
    if isinstance(item.reason, Raised) and item.reason.name == "MemoryError":
        message = f"{name} needs more memory than it may have; it was stopped"
        return STOPPED.finding(message, layer=name, file=item.file, line=item.line, severity=severity_of_stop(target))
    return item
