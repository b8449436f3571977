"""Sums and other reductions over axes, and running sums along one.

A reduction has the array as its input and, where only some elements count, the mask `where` as its second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import index
from typing import Any

import numpy as np

from dout.errors import ShapeError
from dout.graph import DType, Node, Primitive, Shape
from dout.ops.registry import as_asked, axis_of, define, dtype_of, same
from dout.ops.shape import ndim_of

Axis = int | tuple[int, ...] | None


def reduced(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    """Shape after the reduction over `axis`; the dtype as NumPy reduces."""
    x = inputs[0]
    axes = axes_of(static.get("axis"), len(x.shape))
    keep = static.get("keepdims", False)
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keep or i not in axes)
    return shape, dtype_of(primitive, inputs[:1], {k: v for k, v in static.items() if k != "axis"})


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that a reduction goes along, of an array with so many; none of a number."""
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(a % ndim for a in axes) if ndim else ()


def count_along(shape: Shape, axis: Any) -> int:
    """How many elements of an array a reduction takes together."""
    return math.prod(shape[a] for a in axes_of(axis, len(shape)))


def as_axis(axis: Any) -> Axis:
    """An axis or axes as plain ints."""
    if axis is None:
        return None
    return tuple(map(axis_of, axis)) if isinstance(axis, tuple) else axis_of(axis)


def _binder(*order: str, named: tuple[str, ...] = ()) -> Callable[..., Any]:
    """The binder of a reduction; `order` names options that may follow the axis by position, `named` those by name."""

    def bind(x: Any, axis: Any = None, *rest: Any, where: Any = True, **options: Any) -> Any:
        options.update(zip(order, rest, strict=False))
        if len(rest) > len(order) or set(options) - {*order, *named}:
            raise TypeError("no such option of a reduction")
        if options.pop("out", None) is not None:
            raise TypeError("an output given by position")
        static: dict[str, Any] = {"axis": as_axis(axis)}
        if options.get("dtype") is not None:
            static["dtype"] = np.dtype(options["dtype"])
        if index(options.get("keepdims", False)):
            static["keepdims"] = True
        if options.get("ddof"):
            static["ddof"] = options["ddof"]
        if "initial" in options:
            if hasattr(options["initial"], "_recorder"):
                raise TypeError("a traced number to begin with would lose its gradient")
            static["initial"] = float(options["initial"])
        return ((x,) if where is True else (x, where)), static

    return bind


_SUM, _MEAN, _EXTREME, _SPREAD, _TEST = (
    _binder("dtype", "out", "keepdims", named=("initial",)),
    _binder("dtype", "out", "keepdims"),
    _binder("out", "keepdims", named=("initial",)),
    _binder("dtype", "out", "ddof", "keepdims"),
    _binder("out", "keepdims"),
)


def spread(item: Any, x: Any, axis: Axis) -> Any:
    """Repeat a reduced array along the reduced axes."""
    axes = axes_of(axis, len(x.shape))
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return np.broadcast_to(np.reshape(item, kept), x.shape)


def _count(x: Any, axis: Axis, where: tuple[Any, ...]) -> Any:
    """How many elements went into each result."""
    if where:
        mask = np.broadcast_to(where[0], x.shape)
        return spread(np.sum(mask.astype(float), axis=axis), x, axis).astype(x.dtype)
    return count_along(x.shape, axis)


def _back(gradient: Any, where: tuple[Any, ...]) -> tuple[Any, ...]:
    """The gradient of each input: masked elements get zero, and the mask gets none."""
    return (np.where(where[0], gradient, 0), None) if where else (gradient,)


def _sum_backward(dout: Any, out: Any, x: Any, *where: Any, axis: Axis = None, **_: Any) -> tuple[Any, ...]:
    return _back(spread(dout, x, axis), where)


def _mean_backward(dout: Any, out: Any, x: Any, *where: Any, axis: Axis = None, **_: Any) -> tuple[Any, ...]:
    return _back(spread(dout, x, axis) / _count(x, axis, where), where)


def _deviation(x: Any, where: tuple[Any, ...], axis: Axis) -> Any:
    """The elements without their mean."""
    mean = np.mean(x, axis=axis, where=where[0]) if where else np.mean(x, axis=axis)
    return x - spread(mean, x, axis)


