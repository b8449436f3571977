"""Shapes and indices: nothing is computed, elements only move."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dout.errors import ShapeError
from dout.graph import NUMPY_VALUES, DType, Node, Primitive, Shape
from dout.ops.operators import fill_key, is_basic
from dout.ops.registry import as_asked, define, rehearsed, same

# --- reshape, transpose, broadcast ------------------------------------------------------------------------------------


def shape_of(x: Any) -> Shape:
    """The shape of an array, a number, or nested lists, without taking a traced value out of them."""
    if isinstance(x, list | tuple):
        return (len(x), *(shape_of(x[0]) if x else ()))
    return tuple(x.shape) if hasattr(x, "shape") else ()


def ndim_of(x: Any) -> int:
    """The number of its axes, without a look at how long they are."""
    return x.ndim if hasattr(x, "ndim") else len(shape_of(x))


def asked_shape(shape: Any) -> Shape:
    """A shape as it may be asked for, one number or several, in an array too, as a tuple of plain ints."""
    several = isinstance(shape, Sequence) or (isinstance(shape, np.ndarray) and shape.ndim == 1)
    return tuple(operator.index(n) for n in shape) if several else (operator.index(shape),)


def axis_groups(one: Sequence[int], other: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest groups of axes that a reshape keeps together: those of `one` shape and those of the `other`.

    Raises ShapeError where the two have other numbers of elements, or there are none.

    >>> axis_groups((2, 3, 4), (6, 2, 2))
    [([0, 1], [0]), ([2], [1, 2])]
    """
    found: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(one) or j < len(other):
        left, right = one[i : i + 1], other[j : j + 1]
        a, b = math.prod(left), math.prod(right)
        m, n = len(left), len(right)
        while a != b:
            if a < b and i + m < len(one):
                a, m = a * one[i + m], m + 1
            elif b < a and j + n < len(other):
                b, n = b * other[j + n], n + 1
            else:
                raise ShapeError("an empty array")
        found.append((list(range(i, i + m)), list(range(j, j + n))))
        i, j = i + m, j + n
    return found


def read_order(x: Any, order: str) -> Any:
    """The order in which the elements of `x` are read, C, F or an order of its axes; "A" and "K" look at its memory."""
    order = order.upper()
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got '{order}')")
    if order in "CF":
        return order
    flags = getattr(x, "flags", None)
    if order == "K" and flags is not None and not flags.forc:
        return _reading_order(x)
    return "F" if flags is not None and flags.fnc else "C"


def _reading_order(x: Any) -> tuple[int, ...]:
    """The axes from the outermost to the innermost as NumPy walks through memory that is not contiguous.

    Sorted by insertion; an axis without steps (repeated, or of length one) is passed by. Source: NumPy's
    npyiter_find_best_axis_ordering.
    """
    steps = [abs(step) if length > 1 else 0 for step, length in zip(x.strides, x.shape, strict=True)]
    order: list[int] = []  # from the innermost
    for axis in reversed(range(len(steps))):
        place = len(order)
        for i in reversed(range(len(order))):
            if steps[order[i]] and steps[axis]:
                if steps[order[i]] <= steps[axis]:
                    break
                place = i
        order.insert(place, axis)
    return tuple(reversed(order))


def memory_order(x: Any) -> Any:
    """How the elements of `x` lie in memory: "C", "F", or its axes from the outermost to the innermost."""
    flags = getattr(x, "flags", None)
    if flags is None or flags.forc:
        return "F" if flags is not None and flags.fnc else "C"
    axes = tuple(sorted(range(len(x.shape)), key=lambda axis: -abs(x.strides[axis])))
    return "C" if axes == tuple(range(len(axes))) else axes


def in_memory_order(x: Any, order: Any) -> Any:
    """Copy an array so that `memory_order` of it is `order`."""
    if isinstance(order, str):
        return np.array(x, order=order)  # type: ignore[call-overload]
    return x.transpose(order).copy().transpose(np.argsort(order))


def _ordered(x: Any, order: str = "C", **static: Any) -> tuple[tuple[Any], dict[str, Any]]:
    order = read_order(x, order)
    return (x,), static if order == "C" else {**static, "order": order}


