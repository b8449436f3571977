"""NumPy functions that only say which element goes where: diagonals, turns, windows by strides."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.ops import PRIMITIVES
from dout.ops.standin import split_key
from dout.trace.standin import TracedArray, plain

if TYPE_CHECKING:
    from dout.trace.tracer import Tracer


def diagflat(tracer: Tracer, v: Any, k: int = 0) -> Any:
    """np.diagflat."""
    return np.diag(tracer.array(v).ravel(), k)


def fill_diagonal(tracer: Tracer, a: Any, val: Any, wrap: bool = False) -> None:
    """np.fill_diagonal: a write at the places of the diagonal."""
    if wrap or np.size(plain(val)) != 1:
        raise tracer.unsupported("np.fill_diagonal with wrap=True or with several numbers")
    a = tracer.array(a)
    a[(tracer.source(np.arange(min(a.shape)), made=True),) * a.ndim] = val


def rot90(tracer: Tracer, m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """np.rot90: a view, flipped and transposed."""
    m = tracer.array(m)
    first, second = (range(m.ndim)[axis] for axis in axes)
    turns = int(k) % 4
    if turns == 0:
        return m[:]
    if turns == 2:
        return np.flip(np.flip(m, first), second)
    return (
        np.swapaxes(np.flip(m, second), first, second) if turns == 1 else np.flip(np.swapaxes(m, first, second), second)
    )


def rollaxis(tracer: Tracer, a: Any, axis: Any, start: Any = 0) -> Any:
    """np.rollaxis."""
    a = tracer.array(a)
    order = np.rollaxis(np.empty(tuple(range(a.ndim))), axis, start).shape
    return np.transpose(a, order)


def as_strided(
    tracer: Tracer, x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True
) -> Any:
    """np.lib.stride_tricks.as_strided: the elements at these places of an array in C order; a write changes that."""
    x = tracer.array(x)
    shape = x.shape if shape is None else tuple(map(operator.index, shape))
    strides = x.strides if strides is None else tuple(map(operator.index, strides))
    size, ends = x.itemsize, [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    inside = all(s >= 0 and s % size == 0 for s in strides) and sum(ends) < x.nbytes
    if not (x.flags.c_contiguous and inside and writeable and 0 not in shape):
        raise tracer.unsupported(
            "np.lib.stride_tricks.as_strided out of C order",
            "np.lib.stride_tricks.sliding_window_view(x, window)[::step]",
        )
    places = sum((np.arange(n) * (s // size)).reshape(-1, *[1] * k) for k, (n, s) in _from_the_last(shape, strides))
    flat = x.reshape(-1)
    template, index = split_key(tracer.source(np.broadcast_to(places, shape).copy(), made=True))
    given = (flat.resolve(), *(i.resolve() for i in index))
    value = np.lib.stride_tricks.as_strided(plain(x), shape, strides)
    node = tracer.record(PRIMITIVES["getitem"], given, {"key": template}, value)
    return TracedArray(tracer, value, node, flat, (PRIMITIVES["getitem"], given[1:], {"key": template}))


def _from_the_last(shape: Any, strides: Any) -> Any:
    return enumerate(zip(reversed(shape), reversed(strides), strict=True))


PLACES: dict[Any, Callable[..., Any]] = {
    np.diagflat: diagflat,
    np.fill_diagonal: fill_diagonal,
    np.rot90: rot90,
    np.rollaxis: rollaxis,
    np.lib.stride_tricks.as_strided: as_strided,
}