def _var_backward(
    dout: Any, out: Any, x: Any, *where: Any, axis: Axis = None, ddof: Any = 0, **_: Any
) -> tuple[Any, ...]:
    freedom = _count(x, axis, where) - ddof
    return _back(spread(dout, x, axis) * (2 * _deviation(x, where, axis)) / freedom, where)


def _std_backward(
    dout: Any, out: Any, x: Any, *where: Any, axis: Axis = None, ddof: Any = 0, **_: Any
) -> tuple[Any, ...]:
    freedom = _count(x, axis, where) - ddof
    return _back(spread(dout / out, x, axis) * _deviation(x, where, axis) / freedom, where)


def _prod_backward(
    dout: Any, out: Any, x: Any, *where: Any, axis: Axis = None, initial: Any = 1, **_: Any
) -> tuple[Any, ...]:
    one = np.where(where[0], x, 1) if where else x
    return _back(spread(dout * initial if initial != 1 else dout, x, axis) * _others(one, axis), where)


def _others(x: Any, axis: Axis) -> Any:
    """For each element the product of the others it is multiplied with: of those before it and of those after it.

    Nothing is divided, so that zeros do no harm, also in the derivatives of this.
    """
    axes = axes_of(axis, len(x.shape))
    order = (*(i for i in range(len(x.shape)) if i not in axes), *axes)
    if not axes or 0 in x.shape:
        return np.ones_like(x)
    moved = np.transpose(x, order)
    kept = tuple(moved.shape[: -len(axes)])
    rows = np.reshape(moved, (*kept, math.prod(x.shape[a] for a in axes)))
    beside: Any = ((0, 0),) * len(kept)
    before = np.cumprod(np.pad(rows[..., :-1], (*beside, (1, 0)), constant_values=1), axis=-1)
    after = np.flip(np.cumprod(np.flip(np.pad(rows[..., 1:], (*beside, (0, 1)), constant_values=1), -1), axis=-1), -1)
    return np.transpose(np.reshape(before * after, moved.shape), sorted(range(len(order)), key=order.__getitem__))


def _extreme_backward(dout: Any, out: Any, x: Any, *where: Any, axis: Axis = None, **_: Any) -> tuple[Any, ...]:
    # Several equal elements share dout: the middle of the subgradients.
    chosen = np.equal(x, spread(out, x, axis)).astype(dout.dtype)
    chosen = np.where(where[0], chosen, 0) if where else chosen
    share = spread(np.sum(chosen, axis=axis), x, axis)
    return _back(spread(dout, x, axis) * chosen / np.maximum(share, 1), where)


def _masked(function: Any) -> Callable[..., Any]:
    """`function` with its mask as a second input."""
    return lambda x, *where, **static: function(x, **static, **({"where": where[0]} if where else {}))


for _name, _function, _aliases, _bind, _gradient, _symbol, _says in [
    ("sum", np.sum, (), _SUM, _sum_backward, "Σ", "repeat dout along the summed axes"),
    ("mean", np.mean, (), _MEAN, _mean_backward, "mean", "repeat dout along the axes, divided by their count"),
    ("var", np.var, (), _SPREAD, _var_backward, "var", "twice the deviation from the mean, over the count"),
    ("std", np.std, (), _SPREAD, _std_backward, "std", "the deviation from the mean, over the count and the output"),
    ("prod", np.prod, (), _SUM, _prod_backward, "Π", "the product of the others"),
    ("max", np.max, (np.amax,), _EXTREME, _extreme_backward, "max", "dout goes to the largest element"),
    ("min", np.min, (np.amin,), _EXTREME, _extreme_backward, "min", "dout goes to the smallest element"),
    ("any", np.any, (), _TEST, None, "any", "no gradient: a condition is not a number"),
    ("all", np.all, (), _TEST, None, "all", "no gradient: a condition is not a number"),
]:
    define(
        _name,
        forward=_masked(_function),
        backward=_gradient,
        infer=reduced,
        calls=dict.fromkeys((_function, *_aliases), _bind),
        methods={_name: _bind},
        symbol=_symbol,
        says=_says,
    )


