"""NumPy functions that need more than a row: they build, copy, or only look."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import PYTHON_NUMBERS
from dout.ops import PRIMITIVES
from dout.run import flat, mapped
from dout.trace.tracer.traced import Traced, holds_traced, plain, plain_deep

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord


def as_operand(tracer: RunRecord, x: Any) -> Any:
    """A list or tuple that stands as an operand, as an array; anything else as it is."""
    return _build(tracer, x, None, made=False) if type(x) in (list, tuple) else x


def _array(tracer: RunRecord, x: Any, dtype: Any = None, *, copy: Any = True, order: str = "K", ndmin: int = 0) -> Any:
    """np.array: elements that are traced stay traced."""
    out = _build(tracer, x, dtype, made=True)
    if dtype is not None and np.dtype(dtype) != out.dtype:
        out = out.astype(np.dtype(dtype))
    elif copy and type(plain(x)) is np.ndarray:
        out = tracer.emit(PRIMITIVES["copy"], (out,), {"order": order, **({} if out.ndim else {"array": True})})
    if ndmin > out.ndim:
        out = out.reshape((1,) * (ndmin - out.ndim) + out.shape)
    return out


def _build(tracer: RunRecord, x: Any, dtype: Any, *, made: bool) -> Any:
    if isinstance(x, Traced):
        return x if isinstance(plain(x), np.ndarray) else tracer.emit(PRIMITIVES["asarray"], (x,), {})
    literal = is_literal(x)
    if not literal and isinstance(x, list | tuple) and holds_traced(x):
        elements = [_build(tracer, p, dtype, made=False) if type(p) in (list, tuple) else p for p in x]
        shape = next(np.shape(plain(e)) for e in elements)
        if any(np.shape(plain(e)) != shape for e in elements):
            np.array(plain_deep(list(x)))  # NumPy's own error for ragged rows
        return tracer.emit(PRIMITIVES["array"], tuple(elements), {})
    array = tracer.source(np.array(x, dtype=dtype), made=made)
    if literal:
        tracer.literals.add(array.resolve())
    return array


def is_literal(x: Any) -> bool:
    """Whether it is made of plain numbers alone: quick in long lists of lists, as of images."""
    if type(x) not in (list, tuple):
        return type(x) in PYTHON_NUMBERS or issubclass(type(x), np.generic)  # a stand-in says that it is one
    kinds = set(map(type, x))
    return all(kind in PYTHON_NUMBERS for kind in kinds) or all(map(is_literal, x))


def _asarray(tracer: RunRecord, x: Any, dtype: Any = None, order: str = "K", *, ndmin: int = 0) -> Any:
    """np.asarray: an array that is already as asked stays the same array."""
    out = _array(tracer, x, dtype, copy=False, ndmin=ndmin)
    as_asked = order not in ("C", "F") or out.flags[f"{order}_CONTIGUOUS"]
    return out if as_asked else tracer.emit(PRIMITIVES["copy"], (out,), {"order": order})


BUILD: dict[Any, Callable[..., Any]] = {
    np.array: _array,
    np.asarray: _asarray,
    np.asanyarray: _asarray,
    np.ascontiguousarray: lambda tracer, x, dtype=None: _asarray(tracer, x, dtype, "C", ndmin=1),
    np.asfortranarray: lambda tracer, x, dtype=None: _asarray(tracer, x, dtype, "F", ndmin=1),
    np.copyto: lambda tracer, dst, src, casting="same_kind", where=True: operator.setitem(
        tracer.wrap(dst), Ellipsis, src if where is True else np.where(where, src, dst)
    ),
}

WRITES = {np.copyto, np.put_along_axis, np.fill_diagonal}  # into their first argument

TEXT = {np.array2string, np.array_repr, np.array_str, np.format_float_positional, np.format_float_scientific}

# Functions that give no number a gradient could flow through: text, shapes, dtypes, files, checks.
LOOK = TEXT | {
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.promote_types, np.min_scalar_type, np.common_type,
    np.isscalar, np.iscomplexobj, np.isrealobj, np.issubdtype, np.finfo, np.iinfo, np.dtype, np.set_printoptions,
    np.get_printoptions, np.save, np.savez, np.savez_compressed, np.savetxt,
    np.shares_memory, np.may_share_memory, np.iterable, np.einsum_path,
}  # fmt: skip

# Functions that whole numbers give a size; a traced one steers, like a branch. Also the draws of np.random.
SIZES = {
    np.broadcast_shapes, np.unravel_index, np.arange, np.eye, np.identity, np.linspace, np.indices, np.tri,
    np.tril_indices, np.triu_indices,
}  # fmt: skip

# Functions whose answer steers the program: noted like a branch.
ASK = {math.isclose, np.allclose, np.array_equal, np.array_equiv}


def only_whole(item: Any) -> bool:
    """Whether the traced values in here are whole numbers, which steer a size and carry no gradient."""
    return all(np.asarray(plain(part)).dtype.kind in "iub" for part in flat(item) if isinstance(part, Traced))


def as_indices(item: Any) -> Any:
    """Replace traced values by their plain values; for a whole number an event says so."""
    return mapped(item, _as_index)


def _as_index(item: Any) -> Any:
    if not isinstance(item, Traced):
        return item
    if np.ndim(item.value) == 0 and np.asarray(item.value).dtype.kind in "iub":
        return int(item)
    item._recorder.taken_as_is(item)
    return item.value
