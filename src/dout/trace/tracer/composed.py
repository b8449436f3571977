"""Composed NumPy functions: each is written here with the steps of NumPy itself, so the bits agree.

Their arguments may be stand-ins or plain arrays; the functions that they call dispatch to the tracer.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import PYTHON_NUMBERS
from dout.ops import PRIMITIVES
from dout.ops.operators import split_key
from dout.ops.registry import axis_of
from dout.ops.shape import memory_order
from dout.trace.tracer.composed_numeric import COMPOSED, as_dtype, astype, composes, places
from dout.trace.tracer.traced import TracedArray, plain

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord


# --- joining and splitting --------------------------------------------------------------------------------------------


@composes(np.concatenate)
def _concatenate(tracer: RunRecord, arrays: Any, axis: Any = 0, *, dtype: Any = None, casting: Any = None) -> Any:
    whole = plain(arrays)
    if isinstance(whole, np.ndarray) and whole.ndim > 1 and axis is not None:  # its rows, in one step
        rows = np.moveaxis(tracer.array(arrays), 0, axis_of(axis) % (whole.ndim - 1))
        return rows.reshape(np.concatenate(whole, axis).shape).copy()
    parts = [tracer.array(a) for a in arrays]
    if dtype is not None:
        parts = [as_dtype(part, np.dtype(dtype)) for part in parts]
    if axis is None:  # plain numbers have no dtype of their own here
        dtype = np.result_type(
            *(plain(a) if type(plain(a)) in PYTHON_NUMBERS else p.dtype for a, p in zip(arrays, parts, strict=True))
        )
        parts, axis = [as_dtype(part.ravel(), dtype) for part in parts], 0
    return tracer.emit(PRIMITIVES["concatenate"], tuple(parts), {"axis": range(parts[0].ndim)[axis_of(axis)]})


@composes(np.array_split)
def array_split(tracer: RunRecord, array: Any, where: Any, axis: Any = 0) -> list[Any]:
    """np.array_split, which np.split and its kin call: views, one a part."""
    array, axis = tracer.array(array), range(plain(array).ndim)[axis]
    length = array.shape[axis]
    if isinstance(where, Sequence | np.ndarray):
        ends = [0, *(slice(int(w)).indices(length)[1] for w in where), length]
    else:
        each, more = divmod(length, int(where))
        ends = list(accumulate([each + 1] * more + [each] * (int(where) - more), initial=0))
    return [array[(slice(None),) * axis + (slice(a, max(a, b)),)] for a, b in pairwise(ends)]


@composes(np.broadcast_arrays)
def broadcast_arrays(tracer: RunRecord, *arrays: Any) -> tuple[Any, ...]:
    """np.broadcast_arrays: views that may still be written to; an array that has the shape is returned itself."""
    found = [tracer.array(array) for array in arrays]
    as_array = {"order": "K", "array": True}
    found = [tracer.emit(PRIMITIVES["copy"], (a,), as_array) if isinstance(plain(a), np.generic) else a for a in found]
    shape = np.broadcast_shapes(*(array.shape for array in found))
    static = {"shape": shape, "writeable": True}
    return tuple(a if a.shape == shape else tracer.emit(PRIMITIVES["broadcast_to"], (a,), static) for a in found)


# --- products ---------------------------------------------------------------------------------------------------------


@composes(np.vdot)
def vdot(tracer: RunRecord, a: Any, b: Any) -> Any:
    """np.vdot, of which the first is conjugated."""
    a, b = tracer.array(a), tracer.array(b)
    if a.dtype.kind == "c":
        raise tracer.unsupported("np.vdot of complex numbers")
    return np.dot(a.reshape(-1), b.reshape(-1))


@composes(np.clip)
def clip(tracer: RunRecord, x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip with one bound, or none: then it is a copy."""
    a_min, a_max = (a_min if min is None else min), (a_max if max is None else max)
    if a_min is None and a_max is None:
        return np.positive(x)
    x = x if a_min is None else np.maximum(x, a_min)
    return x if a_max is None else np.minimum(x, a_max)


# --- places -----------------------------------------------------------------------------------------------------------


@composes(np.nonzero, np.where)
def nonzero(tracer: RunRecord, x: Any) -> tuple[Any, ...]:
    """np.nonzero, and np.where of a condition alone: one array of places an axis."""
    x = tracer.array(x)
    return tuple(tracer.emit(PRIMITIVES["nonzero"], (x,), {"axis": axis}) for axis in range(x.ndim))


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


@composes(np.repeat)
def repeat(tracer: RunRecord, array: Any, repeats: Any, axis: Any = None) -> Any:
    """np.repeat of the flattened array, or with a number of its own for each element."""
    array, axis = _along(tracer, array, axis)
    if np.ndim(plain(repeats)) == 0:
        return np.repeat(array, int(repeats), axis=axis)  # NumPy cuts off what a float has more, as of `size / 2`
    every = tracer.source(np.arange(array.shape[axis]), made=True)
    return _take(tracer, array, places(np.repeat)(tracer, every, repeats), axis)


