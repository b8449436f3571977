"""Composed NumPy functions: each is written here with the steps of NumPy itself, so the bits agree.

Their arguments may be stand-ins or plain arrays; the functions that they call dispatch to the tracer.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import PYTHON_NUMBERS
from dout.ops import PRIMITIVES
from dout.ops.registry import axis_of
from dout.trace.tracer import composed_places  # noqa: F401 - it registers its own
from dout.trace.tracer.composed_numeric import COMPOSED, as_dtype, astype, composes
from dout.trace.tracer.traced import Traced, TracedArray, plain, plain_deep

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord


# --- joining and splitting --------------------------------------------------------------------------------------------


@composes(np.concatenate)
def _concatenate(tracer: RunRecord, arrays: Any, axis: Any = 0) -> Any:
    whole = plain(arrays)
    if isinstance(whole, np.ndarray) and whole.ndim > 1 and axis is not None:  # its rows, in one step
        rows = np.moveaxis(tracer.array(arrays), 0, axis_of(axis) % (whole.ndim - 1))
        return rows.reshape(np.concatenate(whole, axis).shape).copy()
    parts = [tracer.array(a) for a in arrays]
    if axis is None:  # plain numbers have no dtype of their own here
        dtype = np.result_type(
            *(plain(a) if type(plain(a)) in PYTHON_NUMBERS else p.dtype for a, p in zip(arrays, parts, strict=True))
        )
        parts, axis = [as_dtype(part.ravel(), dtype) for part in parts], 0
    return tracer.emit(PRIMITIVES["concatenate"], tuple(parts), {"axis": range(parts[0].ndim)[axis_of(axis)]})


def _at_least(ndim: int) -> Callable[..., Any]:
    def at_least(tracer: RunRecord, *items: Any) -> Any:
        found = []
        for item in items:
            array = tracer.array(item)
            if array.ndim < ndim:
                shape = ((1,) if array.ndim < 2 <= ndim else ()) + array.shape  # NumPy: (n,) → (1, n) → (1, n, 1)
                array = array.reshape(shape + (1,) * (ndim - len(shape)))
            found.append(array)
        return found[0] if len(found) == 1 else tuple(found)

    return at_least


@composes(np.array_split)
def array_split(tracer: RunRecord, array: Any, where: Any, axis: Any = 0) -> list[Any]:
    """np.array_split, and np.split where the parts are equal: views, one a part."""
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


@composes(np.split)
def _split(tracer: RunRecord, array: Any, where: Any, axis: Any = 0) -> list[Any]:
    if not isinstance(where, Sequence | np.ndarray) and np.shape(plain(array))[axis] % int(where):
        raise ValueError("array split does not result in an equal division")
    return array_split(tracer, array, where, axis)


# --- products ---------------------------------------------------------------------------------------------------------


@composes(np.vdot)
def vdot(tracer: RunRecord, a: Any, b: Any) -> Any:
    """np.vdot, of which the first is conjugated."""
    a, b = tracer.array(a), tracer.array(b)
    if a.dtype.kind == "c":
        raise tracer.unsupported("np.vdot of complex numbers")
    return np.dot(a.reshape(-1), b.reshape(-1))


@composes(np.tensordot)
def tensordot(tracer: RunRecord, a: Any, b: Any, axes: Any = 2) -> Any:
    """np.tensordot: transpose, reshape, dot, reshape."""
    a, b = tracer.array(a), tracer.array(b)
    if isinstance(axes, Iterable):
        of_a, of_b = (([int(x)] if np.ndim(x) == 0 else [int(i) for i in x]) for x in axes)
    else:
        of_a, of_b = list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    of_a, of_b = [range(a.ndim)[i] for i in of_a], [range(b.ndim)[i] for i in of_b]
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError("shape-mismatch for sum")
    kept_a, kept_b = ([i for i in range(x.ndim) if i not in of] for x, of in ((a, of_a), (b, of_b)))
    shared = int(np.prod([a.shape[i] for i in of_a], dtype=int))
    left = a.transpose([*kept_a, *of_a]).reshape(int(np.prod([a.shape[i] for i in kept_a], dtype=int)), shared)
    right = b.transpose([*of_b, *kept_b]).reshape(shared, int(np.prod([b.shape[i] for i in kept_b], dtype=int)))
    return np.dot(left, right).reshape([a.shape[i] for i in kept_a] + [b.shape[i] for i in kept_b])


@composes(np.clip)
def clip(tracer: RunRecord, x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip with one bound, or none: then it is a copy."""
    a_min, a_max = (a_min if min is None else min), (a_max if max is None else max)
    if a_min is None and a_max is None:
        return np.positive(x)
    x = x if a_min is None else np.maximum(x, a_min)
    return x if a_max is None else np.minimum(x, a_max)