def _reshape_function(
    x: Any, shape: Any = None, order: str = "C", newshape: Any = None
) -> tuple[tuple[Any], dict[str, Any]]:
    # The -1 is worked out, so that a node says what it is. NumPy is asked by the name that the user gives the shape.
    like = np.broadcast_to(False, shape_of(x))
    if newshape is not None:
        whole = np.reshape(like, newshape=asked_shape(newshape), order=order).shape  # type: ignore[call-overload]
    else:
        whole = like.reshape(asked_shape(shape), order=order).shape  # type: ignore[call-overload]
    return _ordered(x, order, shape=whole)


def _one_axis(row: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    return (math.prod(inputs[0].shape),), np.dtype(inputs[0].dtype)


def _reshape_before_2_1(x: Any, shape: Any, order: str = "C") -> Any:
    return np.reshape(x, shape, order=order)  # type: ignore[call-overload]


# NumPy 2.0 calls the argument `newshape`.
_FORWARD = np.reshape if "shape" in inspect.signature(np.reshape).parameters else _reshape_before_2_1

reshape = define(
    "reshape",
    forward=_FORWARD,
    backward=lambda dout, out, x, shape, order="C": np.reshape(dout, x.shape, order=order),
    infer=as_asked,
    write_back=lambda base, changed, shape, order="C": np.reshape(changed, base.shape, order=order),
    calls={np.reshape: _reshape_function},
    methods={
        "reshape": lambda x, *shape, order="C": _reshape_function(x, shape[0] if len(shape) == 1 else shape, order)
    },
    says="reshape dout back",
)


def _in_line(flat: Callable[..., Any]) -> Callable[..., Any]:
    """`flat` of an array, which also may be read in an order of its axes."""
    return lambda x, order="C": flat(x, order) if isinstance(order, str) else flat(np.transpose(x, order), "C")


def _out_of_line(flat: Any, shape: Shape, order: Any) -> Any:
    """The elements back in their places."""
    if isinstance(order, str):
        return np.reshape(flat, shape, order=order)  # type: ignore[call-overload]
    return np.transpose(np.reshape(flat, tuple(shape[axis] for axis in order)), _transpose_back(order))


# Not reshape(-1): of x[::2], which is not contiguous, NumPy's ravel gives a copy and its reshape a view.
ravel = define(
    "ravel",
    forward=_in_line(np.ravel),
    backward=lambda dout, out, x, order="C": _out_of_line(dout, x.shape, order),
    infer=_one_axis,
    write_back=lambda base, changed, order="C": _out_of_line(changed, base.shape, order),
    calls={np.ravel: _ordered},
    methods={"ravel": _ordered},
    says="reshape dout back",
)

flatten = define(
    "flatten",
    forward=_in_line(lambda x, order: x.flatten(order)),
    backward=lambda dout, out, x, order="C": _out_of_line(dout, x.shape, order),
    infer=_one_axis,
    methods={"flatten": _ordered},
    says="reshape dout back",
)


def _transpose_function(x: Any, axes: Any = None) -> tuple[tuple[Any], dict[str, Any]]:
    n = ndim_of(x)
    order = range(n)[::-1] if axes is None else [range(n)[a] for a in axes]
    return (x,), {"axes": tuple(order)}


def _transpose_method(x: Any, *axes: Any) -> tuple[tuple[Any], dict[str, Any]]:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], Sequence | np.ndarray)):
        return _transpose_function(x, axes[0])
    return _transpose_function(x, axes or None)


def _transpose_back(axes: tuple[int, ...]) -> list[int]:
    return sorted(range(len(axes)), key=axes.__getitem__)


transpose = define(
    "transpose",
    forward=np.transpose,
    backward=lambda dout, out, x, axes: np.transpose(dout, _transpose_back(axes)),
    infer=rehearsed,
    write_back=lambda base, changed, axes: np.transpose(changed, _transpose_back(axes)),
    calls={np.transpose: _transpose_function},
    methods={"transpose": _transpose_method},
    symbol="ᵀ",
    latex=r"{{{0}}}^\mathsf{{T}}",
    says="transpose dout back",
)


