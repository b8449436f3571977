"""Are the elements along a first axis rows of a batch, so that any number of them should do?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dout.check.lab.other_values import same
from dout.check.lab.probe import CrashError, Lab
from dout.judge.judged_run import is_label
from dout.run import PlainRun, copied, is_float_array, places, size_of

Array = np.ndarray[Any, Any]
Group = tuple[int, ...]  # positions of inputs that have the same first axis

_MOST_NUMBERS = 8  # numbers tried that a layer holds


def resized(x: Array, length: int, size: int) -> Array:
    """The first rows, and beyond all of them others; of an order of all rows the order of the first ones."""
    if size <= length:
        first = x[:size].copy()
        is_order = x.ndim == 1 and x.dtype.kind in "iu" and np.array_equal(np.sort(x), range(length))
        return np.argsort(np.argsort(first)).astype(x.dtype) if is_order else first
    more = [x * x.dtype.type(k) if is_float_array(x) and not is_label(x) else x for k in range(1, size // length + 2)]
    return np.concatenate(more)[:size]


def resized_along(x: Any, axis: int, length: int, size: int) -> Any:
    """An input with another length along an axis, where it has this one."""
    if not isinstance(x, np.ndarray) or x.ndim <= axis or x.shape[axis] != length:
        return copied(x)
    return np.ascontiguousarray(np.moveaxis(resized(np.moveaxis(x, axis, 0), length, size), 0, axis))


def sized(lab: Lab, group: Group, length: int, size: int, layer: Any = None) -> PlainRun | CrashError:
    """A run on `size` rows."""
    inputs = tuple(resized(x, length, size) if i in group else copied(x) for i, x in enumerate(lab.inputs()))
    layer = lab.fresh() if layer is None else layer
    try:
        outputs = lab.forward(layer, inputs)
        douts = lab.douts(outputs)
        kept = [
            resized(d, length, size)
            for d in lab.base.douts
            if isinstance(d, np.ndarray) and d.ndim and len(d) == length
        ]
        if [np.shape(d) for d in kept] == [np.shape(d) for d in douts]:
            douts = tuple(kept)  # the same rows get the same upstream gradient as in the plain run
        return PlainRun(layer, inputs, douts, outputs, lab.backward(layer, douts))
    except CrashError as crash:
        return crash


def fits(lab: Lab, got: PlainRun | CrashError, length: int, size: int) -> bool:
    """Whether a run on `size` rows gave so many rows wherever there were as many as came in."""
    if isinstance(got, CrashError):
        return False
    pairs = zip(got.outputs, lab.base.outputs, strict=False)
    return all(np.shape(mine)[:1] == (size,) for mine, theirs in pairs if np.shape(theirs)[:1] == (length,))


def holds(lab: Lab, length: int) -> bool:
    """Whether a layer holds the number of rows before anything ran: as a number, or as an axis of an array."""
    items = [place.item for place in places(lab.layer)]
    return any(length in np.shape(x) if isinstance(x, np.ndarray) else type(x) is int and x == length for x in items)


def takes_one_number_only(lab: Lab, group: Group, length: int, size: int) -> bool:
    """Whether these are rows, and no number that the layer was built with says how many there have to be."""
    try:
        return _are_rows(lab, group, length) and not any(
            fits(lab, sized(lab, group, length, size, layer), length, size) for layer in _told(lab, length, size)
        )
    except CrashError:
        return False


def _are_rows(lab: Lab, group: Group, length: int) -> bool:
    """Whether rows in another order give the same results in that order: an axis with a weight for each place does not.

    What a layer holds may be alike for all rows by chance, as biases are at first, and is filled with other numbers.
    """
    if length < 2 or not lab.copyable:
        return False
    inputs = [_unlike(x) if i in group else copied(x) for i, x in enumerate(lab.inputs())]
    turned = [np.roll(x, 1, axis=0) if i in group else copied(x) for i, x in enumerate(inputs)]
    one, two = (lab.forward(_filled(lab, length), given) for given in (inputs, turned))
    has_columns = any(inputs[i].ndim > 1 for i in group)
    for a, b in zip(one, two, strict=True):
        if np.shape(a)[:1] == (length,):
            a = np.roll(a, 1, axis=0)
        elif np.ndim(a) or not has_columns:
            return False
        if not same(a, b):
            return False
    return bool(one)


def _unlike(x: Array) -> Array:
    """Rows of which no two are alike."""
    if not is_float_array(x) or is_label(x):
        return x
    factors: Array = np.linspace(1, 1.5, len(x)).astype(x.dtype)
    return np.asarray(x * factors.reshape(-1, *(1,) * (x.ndim - 1)))


def _filled(lab: Lab, length: int) -> Any:
    layer, generator = lab.fresh(), np.random.default_rng(0)
    for place in places(layer):
        x = place.item
        if not (isinstance(x, np.ndarray) and length in x.shape and x.flags.writeable):
            continue
        if is_float_array(x):
            x += np.asarray(size_of(x) * generator.uniform(0.25, 1, size=x.shape), x.dtype)
        elif x.dtype == bool:
            x[...] = generator.random(x.shape) < 0.5
    return layer


def _told(lab: Lab, length: int, size: int) -> Iterator[Any]:
    """The layer with another number of rows in place of each number that may be that of rows, and of all of these."""
    paths = [place.path for place in places(lab.layer) if _with(place.item, length, size) is not None]
    for some in (*([path] for path in paths[:_MOST_NUMBERS]), *([paths] if len(paths) > 1 else [])):
        layer = lab.fresh()
        put: dict[str, tuple[Any, Callable[[Any], None]]] = {p.path: (p.item, p.put) for p in places(layer)}
        if all(path in put for path in some):
            for item, replace in map(put.__getitem__, some):
                replace(_with(item, length, size))
            yield layer


def _with(item: Any, length: int, size: int) -> Any:
    """A number, or a tuple with it, changed; None where it is another."""
    if type(item) is tuple:
        parts = tuple(size if type(part) is int and part == length else part for part in item)
        return parts if parts != item else None
    return size if type(item) is int and item == length else None
