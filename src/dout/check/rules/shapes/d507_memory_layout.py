"""D507: the same numbers in another memory layout give something else, or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dout.check.lab.probe import CrashError, Lab, Ran
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.written_arrays import writes
from dout.run import copied

RULE = Rule("D507", "warning", "depends on the memory layout", compares=True)
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


def check(lab: Lab) -> Findings:
    """Yield a finding for the first input, or dout, in Fortran order, with gaps, reversed, or read-only that fails."""
    written = {write.kind for write in writes(lab)}
    for words, move in _LAYOUTS.items():
        for kind in ("input", "dout"):
            if move is _read_only and kind in written:
                continue
            given = lab.inputs() if kind == "input" else lab.base.douts
            arrays = [i for i, x in enumerate(given) if isinstance(x, np.ndarray)]
            moved = tuple(move(x) if i in arrays else copied(x) for i, x in enumerate(given))
            if not arrays or (move is not _read_only and all(moved[i].strides == given[i].strides for i in arrays)):
                continue
            got = (
                lab.trial(moved, tuple(map(copied, lab.base.douts)))
                if kind == "input"
                else lab.trial(lab.inputs(), moved)
            )
            what = _wrong(lab, got)
            if what is not None:
                where = got.where if isinstance(got, CrashError) else None
                names = ", ".join(lab.name(i) for i in arrays)
                message = f"with {names if kind == 'input' else 'dout'} {words} {what}; {_ADVICE}"
                argument = names if kind == "input" else None
                yield RULE.about(lab.subject, message, where, cause="layout", argument=argument)
                return


_ADVICE = "use x.copy(), and rely on shapes, not on memory order"


def _wrong(lab: Lab, got: Ran | CrashError) -> str | None:
    if isinstance(got, CrashError):
        return None if got.refused else f"it raises {got}"
    found = lab.differing(lab.base, got)
    return f"{found[0]} is another" if found else None
