"""What the run of a layer says about more than the layer: refused acts, missing libraries, old names of NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType

from dout.check.report.layer_report import Report
from dout.check.report.verdicts import Finding
from dout.check.rules.unjudged.d001_raises import RULE as RAISES
from dout.check.rules.unjudged.d002_not_judged import RULE as NOT_JUDGED
from dout.check.rules.unjudged.d004_removed_numpy_name import RULE as REMOVED
from dout.check.worker.removed_numpy_names import INSTEAD, Removed
from dout.graph import Where

_NEEDS = "could not be judged: NeedsError: "
_REFUSED = "PermissionError"


def excused(report: Report, refused: bool) -> Report:
    """The report where an error was no fault of the layer's: a library is not there, or the check refused an act."""
    return replace(report, findings=tuple(_excused(report.layer, item, refused) for item in report.findings))


def _excused(layer: str, item: Finding, refused: bool) -> Finding:
    if item.code == NOT_JUDGED.code and _NEEDS in item.message:
        return replace(item, message=item.message.replace(_NEEDS, ""))
    if item.code in (RAISES.code, NOT_JUDGED.code) and refused and _REFUSED in item.message:
        what = item.message.partition("does not let user code ")[2].rpartition(")")
        message = f"{layer} was not judged: it wants to {what[0] if item.code == 'D002' and what[1] else what[2]}"
        return NOT_JUDGED.finding(message, item.where, layer=layer)
    return item


class UsesOfOldNames:
    """Shares out the uses of names that NumPy has removed: each goes to the layer that it stands in, or that ran it."""

    def __init__(self, removed: Removed, module: ModuleType, layers: Sequence[str]) -> None:
        self.removed, self.pending = removed, removed.take()
        self._spans = {name: _span(getattr(module, name, None)) for name in layers}

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
        return (f"{where} {_says(name)}" for name, where in self.pending if not self._home(where, ""))


def _says(name: str) -> str:
    return f"uses np.{name}, which NumPy has removed: write {INSTEAD[name]}"


def _finding(layer: str, name: str, where: Where) -> Finding:
    return REMOVED.finding(f"{layer} {_says(name)}", where, layer=layer)


def _span(item: object) -> tuple[str, int, int]:
    """The file of a class and its lines."""
    try:
        lines, first = inspect.getsourcelines(item)  # type: ignore[arg-type]
        return inspect.getsourcefile(item) or "", first, first + len(lines)  # type: ignore[arg-type]
    except Exception:  # also what the class answers
        return "", 0, 0