def _place(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return (x,), {"axis": as_axis(axis), **({"keepdims": True} if keepdims else {})}


for _name, _function in [("argmax", np.argmax), ("argmin", np.argmin)]:
    define(
        _name,
        forward=_function,
        infer=reduced,
        calls={_function: _place},
        methods={_name: _place},
        says="no gradient: a place is not a number",
    )


def _sorting(x: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Any:
    options = {"kind": kind, "stable": stable}
    return (x,), {"axis": as_axis(axis), **{k: v for k, v in options.items() if v is not None}}


argsort = define(
    "argsort",
    forward=np.argsort,
    infer=lambda row, inputs, static: (
        (math.prod(inputs[0].shape),) if static["axis"] is None or not inputs[0].shape else inputs[0].shape,
        np.dtype(np.intp),
    ),
    calls={np.argsort: _sorting},
    methods={"argsort": _sorting},
    says="no gradient: a place is not a number",
)


def _unknown(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    raise ShapeError("how many elements are not zero is not known without their values")


# One axis of np.nonzero, which has an output for each: a primitive has exactly one.
nonzero = define(
    "nonzero",
    forward=lambda x, axis: np.nonzero(x)[axis],
    infer=_unknown,
    says="no gradient: a place is not a number",
)


def _cumulative(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    shape, _ = same(primitive, inputs, static)
    flat = shape if static.get("axis") is not None else (math.prod(shape),)
    return flat, dtype_of(primitive, inputs, {**static, "axis": 0 if shape else None})


def _cumsum_backward(dout: Any, out: Any, x: Any, axis: Axis = None, dtype: Any = None) -> Any:
    along = 0 if axis is None else axis
    assert isinstance(along, int)
    back = np.flip(np.cumsum(np.flip(dout, along), axis=along), along)
    return np.reshape(back, x.shape) if axis is None else back


def _running(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    ndim = ndim_of(x)
    axis = None if axis is None else range(ndim or 1)[axis_of(axis)]  # NumPy refuses an axis that is not there
    return (x,), {"axis": axis if ndim else None, **({} if dtype is None else {"dtype": np.dtype(dtype)})}


def _cumprod_backward(dout: Any, out: Any, x: Any, axis: Axis = None, dtype: Any = None) -> Any:
    # Each output is the product of a row of a triangle that holds the elements up to it, and ones.
    line = np.reshape(x, (-1,)) if axis is None else np.moveaxis(x, axis, -1)
    rows = np.broadcast_to(np.reshape(line, (*line.shape[:-1], 1, line.shape[-1])), (*line.shape, line.shape[-1]))
    inside = np.tril(np.ones_like(rows)) > 0
    along = dout if axis is None else np.moveaxis(dout, axis, -1)
    each = spread(along, rows, -1) * _others(np.where(inside, rows, 1), -1)
    gradient = np.sum(np.where(inside, each, 0), axis=-2)
    return np.reshape(gradient, x.shape) if axis is None else np.moveaxis(gradient, -1, axis)


_RUNNING: list[tuple[str, Callable[..., Any], Callable[..., Any], str]] = [
    ("cumsum", np.cumsum, _cumsum_backward, "the running sum of dout from the end"),
    ("cumprod", np.cumprod, _cumprod_backward, "the products of the others, up to each place and summed"),
]
for _name, _function, _gradient, _says in _RUNNING:
    define(
        _name,
        forward=_function,
        backward=_gradient,
        infer=_cumulative,
        calls={_function: _running},
        methods={_name: _running},
        says=_says,
    )


PLACES = {f.__name__: f for f in (np.bincount, np.count_nonzero, np.delete, np.digitize, np.insert, np.isclose,
                                  np.repeat, np.searchsorted, np.size, np.unique)}  # fmt: skip


def _places(*x: Any, function: str, shape: Shape, dtype: Any, part: int | None = None, **options: Any) -> Any:
    found: Any = PLACES[function](*x, **options)
    return found if part is None else found[part]


# Functions that give places, counts or conditions: a step is flat, and their shape may depend on the values.
places = define(
    "places",
    forward=_places,
    infer=as_asked,
    says="no gradient: a place is not a number",
)
