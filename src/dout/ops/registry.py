"""`define`: how a row enters the table, and the shape and dtype rules that whole families share."""

from __future__ import annotations

import copyreg
import operator
import warnings
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, TypeVar

import numpy as np

from dout.graph import CONSTANT, INPUT, Binder, DType, Node, Primitive, Shape

PRIMITIVES: dict[str, Primitive] = {}
CALLS: dict[Any, tuple[Primitive, Binder]] = {}  # NumPy function → its row, and how its arguments are sorted
METHODS: dict[str, tuple[Primitive, Binder]] = {}  # ndarray method → the same
_T = TypeVar("_T")
OPERATORS: dict[str, Primitive] = {}  # "mul" → multiply: Python's operators, by their name in module `operator`


def define(
    name: str,
    *,
    forward: Callable[..., Any],
    python: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    infer: Callable[..., tuple[Shape, DType]] | None = None,
    calls: Mapping[Any, Binder] | None = None,
    methods: Mapping[str, Binder] | None = None,
    symbol: str = "",
    latex: str = "",
    **words: Any,
) -> Primitive:
    """Enter one row into the table and return it. See `dout.graph.Primitive` for what each column means.

    A row whose forward is a NumPy ufunc answers that ufunc, and its shapes broadcast, without saying so. It is
    written by its name where it does not say how.
    """
    is_ufunc = isinstance(forward, np.ufunc)
    if calls is None:
        calls = {forward: all_inputs} if is_ufunc else {}
    row = Primitive(
        name,
        forward=forward,
        python=python,
        backward=backward,
        infer=infer or broadcast,
        calls=calls,
        methods=methods or {},
        symbol=symbol or name,
        latex=latex or rf"\operatorname{{{{{name}}}}} {{0}}",
        **words,
    )
    PRIMITIVES[name] = row
    CALLS.update({call: (row, bind) for call, bind in row.calls.items()})
    METHODS.update({method: (row, bind) for method, bind in row.methods.items()})
    if getattr(python, "__module__", None) in ("_operator", "builtins"):  # math.pow is no operator
        dunder = python.__name__.strip("_")  # type: ignore[union-attr]
        if hasattr(np.ndarray, f"__{dunder}__"):
            OPERATORS[dunder] = row
    return row


def named(name: str) -> Primitive:
    """The row of that name, or the kind of a node that no row makes."""
    return {INPUT.name: INPUT, CONSTANT.name: CONSTANT}.get(name) or PRIMITIVES[name]


copyreg.pickle(Primitive, lambda row: (named, (row.name,)))  # a copy of a row is the row itself


@cache
def primitives(names: str) -> frozenset[Primitive]:
    """Return the rows of these names, for a reader that treats them alike: `primitives("max min")`.

    Raises KeyError for a name that no row has.
    """
    return frozenset(PRIMITIVES[name] for name in names.split())


def by_primitive(table: Mapping[str, _T]) -> dict[Primitive, _T]:
    """Return a reader's table with the rows themselves as its keys. Raises KeyError for a name that no row has."""
    return {PRIMITIVES[name]: item for name, item in table.items()}


def all_inputs(*inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Sort the arguments of a call without options."""
    return inputs, {}


def axis_of(axis: Any) -> int:
    """An axis as a plain int; True is none, though it counts as 1 elsewhere."""
    if isinstance(axis, bool | np.bool_):
        raise TypeError("an integer is required for the axis")
    return operator.index(axis)


# --- shape and dtype without values -----------------------------------------------------------------------------------


def broadcast(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    """Elementwise: shapes broadcast, the dtype is what NumPy makes of these dtypes."""
    return np.broadcast_shapes(*(i.shape for i in inputs)), dtype_of(primitive, inputs, static)


def same(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    """Shape and dtype of the first input, of which NumPy makes an array."""
    return inputs[0].shape, np.dtype(inputs[0].dtype)


def as_asked(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    """Shape and dtype stand among the static parameters (either may be left to the first input)."""
    shape = static["shape"] if "shape" in static else inputs[0].shape
    return shape, np.dtype(static["dtype"] if "dtype" in static else inputs[0].dtype)


def shaped(shape: Callable[..., Shape]) -> Callable[..., tuple[Shape, DType]]:
    """The rule of rows with a shape of their own, `shape(*shapes, **static)`; NumPy itself tells the dtype."""
    return lambda row, inputs, static: (shape(*(i.shape for i in inputs), **static), dtype_of(row, inputs, static))


def moved(shape: Callable[..., Shape]) -> Callable[..., tuple[Shape, DType]]:
    """As `shaped`, for rows that only move elements: the dtype is that of the first input."""
    return lambda row, inputs, static: (shape(*(i.shape for i in inputs), **static), inputs[0].dtype)


def rehearsed(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> tuple[Shape, DType]:
    """Views: run the forward on arrays of the right shape that own one number each."""
    dummies = [np.broadcast_to(np.zeros((), i.dtype), i.shape) for i in inputs]
    result = primitive.forward(*dummies, **static)
    return result.shape, result.dtype


def dtype_of(primitive: Primitive, inputs: tuple[Node, ...], static: Mapping[str, Any]) -> DType:
    """Dtype of the result, by trying the forward on one number of each kind."""
    return _dtype_of(primitive, tuple((i.dtype, len(i.shape)) for i in inputs), tuple(static.items()))


@lru_cache(maxsize=4096)
def _dtype_of(primitive: Primitive, kinds: tuple[tuple[DType, int], ...], static: tuple[Any, ...]) -> DType:
    ones = [d(1) if isinstance(d, type) else np.ones((1,) * n, d) for d, n in kinds]
    with np.errstate(all="ignore"), warnings.catch_warnings():  # the variance of one number
        warnings.simplefilter("ignore")
        return kind_of(primitive.apply(ones, dict(static)))


def kind_of(value: Any) -> DType:
    """Dtype of a value: NumPy's, or the type of a plain Python number."""
    dtype: DType = value.dtype if isinstance(value, np.ndarray | np.generic) else type(value)
    return dtype
