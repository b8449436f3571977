"""What the run of a layer says about more than the layer: refused acts, old names of NumPy, and what is not there."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

from dout.adapt.argument_names import names_label
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.method_pairs import optional, required
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Raised
from dout.check.rules.unjudged.d002_not_judged import RULE as NOT_JUDGED
from dout.check.rules.unjudged.d004_removed_numpy_name import RULE as REMOVED
from dout.check.rules.unjudged.d004_removed_numpy_name import RemovedName
from dout.graph import Where
from dout.trace.program.removed_numpy_names import INSTEAD, Removed
from dout.trace.program.stub_modules import needed_by


def excused(report: Report, refused: Sequence[str]) -> Report:
    """The report where an error was no fault of the layer's: it came of an act that the check refused."""

    def told(item: Finding) -> Finding:
        if not refused or not isinstance(item.reason, Raised) or item.reason.name != PermissionError.__name__:
            return item
        message = f"{report.layer} was not judged: it wants to {refused[-1]}"
        return NOT_JUDGED.finding(message, item.where, layer=report.layer)

    return report.with_each(told)


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
        return (f"{where} {_says(name)}" for name, where in self.pending if not self._home(where, ""))


def _says(name: str) -> str:
    return f"uses np.{name}, which NumPy has removed: write {INSTEAD[name]}"


def _finding(layer: str, name: str, where: Where) -> Finding:
    return REMOVED.finding(f"{layer} {_says(name)}", where, layer=layer, reason=RemovedName(name))


def _span(item: object) -> tuple[str, int, int]:
    """The file of a class and its lines."""
    try:
        lines, first = inspect.getsourcelines(item)  # type: ignore[arg-type]
        return inspect.getsourcefile(item) or "", first, first + len(lines)  # type: ignore[arg-type]
    except Exception:  # also what the class answers
        return "", 0, 0


# --- what an error says is not there ----------------------------------------------------------------------------------


def lacks(error: BaseException | None) -> str:
    """What the code that raised an error needs and has not; nothing where the error says no such thing.

    That is a module whose import failed just before, a function that a shared library has not, or what stands for a
    missing library in the condition of the `raise`: `if not isinstance(x, cupy.ndarray): raise ValueError`.
    """
    if error is None:
        return ""
    before = error.__cause__ or error.__context__
    if isinstance(before, ImportError) and before.name:
        return before.name
    symbol = re.search(r"undefined symbol: (\w+)", str(error)) if isinstance(error, AttributeError) else None
    if symbol is not None:
        return f"{symbol[1]} of a shared library"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return _in_its_condition(trace.tb_frame, trace.tb_lineno) if trace is not None else ""


def lacks_target(target: Any, interface: Interface | None, message: str) -> bool:
    """Whether a backward met None where it has an argument for the target, which forward does not take."""
    how = interface or Interface()
    ahead, behind = (optional(getattr(target, name, None)) for name in (how.forward, how.backward))
    labels = [n for n, default in behind.items() if default is None and names_label(n) and n not in ahead]
    taken = required(getattr(target, how.forward, None), bound=isinstance(target, type))
    return "NoneType" in message and bool(labels) and not any(map(names_label, taken))


def _in_its_condition(frame: FrameType, line: int) -> str:
    """What is missing among the names that the condition of a `raise` in this line is made of."""
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
    except (SyntaxError, ValueError):
        return ""
    for branch in (node for node in ast.walk(tree) if isinstance(node, ast.If)):
        if any(
            isinstance(part, ast.Raise) and part.lineno <= line <= (part.end_lineno or line) for part in branch.body
        ):
            names = [node.id for node in ast.walk(branch.test) if isinstance(node, ast.Name)]
            found = (needed_by(frame.f_globals.get(name)) for name in names)
            return next(filter(None, found), "")
    return ""
