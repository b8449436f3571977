"""More composed functions: norms, products, borders, choices, polynomials, places; equal to NumPy's to the bit."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dout.ops import PRIMITIVES
from dout.ops.linalg import spelled_out
from dout.trace.tracer.numpy_calls import as_indices
from dout.trace.tracer.traced import plain

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord


COMPOSED: dict[Any, Callable[..., Any]] = {}  # by NumPy function: its composition, `compose(tracer, *args, **kwargs)`
_F = TypeVar("_F", bound=Callable[..., Any])


def composes(*functions: Any) -> Callable[[_F], _F]:
    """Register the composition of these functions."""

    def register(compose: _F) -> _F:
        COMPOSED.update(dict.fromkeys(functions, compose))
        return compose

    return register


# --- products ---------------------------------------------------------------------------------------------------------


@composes(np.cross)
def cross(
    tracer: RunRecord, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    """np.cross of vectors with three elements."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(tracer.array(a), axisa, -1), np.moveaxis(tracer.array(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise tracer.unsupported("np.cross of vectors that have not three elements")
    dtype = np.promote_types(a.dtype, b.dtype)
    a0, a1, a2, b0, b1, b2 = (as_dtype(item, dtype)[..., i] for item in (a, b) for i in range(3))
    made = np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)
    return np.moveaxis(tracer.call(np.ascontiguousarray, (made,), {}), -1, axisc)


