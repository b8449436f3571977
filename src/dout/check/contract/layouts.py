"""The same numbers in another memory layout, or in another number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dout.check.contract.exactness import only_here
from dout.check.contract.held import places
from dout.check.contract.memory import writes
from dout.check.contract.probe import CrashError, Lab, Ran, examined
from dout.check.contract.values import is_float_array, same
from dout.check.model import Finding
from dout.check.points import is_label
from dout.check.subject import Run, copied

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


# --- rows -------------------------------------------------------------------------------------------------------------


@examined
def rows(lab: Lab) -> Iterator[Finding]:
    """D506: one row, fewer, more and none, each as it would be among others."""
    if not lab.repeatable:
        return
    arrays = [i for i, x in enumerate(lab.subject.inputs) if isinstance(x, np.ndarray) and x.ndim]
    if not arrays or len(lab.subject.inputs[arrays[0]]) == 0:
        return
    length = len(lab.subject.inputs[arrays[0]])
    together = [i for i in arrays if len(lab.subject.inputs[i]) == length]
    for group in dict.fromkeys((tuple(together), (arrays[0],))):
        found = list(_in_rows(lab, group, length))
        if found:
            yield from (finding for finding in found if finding is not None)
            return


def _in_rows(lab: Lab, group: tuple[int, ...], length: int) -> Iterator[Finding | None]:
    """What other numbers of rows in a group of inputs show; nothing at all where these are no rows."""
    sizes = [n for n in dict.fromkeys((1, 2, length + 1, 2 * length)) if n != length]
    ran = {n: _sized(lab, group, length, n) for n in sizes}
    fine = {n: got for n, got in ran.items() if isinstance(got, Run)}
    crashed = {n: got for n, got in ran.items() if isinstance(got, CrashError)}
    if any(got.refused for got in crashed.values()):
        return
    if not fine and _is_batch(lab, group) and not _holds(lab, length) and "shape" in str(crashed[length + 1]):
        crash = crashed[length + 1]  # of shapes that do not fit; rows that are unpacked have a meaning each
        message = f"works on {length} rows only, with {length + 1} it raises {crash}: take the number from x.shape"
        yield lab.finding("D506", message, crash.where, cause="batch")
        return
    if len(fine) < 2 and not (len(fine) == 1 and length == 2):
        return
    if crashed and min(crashed) > length and not _holds(lab, length):
        crash = crashed[min(crashed)]
        message = f"with {min(crashed)} rows, more than {length}, it raises {crash}: take the number from x.shape"
        yield lab.finding("D506", message, crash.where, cause="batch")
        return
    if any(n > 1 for n in crashed) or not any(n > 1 for n in fine):
        return
    yield None  # they are rows
    if 1 in crashed:
        message = f"with one row it raises {crashed[1]}: name the axis that squeeze, or an index, takes away"
        yield lab.finding("D506", message, crashed[1].where, cause="batch")
        return
    yield from _compared(lab, group, length, fine)


def _compared(lab: Lab, group: tuple[int, ...], length: int, fine: dict[int, Run]) -> Iterator[Finding]:
    """What is another number in another number of rows: beside the same rows among others, or beside the exact one."""
    for n, got in fine.items():
        i = next((i for i in group if _has_another_shape(got, i) and not _has_another_shape(lab.base, i)), None)
        if i is not None:
            shapes = f"has shape {np.shape(got.gradients[i])}, {lab.name(i)} has {got.inputs[i].shape}"
            message = f"with {n} row{'s' * (n > 1)} the gradient of {lab.name(i)} {shapes}: take it from x.shape"
            yield lab.finding("D506", message, argument=lab.name(i), cause="batch")
            return
    for n in (1, length + 1):
        wrong = only_here(lab, fine[n]) if n in fine else None
        if wrong is not None:
            at = f" at {list(wrong.place)}" if wrong.place else ""
            message = (
                f"with {n} row{'s' * (n > 1)} the gradient of {wrong.name} is {wrong.got:.6g}{at}, right: "
                f"{wrong.expected:.6g}; with {length} it is right: take the number of rows from x.shape"
            )
            yield lab.finding(
                "D506", message, argument=wrong.name, index=wrong.place, expected=wrong.expected, got=wrong.got,
                cause="batch",
            )  # fmt: skip
            return
    if any(_agrees(lab, group, got, min(n, length)) is not None for n, got in fine.items() if n > 1):
        return  # the rows depend on each other: there is nothing to compare with
    what = _agrees(lab, group, fine[1], 1) if 1 in fine else None
    if what is not None:
        message = f"with one row {what} is not what it is among {length} rows: an axis of length 1 is lost, or averaged"
        yield lab.finding("D506", message, cause="batch")
        return
    none = _sized(lab, group, length, 0)
    if isinstance(none, CrashError):
        if not none.refused and isinstance(none.error, UnboundLocalError | IndexError | AttributeError | TypeError):
            message = f"with an empty batch it raises {none}; give what a loop over rows leaves its start before it"
            yield lab.finding("D506", message, none.where, cause="batch")
    elif (wrong_shape := _agrees(lab, group, none, 0)) is not None:
        message = f"with an empty batch {wrong_shape} has the wrong shape: take it from x.shape"
        yield lab.finding("D506", message, cause="batch")


def _has_another_shape(run: Run, i: int) -> bool:
    """Whether an input has a gradient of another shape."""
    return i < len(run.gradients) and run.gradients[i] is not None and np.shape(run.gradients[i]) != run.inputs[i].shape


def _is_batch(lab: Lab, group: tuple[int, ...]) -> bool:
    """Whether a first axis is one of rows: there are others behind it, or labels beside it."""
    inputs = [lab.subject.inputs[i] for i in group]
    labels = any(x.dtype.kind in "iu" and x.ndim == 1 for x in inputs) and any(map(is_float_array, inputs))
    return labels or any(x.ndim > 1 for x in inputs)


def _holds(lab: Lab, length: int) -> bool:
    """Whether a layer holds the number of rows before anything ran: as a number, or as an axis of an array."""
    items = [place.item for place in places(lab.layer)]
    return any(length in np.shape(x) if isinstance(x, np.ndarray) else type(x) is int and x == length for x in items)


def _sized(lab: Lab, group: tuple[int, ...], length: int, size: int) -> Run | CrashError:
    """A run on `size` rows: the first ones, and beyond all of them others."""
    inputs = tuple(_resized(x, length, size) if i in group else copied(x) for i, x in enumerate(lab.inputs()))
    layer = lab.fresh()
    try:
        outputs = lab.forward(layer, inputs)
        douts = lab.douts(outputs)
        kept = [
            _resized(d, length, size)
            for d in lab.base.douts
            if isinstance(d, np.ndarray) and d.ndim and len(d) == length
        ]
        if [np.shape(d) for d in kept] == [np.shape(d) for d in douts]:
            douts = tuple(kept)  # the same rows get the same upstream gradient as in the plain run
        return Run(layer, inputs, douts, outputs, lab.backward(layer, douts))
    except CrashError as crash:
        return crash


def _resized(x: Array, length: int, size: int) -> Array:
    if size <= length:
        return x[:size].copy()
    more = x[: size - length]
    return np.concatenate([x, more * x.dtype.type(2) if is_float_array(x) and not is_label(x) else more])


def _agrees(lab: Lab, group: tuple[int, ...], got: Run, size: int) -> str | None:
    """What differs from the first rows of the plain run: None where nothing does."""
    if len(got.outputs) != len(lab.base.outputs) or len(got.gradients) != len(lab.base.gradients):
        return "the number of results"
    for mine, theirs in zip(got.outputs, lab.base.outputs, strict=True):
        if isinstance(theirs, np.ndarray) and theirs.ndim:
            if not same(mine[:size] if np.ndim(mine) else mine, theirs[:size]):
                return "the output"
        elif size != 0:
            return "the output"  # one number of all rows
    for i, (mine, theirs) in enumerate(zip(got.gradients, lab.base.gradients, strict=True)):
        if i not in group or not isinstance(theirs, np.ndarray) or not theirs.ndim:
            continue
        if np.shape(mine) != np.shape(got.inputs[i]) or not same(mine[:size], theirs[:size]):
            return f"the gradient of {lab.name(i)}"
    return None
