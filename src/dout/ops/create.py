"""Arrays out of nothing, or out of elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dout.graph import Shape
from dout.ops.registry import as_asked, define, dtype_of
from dout.ops.shape import sum_to


def _arguments(shape: Any, dtype: Any = float, order: str = "C") -> tuple[tuple[()], dict[str, Any]]:
    whole = tuple(int(n) for n in shape) if isinstance(shape, list | tuple) else (int(shape),)
    static: dict[str, Any] = {"shape": whole, "dtype": np.dtype(dtype)}
    return (), static if order == "C" else {**static, "order": order}


def _like(x: Any, dtype: Any = None, order: str = "K") -> tuple[tuple[()], dict[str, Any]]:
    dtype = (x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype) if dtype is None else dtype
    flags = getattr(x, "flags", None)
    fortran = order == "F" or (order in "KA" and flags is not None and flags.fnc)
    return _arguments(tuple(np.shape(x)), dtype, "F" if fortran else "C")


def _plainly(create: Callable[..., Any]) -> Callable[..., Any]:
    return lambda shape, dtype, order="C": create(shape, dtype, order=order)


for _create, _like_function, _symbol in [(np.zeros, np.zeros_like, "0"), (np.ones, np.ones_like, "1")]:
    define(
        _create.__name__,
        forward=_plainly(_create),
        infer=as_asked,
        calls={_create: _arguments, _like_function: _like},
        symbol=_symbol,
        latex=f"\\mathbf{{{{{_symbol}}}}}",
        says="no gradient: made out of nothing",
    )


def _empty_is_zero(shape: Shape, dtype: Any, order: str = "C") -> Any:
    return np.zeros(shape, dtype, order=order)  # type: ignore[call-overload]


# np.empty gives whatever the memory held; a recording must replay to the same bits, so it is zeros here.
empty = define(
    "empty",
    forward=_empty_is_zero,
    infer=as_asked,
    calls={np.empty: _arguments, np.empty_like: _like},
    symbol="∅",
    latex=r"\varnothing",
    says="no gradient: made out of nothing",
)

full = define(
    "full",
    forward=lambda value, shape, dtype, order="C": np.full(shape, value, dtype, order=order),
    backward=lambda dout, out, value, shape, dtype, order="C": sum_to(dout, value.shape),
    infer=as_asked,
    calls={
        np.full: lambda shape, fill_value, dtype=None, order="C": (
            (fill_value,),
            _arguments(shape, dtype or np.asarray(fill_value).dtype, order)[1],
        ),
        np.full_like: lambda x, fill_value, dtype=None, order="K": ((fill_value,), _like(x, dtype, order)[1]),
    },
    symbol="full",
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
    symbol="array",
    latex=r"\left[{0}, \dots\right]",
    says="each element gets its part of dout",
)

asarray = define(
    "asarray",
    forward=np.asarray,
    backward=lambda dout, out, x: dout,
    infer=lambda row, inputs, static: (inputs[0].shape, np.dtype(inputs[0].dtype)),
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
    symbol="item",
    latex=r"{0}",
    says="pass dout on",
)