@composes(np.einsum)
def einsum(tracer: RunRecord, subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    """np.einsum where an operand has a letter twice: of its diagonal."""
    if not isinstance(subscripts, str) or len(operands) != subscripts.count(",") + 1:
        raise tracer.unsupported("np.einsum with its indices as lists")
    arrays = [tracer.array(o) for o in operands]
    left, _, right = spelled_out(subscripts, [a.ndim for a in arrays], optimize).partition("->")
    terms = left.split(",")
    for i, array in enumerate(arrays):
        while again := [c for c in terms[i] if terms[i].count(c) > 1]:
            first = terms[i].index(again[0])
            second = terms[i].index(again[0], first + 1)
            if array.shape[first] != array.shape[second]:
                raise tracer.unsupported("np.einsum with axes of two lengths for one letter")
            static = {"offset": 0, "axis1": first, "axis2": second, "writeable": True}
            array = tracer.emit(PRIMITIVES["diagonal"], (array,), static)
            terms[i] = "".join(c for k, c in enumerate(terms[i]) if k not in (first, second)) + again[0]
        arrays[i] = array
    return np.einsum(f"{','.join(terms)}->{right}", *arrays, optimize=optimize)


@composes(np.correlate)
def correlate(tracer: RunRecord, a: Any, v: Any, mode: Any = "valid") -> Any:
    """np.correlate with the longer array first."""
    a, v = tracer.array(a), tracer.array(v)
    if a.ndim != 1 or v.ndim != 1 or len(a) < len(v):
        raise tracer.unsupported("np.correlate with the shorter array first")
    return np.convolve(a, v[::-1], mode)


def as_dtype(x: Any, dtype: Any) -> Any:
    """The array in the dtype, with no cast where it has it already: a cast would be a node of the graph."""
    return x if x.dtype == dtype else x.astype(dtype)


# --- borders and grids ------------------------------------------------------------------------------------------------


@composes(np.meshgrid)
def _meshgrid(tracer: RunRecord, *axes: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    n, swapped = len(axes), indexing == "xy" and len(axes) > 1
    found = []
    for i, item in enumerate(axes):
        along = 1 - i if swapped and i < 2 else i
        found.append(tracer.array(item).reshape([-1 if k == along else 1 for k in range(n)]))
    if not sparse:
        found = list(np.broadcast_arrays(*found))
    return tuple(array.copy() for array in found) if copy else tuple(found)


# --- choices ----------------------------------------------------------------------------------------------------------


@composes(np.heaviside)
def heaviside(tracer: RunRecord, x: Any, half: Any) -> Any:
    """np.heaviside: 0, 1, and `half` between."""
    x, half = (item if type(plain(item)) in (int, float) else tracer.array(item) for item in (x, half))
    like = [np.zeros((), plain(item).dtype) if hasattr(item, "dtype") else plain(item) for item in (x, half)]
    one = np.heaviside(*like).dtype.type
    found = np.where(np.less(x, 0), one(0), np.where(np.equal(x, 0), half, one(1)))
    found = as_dtype(np.where(np.isnan(x), x, found), np.dtype(one))
    return found if found.ndim else found[()]


# --- places -----------------------------------------------------------------------------------------------------------


def places(function: Any) -> Callable[..., Any]:
    """A function that gives places, counts or conditions, or a part of its result: a node without a gradient."""

    def compose(tracer: RunRecord, *arrays: Any, part: int | None = None, **options: Any) -> Any:
        operands = tuple(tracer.array(a) if isinstance(a, list | tuple | np.ndarray) else a for a in arrays)
        options = as_indices(options)
        found = function(*(plain(o) for o in operands), **options)
        found = found if part is None else found[part]
        static = {"function": function.__name__, **options, **({} if part is None else {"part": part})}
        whole = {**static, "shape": np.shape(found), "dtype": np.asarray(found).dtype}
        return tracer.emit(PRIMITIVES["places"], operands, whole)

    return compose


@composes(np.bincount)
def bincount(tracer: RunRecord, x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """np.bincount; the weights add up, each in its bin."""
    if weights is None:
        return places(np.bincount)(tracer, x, minlength=minlength)
    x, weights = tracer.array(x), tracer.array(weights)
    if not np.can_cast(weights.dtype, float) or not x.size:
        raise tracer.unsupported(f"np.bincount of nothing, or with weights of {weights.dtype}")
    weights = as_dtype(weights, np.dtype(float))
    minlength = operator.index(minlength)
    length = len(np.bincount(plain(x), minlength=minlength))
    int(x.max())  # it steers
    tracer.note("index", f"np.bincount gave {length} bins")
    found = tracer.call(np.zeros, (length,), {})
    np.add.at(found, x, weights)
    return found


@composes(np.unique)
def unique(tracer: RunRecord, x: Any, return_index: bool = False, **options: Any) -> Any:
    """np.unique: each value once, taken from its first place; the other results are places."""
    x = tracer.array(x)
    if set(options) - {"return_inverse", "return_counts"}:
        raise tracer.unsupported(f"np.unique with {', '.join(options)}")
    asked = {"return_index": True, **{key: True for key, wanted in options.items() if wanted}}
    first, *others = (places(np.unique)(tracer, x, part=part, **asked) for part in range(1, len(asked) + 1))
    found = x.ravel()[first]
    rest = ([first] if return_index else []) + others
    return (found, *rest) if rest else found


def astype(
    tracer: RunRecord,
    x: Any,
    dtype: Any,
    order: str = "K",
    casting: Any = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Any:
    """ndarray.astype with its options; without a copy it may be the same array."""
    x, dtype = tracer.array(x), np.dtype(dtype)
    laid = order in ("K", "A") or x.flags[f"{order}_CONTIGUOUS"]
    if not copy and dtype == x.dtype and laid:
        return x
    out = x.astype(dtype)
    as_asked = order in ("K", "A") or out.flags[f"{order}_CONTIGUOUS"]
    return out if as_asked else tracer.emit(PRIMITIVES["copy"], (out,), {"order": order})


COMPOSED.update((f, places(f)) for f in (np.digitize, np.searchsorted, np.isclose, np.count_nonzero))

# Functions without a row that people reach for, and what to write in their place.
INSTEAD: dict[Any, str] = {
    np.interp: "np.searchsorted for the places and x0 + (x1 - x0) * t between them",
    np.linalg.svd: "a layer of its own, with the backward you derive",
    np.linalg.pinv: "np.linalg.solve(x.T @ x, x.T)",
    np.linalg.cholesky: "np.linalg.solve, or a layer of its own with the backward you derive",
    np.linalg.eigh: "a layer of its own, with the backward you derive",
    np.linalg.eig: "a layer of its own, with the backward you derive",
    np.linalg.slogdet: "np.log(np.abs(np.linalg.det(x)))",
    np.linalg.matrix_power: "x @ x",
    np.histogram: "np.bincount(np.digitize(x, edges))",
    np.median: "np.sort(x)[len(x) // 2]",
    np.percentile: "np.sort(x)[k]",
    np.quantile: "np.sort(x)[k]",
    np.linspace: "x0 + (x1 - x0) * np.linspace(0, 1, n)",
    np.nanmean: "np.mean(x, where=~np.isnan(x))",
}
