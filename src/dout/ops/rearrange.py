"""Joining, repeating, padding and turning arrays: elements move, nothing is computed."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dout.graph import Binder, Primitive, Shape
from dout.ops.operators import StandIn
from dout.ops.registry import CALLS, METHODS, axis_of, define, moved, rehearsed, same, shaped
from dout.ops.shape import asked_shape, getitem, ndim_of, reshape, shape_of, sum_to, transpose

# --- other names of reshape, transpose and indexing -------------------------------------------------------------------


def _at(axis: Any, ndim: int) -> int:
    return range(ndim)[axis_of(axis)]  # NumPy refuses an axis that is not there, and so does this


def _reshaped(function: Callable[..., Any]) -> Binder:
    """Binds a function that keeps the order of elements as a reshape; NumPy itself gives the shape, or refuses."""

    def bind(x: Any, *args: Any, **options: Any) -> Any:
        return (x,), {"shape": function(np.broadcast_to(False, shape_of(x)), *args, **options).shape}

    return bind


def _steps(function: Callable[..., Any], x: Any, *args: Any, **options: Any) -> tuple[int, ...]:
    """For each axis of the result its axis in `x`, counted from 1, negative if reversed; NumPy itself is asked."""
    shape = shape_of(x)
    turned: Any = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), shape, range(1, len(shape) + 1))
    return function(turned, *args, **options).strides  # type: ignore[no-any-return]


def _turned(function: Callable[..., Any]) -> Binder:
    def bind(x: Any, *args: Any, **options: Any) -> Any:
        return (x,), {"axes": tuple(step - 1 for step in _steps(function, x, *args, **options))}

    return bind


def _flipped(function: Callable[..., Any]) -> Binder:
    def bind(x: Any, *args: Any, **options: Any) -> Any:
        steps = _steps(function, x, *args, **options)
        return (x,), {"key": tuple(slice(None, None, -1) if step < 0 else slice(None) for step in steps)}

    return bind


_OTHER_NAMES: list[tuple[Primitive, Callable[[Any], Binder], list[Any]]] = [
    (reshape, _reshaped, [np.expand_dims, np.squeeze]),
    (transpose, _turned, [np.swapaxes, np.moveaxis]),
    (getitem, _flipped, [np.flip, np.flipud, np.fliplr]),
]
for _row, _binder, _functions in _OTHER_NAMES:
    for _function in _functions:
        CALLS[_function] = _row, _binder(_function)
for _name, _function in [("squeeze", np.squeeze), ("swapaxes", np.swapaxes)]:
    METHODS[_name] = CALLS[_function]

# --- joining ----------------------------------------------------------------------------------------------------------


def _joined(*shapes: Shape, axis: int) -> Shape:
    first, whole = shapes[0], sum(shape[axis] for shape in shapes)
    return (*first[:axis], whole, *first[axis + 1 :])


def _concatenate_backward(dout: Any, out: Any, *arrays: Any, axis: int) -> tuple[Any, ...]:
    ends = list(itertools.accumulate((a.shape[axis] for a in arrays), initial=0))
    return tuple(dout[(slice(None),) * axis + (slice(a, b),)] for a, b in itertools.pairwise(ends))


concatenate = define(
    "concatenate",
    forward=lambda *arrays, axis, out=None: np.concatenate(arrays, axis=axis, out=out),
    backward=_concatenate_backward,
    infer=shaped(_joined),
    symbol="concat",
    latex=r"\left[{0}; \dots\right]",
    says="each input gets its part of dout",
)

# --- repeating, padding, turning --------------------------------------------------------------------------------------


def _repeat_backward(dout: Any, out: Any, x: Any, repeats: int, axis: int) -> Any:
    apart = (*x.shape[: axis + 1], max(repeats, 0), *x.shape[axis + 1 :])  # of nothing, NumPy repeats −1 times too
    return np.sum(np.reshape(dout, apart), axis=axis + 1)


def _repeat_arguments(x: Any, repeats: Any, axis: Any = None) -> Any:
    if axis is None or isinstance(repeats, list | tuple | np.ndarray) or not ndim_of(x):
        raise TypeError("a repeat of the flattened array, or a number of its own for each element")  # elsewhere
    return (x,), {"repeats": operator.index(repeats), "axis": _at(axis, ndim_of(x))}


repeat = define(
    "repeat",
    forward=np.repeat,
    backward=_repeat_backward,
    infer=moved(lambda x, repeats, axis: (*x[:axis], x[axis] * repeats, *x[axis + 1 :])),
    calls={np.repeat: _repeat_arguments},
    methods={"repeat": _repeat_arguments},
    says="sum dout over the repeats",
)


def _tiles(shape: Shape, reps: Shape) -> tuple[Shape, Shape]:
    """Shape and repeats with as many axes as the longer of the two."""
    n = max(len(shape), len(reps))
    return (1,) * (n - len(shape)) + shape, (1,) * (n - len(reps)) + tuple(max(r, 0) for r in reps)


def _tile_backward(dout: Any, out: Any, x: Any, reps: Shape) -> Any:
    shape, reps = _tiles(x.shape, reps)
    apart = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    return np.reshape(np.sum(np.reshape(dout, apart), axis=tuple(range(0, len(apart), 2))), x.shape)


tile = define(
    "tile",
    forward=np.tile,
    backward=_tile_backward,
    infer=moved(lambda x, reps: tuple(a * b for a, b in zip(*_tiles(x, reps), strict=True))),
    calls={np.tile: lambda x, reps: ((x,), {"reps": asked_shape(reps)})},
    says="sum dout over the tiles",
)


def _whole(item: Any) -> Any:
    """Nested lists of whole numbers, with traced ones replaced by their values."""
    return [_whole(part) for part in item] if isinstance(item, list | tuple) else operator.index(item)


def _parts(item: Any) -> list[Any]:
    """What stands in nested lists, one after the other."""
    return [part for one in item for part in _parts(one)] if isinstance(item, list | tuple) else [item]


def _pad_arguments(x: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    if mode != "constant" or set(options) - {"constant_values"}:
        raise TypeError("np.pad in another mode")  # no row for it
    n = ndim_of(x)
    width = np.broadcast_to(np.asarray(_whole(pad_width)), (n, 2)).tolist()
    static: dict[str, Any] = {"width": tuple(map(tuple, width))}
    value = options.get("constant_values", 0)
    sides = _parts(value)
    if sides and all(type(side) in (int, float) and side == sides[0] for side in sides):  # (0, 0) is 0 on both sides
        value = sides[0]
    if isinstance(value, StandIn) or np.ndim(value):
        raise TypeError("np.pad with a constant for each side, or a traced one")
    return (x,), static if value == 0 else {**static, "value": value}


pad = define(
    "pad",
    forward=lambda x, width, value=0: np.pad(x, width or 0, "constant", constant_values=value),
    backward=lambda dout, out, x, width, value=0: dout[
        tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, width, strict=True))
    ],
    infer=moved(lambda x, width, value=0: tuple(n + a + b for n, (a, b) in zip(x, width, strict=True))),
    calls={np.pad: _pad_arguments},
    says="cut the border off dout",
)


def _roll_arguments(x: Any, shift: Any, axis: Any = None) -> Any:
    plain = tuple(map(operator.index, shift)) if isinstance(shift, tuple) else operator.index(shift)
    return (x,), {"shift": plain, "axis": axis}


roll = define(
    "roll",
    forward=np.roll,
    backward=lambda dout, out, x, shift, axis: np.roll(
        dout, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis
    ),
    infer=same,
    calls={np.roll: _roll_arguments},
    says="roll dout back",
)

for _name, _function in [("tril", np.tril), ("triu", np.triu)]:
    define(
        _name,
        forward=_function,
        backward=lambda dout, out, x, k=0, function=_function: sum_to(function(dout, k), x.shape),
        infer=moved(lambda x, k=0: x * 2 if len(x) == 1 else x),
        calls={_function: lambda x, k=0: ((x,), {"k": operator.index(k)})},
        says="the same half of dout",
    )


def _diagonal(x: Shape, k: int = 0) -> Shape:
    if len(x) == 1:
        return (x[0] + abs(k),) * 2
    rows, columns = x
    return (max(0, min(rows + min(k, 0), columns - max(k, 0))),)


def _diag_backward(dout: Any, out: Any, x: Any, k: int = 0) -> Any:
    if len(x.shape) == 1:
        return np.diag(dout, k)
    square = np.diag(dout, k)  # as large as the diagonal needs; the matrix may be larger
    rows, columns = x.shape
    more = (max(0, rows - square.shape[0]), max(0, columns - square.shape[1]))
    return np.pad(square, ((0, more[0]), (0, more[1])))[:rows, :columns]


diag = define(
    "diag",
    forward=np.diag,
    backward=_diag_backward,
    infer=moved(_diagonal),
    calls={np.diag: lambda x, k=0: ((x,), {"k": operator.index(k)} if k else {})},
    says="dout on the diagonal",
)

# --- views of a diagonal and of windows -------------------------------------------------------------------------------


def _diagonal_view(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, writeable: bool = False) -> Any:
    view = np.diagonal(x, offset, axis1, axis2)
    if writeable and x.flags.writeable:
        view.flags.writeable = True  # einsum's diagonal may be written to
    return view


def _on_diagonal(dout: Any, shape: Shape, offset: int, axis1: int, axis2: int) -> Any:
    """An array of this shape with `dout` on the diagonal of two axes and zeros elsewhere."""
    rows, columns, long = shape[axis1], shape[axis2], dout.shape[-1]
    rest = tuple(n for axis, n in enumerate(shape) if axis not in (axis1, axis2))
    front: Any = ((0, 0),) * len(rest)
    start = offset if offset >= 0 else -offset * columns
    apart = np.pad(np.reshape(dout, (*dout.shape, 1)), (*front, (0, 0), (0, columns)))  # a row and one further, each
    line = np.reshape(apart, (*rest, long * (columns + 1)))
    line = np.pad(line, (*front, (start, rows * columns)))[..., : rows * columns]
    order = [*(axis for axis in range(len(shape)) if axis not in (axis1, axis2)), axis1, axis2]
    return np.transpose(np.reshape(line, (*rest, rows, columns)), sorted(range(len(order)), key=order.__getitem__))


def _diagonal_arguments(x: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    n = ndim_of(x)
    return (x,), {"offset": operator.index(offset), "axis1": _at(axis1, n), "axis2": _at(axis2, n)}


diagonal = define(
    "diagonal",
    forward=_diagonal_view,
    backward=lambda dout, out, x, offset, axis1, axis2, writeable=False: _on_diagonal(
        dout, x.shape, offset, axis1, axis2
    ),
    infer=rehearsed,
    write_back=lambda base, changed, offset, axis1, axis2, writeable=False: (
        np.where(_on_diagonal(np.ones_like(changed), base.shape, offset, axis1, axis2) > 0,
                 _on_diagonal(changed, base.shape, offset, axis1, axis2), base)
    ),
    calls={np.diagonal: _diagonal_arguments},
    methods={"diagonal": _diagonal_arguments},
    latex=r"\operatorname{{diag}} {0}",
    says="dout on the diagonal, zero elsewhere",
)  # fmt: skip


def _windows_arguments(x: Any, window_shape: Any, axis: Any = None) -> Any:
    n = ndim_of(x)
    window = asked_shape(window_shape)
    axes = tuple(range(n)) if axis is None else tuple(_at(a, n) for a in asked_shape(axis))
    return (x,), {"window": window, "axes": axes}


def _every(axes: tuple[int, ...], steps: tuple[int, ...] | None, n: int) -> tuple[slice, ...]:
    """The index of every n-th window."""
    taken = dict(zip(axes, steps or (), strict=False))
    return tuple(slice(None, None, taken.get(axis)) for axis in range(n))


def _windows(x: Any, window: Shape, axes: tuple[int, ...], steps: tuple[int, ...] | None = None) -> Any:
    view = _view(x, window, axes) if type(x) is np.ndarray and x.flags.c_contiguous else None
    if view is None:
        view = np.lib.stride_tricks.sliding_window_view(x, window, axes)
    return view if steps is None else view[_every(axes, steps, x.ndim)]


def _view(x: Any, window: Shape, axes: tuple[int, ...]) -> Any:
    """The windows of an array in C order, in a hundredth of the time; None where NumPy raises an error."""
    shape = list(x.shape)
    for axis, length in zip(axes, window, strict=True):
        shape[axis] -= length - 1
    if min(shape, default=0) < 1 or min(window, default=0) < 1:
        return None
    view: Any = np.ndarray((*shape, *window), x.dtype, x, 0, (*x.strides, *(x.strides[axis] for axis in axes)))
    view.flags.writeable = False
    return view


def _windows_backward(
    dout: Any, out: Any, x: Any, window: Shape, axes: tuple[int, ...], steps: tuple[int, ...] | None = None
) -> Any:
    if steps is not None:
        return fold(dout, window=window, axes=axes, steps=steps, shape=x.shape)
    total = None
    for place in itertools.product(*map(range, window)):  # the elements at one place of every window lie side by side
        width = [[0, 0] for _ in x.shape]
        for axis, length, at in zip(axes, window, place, strict=True):
            width[axis][0] += at
            width[axis][1] += length - 1 - at
        part = np.pad(dout[(..., *place)], width)
        total = part if total is None else total + part
    return total


windows = define(
    "windows",
    forward=_windows,
    backward=_windows_backward,
    infer=rehearsed,
    calls={np.lib.stride_tricks.sliding_window_view: _windows_arguments},
    says="sum dout over the windows an element lies in",
)


def _fold(
    dout: Any, window: Shape, axes: tuple[int, ...], steps: tuple[int, ...], shape: Shape, out: Any = None
) -> Any:
    out = np.empty(shape, dout.dtype) if out is None else out
    out[...] = 0
    for place in itertools.product(*map(range, window)):
        taken = [slice(None)] * len(shape)
        for axis, at, step in zip(axes, place, steps, strict=True):
            start = at + (taken[axis].start or 0)  # an axis may have two windows
            taken[axis] = slice(start, max(start + step * (dout.shape[axis] - 1) + 1, 0), step)
        out[tuple(taken)] += dout[(..., *place)]
    return out


fold: Primitive = define(
    "fold",
    forward=_fold,
    backward=lambda dout, out, x, window, axes, steps, shape: windows(dout, window=window, axes=axes, steps=steps),
    infer=moved(lambda x, window, axes, steps, shape: shape),
    says="take the windows of dout",
)
