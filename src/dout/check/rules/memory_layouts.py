"""The same numbers in another memory layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dout.check.lab.other_values import same
from dout.check.lab.probe import CrashError, Lab, Ran, examined
from dout.check.report.verdicts import Finding
from dout.check.rules.memory_owners import writes
from dout.run import copied

Array = np.ndarray[Any, Any]


def _fortran(x: Array) -> Array:
    return np.array(x, order="F")


def _every_second(x: Array) -> Array:
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def _backwards(x: Array) -> Array:
    return np.array(x[..., ::-1], order="C")[..., ::-1] if x.ndim else x


def _read_only(x: Array) -> Array:
    x = x.copy("K")
    x.flags.writeable = False
    return x


_LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "in Fortran order": _fortran,
    "with gaps (every second element of another array)": _every_second,
    "with a negative stride (a reversed view)": _backwards,
    "read-only": _read_only,
}


@examined
def layouts(lab: Lab) -> Iterator[Finding]:
    """D507: Fortran order, gaps, negative strides and read-only arrays give the same numbers."""
    if not lab.repeatable:
        return
    written = {write.kind for write in writes(lab)}
    for words, move in _LAYOUTS.items():
        for kind in ("input", "dout"):
            if words == "read-only" and kind in written:
                continue
            given = lab.inputs() if kind == "input" else lab.base.douts
            moved = tuple(move(x) if isinstance(x, np.ndarray) else copied(x) for x in given)
            if not any(isinstance(x, np.ndarray) for x in given) or (words != "read-only" and _unmoved(given, moved)):
                continue
            douts = moved if kind == "dout" else tuple(map(copied, lab.base.douts))
            got = lab.trial(lab.inputs() if kind == "dout" else moved, douts)
            what = _wrong(lab, got)
            if what is not None:
                where = got.where if isinstance(got, CrashError) else None
                name = "dout" if kind == "dout" else ", ".join(_arrays(lab, given))
                message = f"with {name} {words} {what}; use x.copy(), and shapes in place of memory order"
                yield lab.finding("D507", message, where, cause="layout", argument=None if kind == "dout" else name)
                return


def _unmoved(given: Sequence[Any], moved: Sequence[Any]) -> bool:
    pairs = [(a, b) for a, b in zip(given, moved, strict=True) if isinstance(a, np.ndarray)]
    return all(a.strides == b.strides for a, b in pairs)


def _arrays(lab: Lab, given: Sequence[Any]) -> list[str]:
    return [lab.name(i) for i, x in enumerate(given) if isinstance(x, np.ndarray)]


def _wrong(lab: Lab, got: Ran | CrashError) -> str | None:
    if isinstance(got, CrashError):
        return None if got.refused else f"it raises {got}"
    if not same(got.outputs, lab.base.outputs):
        return "the output is another"
    i = next(
        (i for i, (a, b) in enumerate(zip(got.gradients, lab.base.gradients, strict=False)) if not same(a, b)), None
    )
    if i is not None:
        return f"the gradient of {lab.name(i)} is another"
    name = next((name for name, g in lab.base.learned.items() if not same(got.learned.get(name), g)), None)
    return None if name is None else f"the gradient of {name} is another"