def sum_to(dout: Any, shape: Shape) -> Any:
    """Sum a gradient over the axes along which its value was broadcast: the one place where broadcasting is undone."""
    lead = len(dout.shape) - len(shape)
    if lead < 0:  # ones in front, which x[0] = [[1, 2]] and np.full((), [3]) drop; or backward(0.5) of an array
        found = sum_to(dout, shape[-lead:])
        return np.reshape(found, shape) if math.prod(shape) == math.prod(found.shape) else np.broadcast_to(found, shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and dout.shape[i + lead] != 1)
    if not axes:
        return dout
    summed = np.sum(dout, axis=axes)
    return summed if lead == len(axes) else np.reshape(summed, shape)


def _broadcast(x: Any, shape: Shape, writeable: bool = False) -> Any:
    return np.broadcast_arrays(x, np.broadcast_to(False, shape))[0] if writeable else np.broadcast_to(x, shape)


broadcast_to = define(
    "broadcast_to",
    forward=_broadcast,
    backward=lambda dout, out, x, shape, writeable=False: sum_to(dout, x.shape),
    infer=as_asked,
    calls={np.broadcast_to: lambda x, shape: ((x,), {"shape": asked_shape(shape)})},
    symbol="broadcast",
    latex=r"{0}",
    says="sum dout over the repeated axes",
)

# --- copies -----------------------------------------------------------------------------------------------------------


def _copy(x: Any, order: str = "K", array: bool = False) -> Any:
    # np.copy makes an array of a number, its method does not.
    return np.array(x, order=order) if array else x.copy(order)  # type: ignore[call-overload]


copy = define(
    "copy",
    forward=_copy,
    backward=lambda dout, out, x, order="K", array=False: dout,
    infer=same,
    calls={np.copy: lambda x, order="K": ((x,), {"order": order} if ndim_of(x) else {"order": order, "array": True})},
    methods={
        "copy": lambda x, order="C": ((x,), {"order": order}),
        "__copy__": lambda x: ((x,), {"order": "K"}),
        "__deepcopy__": lambda x, memo=None: ((x,), {"order": "K"}),
    },
    latex=r"{0}",
    says="pass dout on",
)

astype = define(
    "astype",
    forward=lambda x, dtype: x.astype(dtype) if isinstance(x, NUMPY_VALUES) else dtype.type(x),
    backward=lambda dout, out, x, dtype: None if dtype.kind in "biu" else dout,  # whole numbers are steps
    infer=as_asked,
    methods={"astype": lambda x, dtype: ((x,), {"dtype": np.dtype(dtype)})},
    latex=r"{0}",
    says="pass dout on, in the dtype of the input",
)

# --- indexing ---------------------------------------------------------------------------------------------------------


