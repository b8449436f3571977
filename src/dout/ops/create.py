"""Arrays out of nothing, or out of elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dout.graph import Shape
from dout.ops.registry import PRIMITIVES, as_asked, define, dtype_of, same
from dout.ops.shape import asked_shape, in_memory_order, memory_order, read_order, shape_of, sum_to


def _arguments(shape: Any, dtype: Any = float, order: Any = "C") -> tuple[tuple[()], dict[str, Any]]:
    static: dict[str, Any] = {"shape": asked_shape(shape), "dtype": np.dtype(dtype)}
    return (), static if order == "C" else {**static, "order": order}


def _like(x: Any, dtype: Any = None, order: str = "K", *, shape: Any = None) -> tuple[tuple[()], dict[str, Any]]:
    dtype = _dtype_of(x) if dtype is None else dtype
    if shape is not None and order == "K" and len(asked_shape(shape)) != len(shape_of(x)):
        return _arguments(shape, dtype)
    order = memory_order(x) if order == "K" else read_order(x, order)
    return _arguments(shape_of(x) if shape is None else shape, dtype, order)


def _dtype_of(x: Any) -> Any:
    """The dtype NumPy gives an array of `x`, which may be a traced number: it is not taken out of the trace."""
    if isinstance(x, list | tuple):
        return np.result_type(*(_dtype_of(part) for part in x)) if x else np.dtype(float)
    return x.dtype if hasattr(x, "dtype") else np.dtype(x.__class__)


def _plainly(create: Callable[..., Any]) -> Callable[..., Any]:
    """`create` in any memory order, also that of a permuted array."""

    def forward(*value: Any, shape: Shape, dtype: Any, order: Any = "C") -> Any:
        if isinstance(order, str):
            return create(shape, *value, dtype=dtype, order=order)
        return in_memory_order(create(shape, *value, dtype=dtype), order)

    return forward


# np.empty gives whatever the memory held; a recording must replay to the same bits, so it is zeros here.
_ROWS: list[tuple[str, Any, Any, Any, str, str]] = [
    ("zeros", np.zeros, np.zeros, np.zeros_like, "0", r"\mathbf{{0}}"),
    ("ones", np.ones, np.ones, np.ones_like, "1", r"\mathbf{{1}}"),
    ("empty", np.zeros, np.empty, np.empty_like, "∅", r"\varnothing"),
]
for _name, _create, _function, _like_function, _symbol, _latex in _ROWS:
    define(
        _name,
        forward=_plainly(_create),
        infer=as_asked,
        calls={_function: _arguments, _like_function: _like},
        symbol=_symbol,
        latex=_latex,
        says="no gradient: made out of nothing",
    )

EMPTY = PRIMITIVES["empty"]

full = define(
    "full",
    forward=_plainly(np.full),
    backward=lambda dout, out, value, shape, dtype, order="C": sum_to(dout, value.shape),
    infer=as_asked,
    calls={
        np.full: lambda shape, fill_value, dtype=None, order="C": (
            (fill_value,),
            _arguments(shape, _dtype_of(fill_value) if dtype is None else dtype, order)[1],
        ),
        np.full_like: lambda x, fill_value, dtype=None, order="K": ((fill_value,), _like(x, dtype, order)[1]),
    },
    latex=r"{0}",
    says="sum dout",
)


array = define(
    "array",
    forward=lambda *elements, dtype=None: np.array(elements, dtype=dtype),
    backward=lambda dout, out, *elements, dtype=None: tuple(dout[i] for i in range(len(elements))),
    infer=lambda row, inputs, static: (
        (len(inputs), *inputs[0].shape),
        static.get("dtype") or np.dtype(dtype_of(row, inputs, static)),
    ),
    latex=r"\left[{0}, \dots\right]",
    says="each element gets its part of dout",
)

asarray = define(
    "asarray",
    forward=np.asarray,
    backward=lambda dout, out, x: dout,
    infer=same,
    symbol="array",
    latex=r"{0}",
    says="pass dout on",
)

item = define(
    "item",
    forward=lambda x: x.item(),
    backward=lambda dout, out, x: np.reshape(dout, x.shape),
    infer=lambda row, inputs, static: ((), type(np.zeros((), inputs[0].dtype).item())),
    methods={"item": lambda x: ((x,), {})},
    latex=r"{0}",
    says="pass dout on",
)

number = define(
    "float",
    forward=float,
    backward=lambda dout, out, x: np.reshape(dout, x.shape) if x.shape else dout,
    infer=lambda row, inputs, static: ((), float),
    latex=r"{0}",
    says="pass dout on",
)