@composes(np.delete)
def delete(tracer: RunRecord, array: Any, which: Any, axis: Any = None) -> Any:
    """np.delete: what is left, in columns if the array was, and one place or slice is named."""
    array, axis = _along(tracer, array, axis)
    every = tracer.source(np.arange(array.shape[axis]), made=True)
    places_of = plain(every)[which] if isinstance(which, slice) else which
    left = _take(tracer, array, places(np.delete)(tracer, every, places_of), axis)
    in_columns = array.flags.fnc and isinstance(plain(which), int | np.integer | slice)
    return tracer.emit(PRIMITIVES["copy"], (left,), {"order": "F"}) if in_columns else left


@composes(np.insert)
def insert(tracer: RunRecord, array: Any, which: Any, values: Any, axis: Any = None) -> Any:
    """np.insert: between what is before and after one place; else the elements of both, in the order that NumPy gives.

    What is inserted before one place has its axis in front.
    """
    array, axis = _along(tracer, array, axis)
    length, is_one = array.shape[axis], np.ndim(plain(which)) == 0 and not isinstance(which, slice)
    which = tracer.source(np.arange(length)[which], made=True) if isinstance(which, slice) else which
    shape = list(np.insert(plain(array), plain(which), plain(values), axis).shape)
    shape[axis] -= length
    if np.ndim(plain(values)) == 0:
        static = {"shape": tuple(shape), "dtype": array.dtype, "order": "C"}
        added = tracer.emit(PRIMITIVES["full"], (tracer.wrap(values),), static)
    else:
        added = as_dtype(tracer.array(values), array.dtype)
        before = added.reshape((1,) * (array.ndim - added.ndim) + added.shape)
        added = np.broadcast_to(np.moveaxis(before, 0, axis) if is_one else added, tuple(shape))
    if type(which) is int:
        place, front = which + length * (which < 0), (slice(None),) * axis
        before = [array[(*front, slice(place))]] if place else []
        after = [array[(*front, slice(place, None))] if place else array] if place < length else []
        result = _concatenate(tracer, [*before, added, *after], axis)
    else:
        every, new = (np.arange(*ends) for ends in ((length,), (length, length + shape[axis])))
        order = places(np.insert)(tracer, tracer.source(every, made=True), which, tracer.source(new, made=True))
        result = _take(tracer, _concatenate(tracer, [array, added], axis), order, axis)
    return tracer.emit(PRIMITIVES["copy"], (result,), {"order": "F"}) if array.flags.fnc else result


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


