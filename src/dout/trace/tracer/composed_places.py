"""Composed NumPy functions that only move elements: take, sort, repeat, diagonals, turns, windows by strides."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from dout.ops import PRIMITIVES
from dout.ops.operators import split_key
from dout.ops.registry import axis_of
from dout.ops.shape import memory_order
from dout.trace.tracer.composed_numeric import composes, places
from dout.trace.tracer.traced import TracedArray, plain

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord


# --- taking -----------------------------------------------------------------------------------------------------------


def _along(tracer: RunRecord, array: Any, axis: Any) -> tuple[Any, int]:
    """An array and one of its axes; the flattened array if no axis is named, or it has none."""
    array = tracer.array(array)
    if axis is None or array.ndim == 0:
        return array.ravel(), range(1)[0 if axis is None else axis_of(axis)]
    return array, range(array.ndim)[axis_of(axis)]


def _as_made(tracer: RunRecord, taken: Any) -> Any:
    """The taken elements in memory of their own and in C order, as NumPy's C code makes them."""
    if not isinstance(taken, TracedArray) or (taken.base is None and taken.flags.c_contiguous):
        return taken
    return tracer.emit(PRIMITIVES["copy"], (taken,), {"order": "C"})


@composes(np.take)
def _take(tracer: RunRecord, array: Any, indices: Any, axis: Any = None, *, mode: str = "raise") -> Any:
    array, axis = _along(tracer, array, axis)
    indices = tracer.array(indices) if isinstance(indices, list | tuple) else indices
    if np.result_type(plain(indices)) == np.bool_:
        indices = tracer.array(indices).astype(np.intp)  # numbers here, no mask
    if mode != "raise":
        length = array.shape[axis]
        indices = indices % length if mode == "wrap" else np.clip(indices, 0, length - 1)
        indices = tracer.source(indices) if type(indices) is np.ndarray else indices
    return _as_made(tracer, array[(slice(None),) * axis + (indices,)])


def _grid(tracer: RunRecord, array: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """The open grid that picks `indices` along one axis, and everything along the others."""
    n = array.ndim
    key = [np.arange(array.shape[i]).reshape([-1 if j == i else 1 for j in range(n)]) for i in range(n)]
    key[axis] = tracer.array(indices)
    return tuple(tracer.source(k, made=True) if type(k) is np.ndarray else k for k in key)


@composes(np.take_along_axis)
def _take_along_axis(tracer: RunRecord, array: Any, indices: Any, axis: Any) -> Any:
    array = tracer.array(array)
    if axis is None:
        array, axis = array.ravel(), 0
    return array[_grid(tracer, array, indices, range(array.ndim)[axis])]


@composes(np.put_along_axis)
def _put_along_axis(tracer: RunRecord, array: Any, indices: Any, values: Any, axis: Any) -> None:
    if axis is None:
        raise tracer.unsupported("np.put_along_axis with axis=None")
    array = tracer.array(array)
    array[_grid(tracer, array, indices, normalize_axis_index(axis, array.ndim))] = values


@composes(np.repeat)
def repeat(tracer: RunRecord, array: Any, repeats: Any, axis: Any = None) -> Any:
    """np.repeat of the flattened array, or with a number of its own for each element."""
    array, axis = _along(tracer, array, axis)
    if np.ndim(plain(repeats)) == 0:
        return np.repeat(array, repeats, axis=axis)
    every = tracer.source(np.arange(array.shape[axis]), made=True)
    return _take(tracer, array, places(np.repeat)(tracer, every, repeats), axis)


@composes(np.sort)
def sort(tracer: RunRecord, array: Any, axis: Any = -1) -> Any:
    """np.sort, of which the result lies in memory as the array does."""
    array = tracer.array(array)
    if axis is None:
        array, axis = array.ravel(), -1
    axis, order = range(array.ndim)[axis_of(axis)], memory_order(plain(array))
    if order == "C":
        return _take_along_axis(tracer, array, np.argsort(array, axis=axis), axis)
    axes = tuple(range(array.ndim))[::-1] if order == "F" else order
    return sort(tracer, np.transpose(array, axes), axes.index(axis)).transpose(np.argsort(axes).tolist())


# --- diagonals, turns and windows -------------------------------------------------------------------------------------


@composes(np.fill_diagonal)
def fill_diagonal(tracer: RunRecord, a: Any, val: Any, wrap: bool = False) -> None:
    """np.fill_diagonal: a write at the places of the diagonal."""
    if wrap or np.size(plain(val)) != 1:
        raise tracer.unsupported("np.fill_diagonal with wrap=True or with several numbers")
    a = tracer.array(a)
    a[(tracer.source(np.arange(min(a.shape)), made=True),) * a.ndim] = val


@composes(np.rot90)
def rot90(tracer: RunRecord, m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
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


@composes(np.rollaxis)
def _rollaxis(tracer: RunRecord, a: Any, axis: Any, start: Any = 0) -> Any:
    a = tracer.array(a)
    order = np.rollaxis(np.empty(tuple(range(a.ndim))), axis, start).shape
    return np.transpose(a, order)


@composes(np.lib.stride_tricks.as_strided)
def as_strided(
    tracer: RunRecord, x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True
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
    steps = enumerate(zip(reversed(shape), reversed(strides), strict=True))
    places = sum((np.arange(n) * (s // size)).reshape(-1, *[1] * k) for k, (n, s) in steps)
    flat = x.reshape(-1)
    template, index = split_key(tracer.source(np.broadcast_to(places, shape).copy(), made=True))
    given = (flat.resolve(), *(i.resolve() for i in index))
    value = np.lib.stride_tricks.as_strided(plain(x), shape, strides)
    node = tracer.record(PRIMITIVES["getitem"], given, {"key": template}, value)
    return TracedArray(tracer, value, node, flat, (PRIMITIVES["getitem"], given[1:], {"key": template}))