# --- sums and the like ------------------------------------------------------------------------------------------------


@composes(np.average)
def average(tracer: RunRecord, a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """np.average, weighted or not."""
    a = tracer.array(a)
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        if plain(mean).size == 0:
            raise ZeroDivisionError("division by zero")  # as NumPy does, which counts what it averaged
        return mean
    weights = tracer.array(weights)
    if weights.shape != a.shape:
        if not isinstance(axis, int) or weights.ndim != 1 or weights.shape[0] != a.shape[axis]:
            raise tracer.unsupported("np.average with weights of another shape")
        weights = weights.reshape([-1 if i == axis % a.ndim else 1 for i in range(a.ndim)])
        weights = np.broadcast_to(weights, a.shape)
    dtype = np.result_type(a.dtype, weights.dtype, *(["f8"] if a.dtype.kind in "biu" else []))
    whole = np.sum(weights, axis=axis, dtype=dtype, keepdims=keepdims)
    if np.any(np.equal(whole, 0.0)):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    return np.sum(as_dtype(a, dtype) * as_dtype(weights, dtype), axis=axis, keepdims=keepdims) / whole


@composes(np.nan_to_num)
def _nan_to_num(
    tracer: RunRecord, x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    x = tracer.array(x)
    if x.dtype.kind != "f" or not x.dtype.isnative or not copy:
        raise tracer.unsupported(f"np.nan_to_num with {'copy=False' if not copy else x.dtype}")
    limits = np.finfo(x.dtype)
    out = np.where(np.isnan(x), _one(nan, x.dtype), x)
    out = np.where(np.equal(x, np.inf), _one(limits.max if posinf is None else posinf, x.dtype), out)
    out = np.where(np.equal(x, -np.inf), _one(limits.min if neginf is None else neginf, x.dtype), out)
    return out if x.ndim else out[()]


def _one(number: Any, dtype: Any) -> Any:
    """A plain number as one of this dtype; a traced one as it is."""
    return number if isinstance(number, Traced) else dtype.type(number)


@composes(np.diff)
def _diff(tracer: RunRecord, a: Any, n: int = 1, axis: int = -1) -> Any:
    a = tracer.array(a)
    along = range(a.ndim)[axis]
    for _ in range(n):
        front = (slice(None),) * along
        later, earlier = a[(*front, slice(1, None))], a[(*front, slice(None, -1))]
        a = later != earlier if a.dtype == np.bool_ else later - earlier
    return a


# --- places -----------------------------------------------------------------------------------------------------------


@composes(np.nonzero, np.where)
def nonzero(tracer: RunRecord, x: Any) -> tuple[Any, ...]:
    """np.nonzero, and np.where of a condition alone: one array of places an axis."""
    x = tracer.array(x)
    return tuple(tracer.emit(PRIMITIVES["nonzero"], (x,), {"axis": axis}) for axis in range(x.ndim))


def _joined(along: int, least: int) -> Callable[..., Any]:
    """The parts, each with so many axes at least, joined along an axis; along the first, where they have only that."""

    def joined(tracer: RunRecord, arrays: Any) -> Any:
        parts = [_at_least(least)(tracer, a) for a in arrays]
        return _concatenate(tracer, parts, along if parts and parts[0].ndim > 1 else 0)

    return joined


def _columns(tracer: RunRecord, arrays: Any, axis: Any = 1) -> Any:
    """The parts side by side, those with one axis as columns."""
    parts = [tracer.array(a) for a in arrays]
    return _concatenate(tracer, [p.reshape(-1, 1) if p.ndim < 2 else p for p in parts], axis)


def _stack(tracer: RunRecord, arrays: Any, axis: Any = 0) -> Any:
    if isinstance(plain(arrays), np.ndarray):
        return np.moveaxis(tracer.array(arrays), 0, axis).copy()
    return _concatenate(tracer, [np.expand_dims(tracer.array(a), axis) for a in arrays], axis)


COMPOSED.update(
    {
        np.atleast_1d: _at_least(1),
        np.atleast_2d: _at_least(2),
        np.atleast_3d: _at_least(3),
        np.stack: _stack,
        np.hstack: _joined(1, 1),
        np.vstack: _joined(0, 2),
        np.dstack: _joined(2, 3),
        np.column_stack: lambda tracer, arrays: _columns(tracer, arrays),
        np.append: lambda tracer, array, values, axis=None: _concatenate(
            tracer, [tracer.array(array), tracer.array(values)], axis
        ),
        np.hsplit: lambda tracer, x, where: _split(tracer, x, where, 1 if np.ndim(plain(x)) > 1 else 0),
        np.vsplit: lambda tracer, x, where: _split(tracer, x, where, 0),
        np.outer: lambda tracer, a, b: tracer.array(a).ravel()[:, None] * tracer.array(b).ravel()[None, :],
        np.ptp: lambda tracer, x, axis=None, *, keepdims=False: (
            np.max(x := tracer.array(x), axis=axis, keepdims=keepdims) - np.min(x, axis=axis, keepdims=keepdims)
        ),
        np.trace: lambda tracer, x, offset=0, axis1=0, axis2=1, dtype=None: np.sum(
            np.diagonal(tracer.array(x), offset, axis1, axis2), axis=-1, dtype=dtype
        ),
        np.diagflat: lambda tracer, v, k=0: np.diag(tracer.array(v).ravel(), k),
        np.flatnonzero: lambda tracer, x: nonzero(tracer, tracer.array(x).ravel())[0],
        np.argwhere: lambda tracer, x: np.transpose(_stack(tracer, nonzero(tracer, x))),
        math.prod: lambda tracer, numbers, *, start=1: reduce(operator.mul, numbers, start),
    }
)
if hasattr(np, "astype"):  # NumPy 2.1; the method's name leads here
    COMPOSED[np.astype] = astype

# NumPy's own functions take the very steps of those above: of large arrays they need not compute the result as well.
SAME_STEPS = frozenset({
    np.concatenate, np.stack, np.hstack, np.vstack, np.dstack, np.column_stack, np.append, np.split, np.array_split,
    np.hsplit, np.vsplit, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_arrays, np.outer, np.tensordot,
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


# --- np.c_ and np.r_ --------------------------------------------------------------------------------------------------


def concatenated(tracer: RunRecord, original: Any, key: Any) -> Any:
    """`np.r_[key]` and `np.c_[key]` of traced arrays."""
    items = key if isinstance(key, tuple) else (key,)
    if not tracer.live or not any(isinstance(item, TracedArray) for item in items):
        return original[plain_deep(key)]
    if any(isinstance(item, str) for item in items):
        raise tracer.unsupported(f"np.{'c' if original is np.c_ else 'r'}_ with a directive")
    parts = [tracer.source(original[i], made=True) if isinstance(i, slice) else tracer.array(i) for i in items]
    # A plain number takes the dtype of the arrays beside it, as in arithmetic.
    numbers = [plain(item) for item in items if type(plain(item)) in PYTHON_NUMBERS]
    arrays = [part.dtype for part, i in zip(parts, items, strict=True) if type(plain(i)) not in PYTHON_NUMBERS]
    parts = [as_dtype(part, np.result_type(*arrays, *numbers)) for part in parts]
    if original is np.c_:
        return _columns(tracer, parts, -1)
    return _concatenate(tracer, [_at_least(1)(tracer, p) for p in parts], 0)