@composes(np.lib.stride_tricks.as_strided)
def as_strided(
    tracer: RunRecord, x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True
) -> Any:
    """np.lib.stride_tricks.as_strided: the elements at these places of an array without gaps; a write changes that."""
    x = tracer.array(x)
    shape = x.shape if shape is None else tuple(map(operator.index, shape))
    strides = x.strides if strides is None else tuple(map(operator.index, strides))
    size, ends = x.itemsize, [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    inside = all(s >= 0 and s % size == 0 for s in strides) and sum(ends) < x.nbytes
    own = x.strides
    laid = x if x.flags.c_contiguous else x.transpose(sorted(range(x.ndim), key=lambda axis: -own[axis]))
    if not (laid.flags.c_contiguous and inside and 0 not in shape):
        raise tracer.unsupported(
            "np.lib.stride_tricks.as_strided of an array with gaps, or beyond its end",
            "np.lib.stride_tricks.sliding_window_view(x, window)[::step]",
        )
    steps = enumerate(zip(reversed(shape), reversed(strides), strict=True))
    at = sum((np.arange(n) * (s // size)).reshape(-1, *[1] * k) for k, (n, s) in steps)
    flat = laid.reshape(-1)
    template, index = split_key(tracer.source(np.broadcast_to(at, shape).copy(), made=True))
    given = (flat.resolve(), *(i.resolve() for i in index))
    value = np.lib.stride_tricks.as_strided(plain(x), shape, strides, writeable=writeable)
    windows = _as_windows(x, shape, strides)
    node = windows.resolve() if windows is not None else None
    if node is None:
        node = tracer.record(PRIMITIVES["getitem"], given, {"key": template}, value)
    return TracedArray(tracer, value, node, flat, (PRIMITIVES["getitem"], given[1:], {"key": template}))


def _as_windows(x: Any, shape: Sequence[int], strides: Sequence[int]) -> Any:
    """The same view by `sliding_window_view`, slices and a transpose; None where it is none of these.

    An axis of the view goes along an axis of the array, two at most: the place of a window, and the place in it.
    """
    taken: list[list[tuple[int, int, int]]] = [[] for _ in x.shape]  # steps, lengths and axes of the view
    for i, (n, stride) in enumerate(zip(shape, strides, strict=True)):
        for own, length, one in zip(taken, x.shape, x.strides, strict=True):
            step = stride // one if one else 0  # NumPy gives 0 to an axis that was added
            reach = sum((m - 1) * k for k, m, _ in own) + (n - 1) * step
            if step and stride % one == 0 and reach < length and len(own) < 2:
                own.append((step, n, i))
                break
        else:
            return None
    pairs = {axis: sorted(own) for axis, own in enumerate(taken) if len(own) == 2}
    if any(pair[0][0] != 1 for pair in pairs.values()):
        return None
    if pairs:
        x = np.lib.stride_tricks.sliding_window_view(x, [pair[0][1] for pair in pairs.values()], tuple(pairs))
    key = [slice(0, (max(own)[1] - 1) * max(own)[0] + 1, max(own)[0]) if own else 0 for own in taken]
    order = [max(own)[2] for own in taken if own] + [pair[0][2] for pair in pairs.values()]
    return x[tuple(key)].transpose(np.argsort(order).tolist())


def _stack(tracer: RunRecord, arrays: Any, axis: Any = 0) -> Any:
    """np.stack, whose new axes are steps that tell what they are."""
    if isinstance(plain(arrays), np.ndarray):
        return np.moveaxis(tracer.array(arrays), 0, axis).copy()
    return _concatenate(tracer, [np.expand_dims(tracer.array(a), axis) for a in arrays], axis)


_SHORT: dict[Any, Callable[..., Any]] = {
    np.stack: _stack,
    np.ptp: lambda tracer, x, axis=None, *, keepdims=False: (
        np.max(x := tracer.array(x), axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)
    ),
    np.trace: lambda tracer, x, offset=0, axis1=0, axis2=1, dtype=None: np.sum(
        np.diagonal(tracer.array(x), offset, axis1, axis2), axis=-1, dtype=dtype
    ),
    np.diagflat: lambda tracer, v, k=0: np.diag(tracer.array(v).ravel(), k),
    math.prod: lambda tracer, numbers, *, start=1: reduce(operator.mul, numbers, start),
}
COMPOSED.update(_SHORT)
if hasattr(np, "astype"):  # NumPy 2.1; the method's name leads here
    COMPOSED[np.astype] = astype

# NumPy's own functions take the very steps of those above: of large arrays they need not compute the result as well.
SAME_STEPS = frozenset({np.concatenate, np.stack, np.array_split, np.broadcast_arrays})

# Functions that are composed in NumPy's own source; `numpy_source` runs it.
BY_SOURCE = frozenset({
    np.append, np.apply_along_axis, np.argwhere, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.average,
    np.column_stack, np.diff, np.dsplit, np.dstack, np.flatnonzero, np.hsplit, np.hstack, np.isneginf, np.isposinf,
    np.kron, np.linalg.norm, np.nan_to_num, np.nansum, np.outer, np.pad, np.piecewise, np.polyval, np.put_along_axis,
    np.rollaxis, np.rot90, np.select, np.split, np.tensordot, np.vsplit, np.vstack,
})  # fmt: skip

# --- methods of ufuncs ------------------------------------------------------------------------------------------------

_FOLDS: dict[tuple[str, Any], Callable[..., Any]] = {
    ("reduce", np.add): np.sum,
    ("reduce", np.multiply): np.prod,
    ("reduce", np.maximum): np.max,
    ("reduce", np.minimum): np.min,
    ("reduce", np.logical_and): np.all,
    ("reduce", np.logical_or): np.any,
    ("accumulate", np.add): np.cumsum,
    ("accumulate", np.multiply): np.cumprod,
}


def ufunc_method(tracer: RunRecord, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
    """np.add.at, np.add.reduce, np.add.accumulate, np.multiply.outer and their kin."""
    options = {key: item for key, item in options.items() if key != "dtype" or item is not None}
    if method == "at" and ufunc in (np.add, np.subtract):
        target, key, value = args
        return tracer.writer.add_at(tracer.wrap(target), key, value if ufunc is np.add else np.negative(value))
    if (method, ufunc) in _FOLDS:
        array, axis = args[0], args[1] if len(args) > 1 else options.pop("axis", 0)
        if method == "accumulate" and (np.ndim(plain(array)) == 0 or axis is None):
            ufunc.accumulate(plain(array), axis)  # NumPy's own error
        return _FOLDS[method, ufunc](tracer.array(array), axis=axis, **options)
    if method == "outer" and not options:
        a, b = (tracer.array(item) for item in args)
        return ufunc(a.reshape(a.shape + (1,) * b.ndim), b)
    raise tracer.unsupported(f"np.{ufunc.__name__}.{method}")