def _indexed(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    x, *index = inputs
    if "shape" in static:
        return static["shape"], x.dtype
    if any(i.dtype == np.bool_ for i in index):
        raise ShapeError("how many elements a mask selects is not known without its values")
    dummy = np.broadcast_to(np.zeros((), x.dtype), x.shape)
    return dummy[fill_key(static["key"], tuple(np.zeros(i.shape, np.intp) for i in index))].shape, x.dtype


getitem = define(
    "getitem",
    forward=lambda x, *index, key, shape=None: x[fill_key(key, index)],
    backward=lambda dout, out, x, *index, key, shape=None: (
        scatter(dout, *index, key=key, shape=x.shape, dtype=dout.dtype),
        *(None for _ in index),
    ),
    infer=_indexed,
    write_back=lambda base, changed, *index, key, shape=None: setitem(
        base, changed, *index, key=key, selected=changed.shape
    ),
    symbol="[ ]",
    latex=r"{0}[\cdot]",
    says="put dout back where the elements came from, zero elsewhere",
)


def _setitem(x: Any, value: Any, *index: Any, key: Any, selected: Shape) -> Any:
    out = same_layout(x)
    out[fill_key(key, index)] = value
    return out


def _setitem_backward(
    dout: Any, out: Any, x: Any, value: Any, *index: Any, key: Any, selected: Shape
) -> tuple[Any, ...]:
    dx = setitem(dout, 0, *index, key=key, selected=selected)
    taken = getitem(dout, *index, key=key, shape=selected)
    if may_repeat(key, index):
        taken = np.where(survives(*index, key=key, shape=x.shape, selected=selected), taken, 0)
    return dx, sum_to(taken, value.shape), *(None for _ in index)


def may_repeat(key: Any, index: tuple[Any, ...]) -> bool:
    """Whether a key may choose an element twice: whole numbers in arrays can, masks and slices cannot."""
    return not is_basic(key) and any(i.dtype != np.bool_ and i.shape != () for i in index)


setitem: Primitive = define(
    "setitem",
    forward=_setitem,
    backward=_setitem_backward,
    infer=same,
    symbol="[ ]=",
    latex=r"{0}[\cdot \leftarrow {1}]",
    says="what was overwritten gets no gradient; the new elements get theirs",
)


def _survives(*index: Any, key: Any, shape: Shape, selected: Shape) -> Any:
    number = np.arange(math.prod(selected)).reshape(selected)
    place = np.zeros(shape, number.dtype)
    place[fill_key(key, index)] = number
    return place[fill_key(key, index)] == number


survives = define(
    "survives",
    forward=_survives,
    infer=lambda row, inputs, static: (static["selected"], np.dtype(bool)),
    symbol="last",
    latex=r"\operatorname{{last}}",
    says="no gradient: of several writes to one place the last one counts, and this says which they are",
)


def _scatter(dout: Any, *index: Any, key: Any, shape: Shape, dtype: Any) -> Any:
    out = np.zeros(shape, dtype)
    if is_basic(key):
        out[key] = dout
    else:
        np.add.at(out, fill_key(key, index), dout)  # an element taken twice gets both gradients
    return out


scatter: Primitive = define(
    "scatter",
    forward=_scatter,
    backward=lambda dout, out, x, *index, key, shape, dtype: (
        getitem(dout, *index, key=key, shape=x.shape),
        *(None for _ in index),
    ),
    infer=as_asked,
    latex=r"{0}",
    says="take dout at the places",
)


def _add_at(x: Any, value: Any, *index: Any, key: Any, selected: Shape) -> Any:
    out = same_layout(x)
    np.add.at(out, fill_key(key, index), value)
    return out


add_at = define(
    "add_at",
    forward=_add_at,
    backward=lambda dout, out, x, value, *index, key, selected: (
        dout,
        sum_to(getitem(dout, *index, key=key, shape=selected), value.shape),
        *(None for _ in index),
    ),
    infer=same,
    symbol="[ ]+=",
    latex=r"{0}[\cdot \mathrel{{+}}= {1}]",
    says="dout passes to what was there, and from the places to what was added",
)


def same_layout(array: Any, *, shared: bool = False) -> Any:
    """Copy an array so that its strides stay in proportion: NumPy's sums depend on them in the last bit.

    Contiguous arrays stay as they are, C or Fortran; others (steps, reversed axes) keep their whole span of memory, and
    those that are not aligned stay so. Elements that a broadcast array shares become elements of their own, for the
    copy may be written to; they are `shared` still in one that is only read, which is read-only where the array is.
    """
    if not isinstance(array, np.ndarray) or array.size == 0 or (array.flags.forc and array.flags.aligned):
        twin: Any = np.array(array, order="K", copy=True)
    elif 0 in array.strides and not shared:
        twin = np.array(array, order="K", copy=True)
    else:
        low, high = np.lib.array_utils.byte_bounds(array)
        memory = np.zeros(high - low + array.dtype.alignment, np.uint8)
        odd = (low - memory.__array_interface__["data"][0]) % array.dtype.alignment
        start = array.__array_interface__["data"][0] - low + odd
        twin = np.ndarray(array.shape, array.dtype, memory.data, start, array.strides)
        twin[...] = array
    if shared and isinstance(array, np.ndarray):
        twin.flags.writeable = bool(array.flags.num & 0x400)  # by name, results of broadcast_arrays warn
    return twin
