"""Functions of Python's `math`: they take and give plain numbers, and their last bit can differ from NumPy's.

An array of one element counts as the number in it, as `math` itself takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dout.graph import Binder, DType, Primitive, Shape
from dout.ops.create import item
from dout.ops.elementwise import SMOOTH
from dout.ops.registry import PRIMITIVES, all_inputs, define
from dout.ops.shape import shape_of


def _gives(dtype: type) -> Callable[..., tuple[Shape, DType]]:
    return lambda row, inputs, static: ((), dtype)


def _number(x: Any) -> Any:
    """An array of one element as the plain number in it; Python itself refuses other arrays."""
    return item(x) if hasattr(x, "dtype") and _counts_as_number(shape_of(x)) else x


def _counts_as_number(shape: Shape) -> bool:
    try:
        float(np.zeros(shape))  # older NumPy takes [[2.0]] for a number and warns, newer refuses it
    except TypeError:
        return False
    return True


def _numbers(count: int) -> Binder:
    """How `math` sorts its arguments: so many, by position."""

    def bind(*inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(inputs) != count:
            raise TypeError(f"{count} arguments are wanted")
        return tuple(map(_number, inputs)), {}

    return bind


class _Functions:
    """The functions of math, by their names there; they may be recorded."""

    def __getattr__(self, name: str) -> Primitive:
        found = PRIMITIVES.get(f"math_{name}")
        if found is None:
            raise AttributeError(f"math.{name} has no row")
        return found


_math = _Functions()


def _define(function: Callable[..., Any], gives: type = float, **words: Any) -> Primitive:
    """One row for a function of math."""
    words = {"calls": {function: _numbers(1)}, "infer": _gives(gives), **words}
    return define(f"math_{function.__name__}", forward=function, python=function, **words)


# (function, local derivative from input and output, symbol, LaTeX, how to say it)
_SMOOTH: list[tuple[Callable[..., Any], Callable[..., Any], str, str, str]] = [
    (math.exp, lambda f, x, y: y, "exp", r"e^{{{0}}}", "multiply by the output"),
    *((getattr(math, code), slope, {"cbrt": "∛"}.get(name, name), latex, says)
      for name, code, slope, latex, says in SMOOTH),
    (math.sqrt, lambda f, x, y: 1 / (2 * y), "√", r"\sqrt{{{0}}}", "divide by twice the output"),
    (math.fabs, lambda f, x, y: (x > 0) * 1.0 - (x < 0) * 1.0, "|·|", r"\left|{0}\right|", "the sign of the input"),
    (math.erf, lambda f, x, y: 2 / math.sqrt(math.pi) * f.exp(-x * x), "erf", r"\operatorname{{erf}} {0}",
     "the bell curve 2 e^(−x²) / √π"),
    (math.erfc, lambda f, x, y: -2 / math.sqrt(math.pi) * f.exp(-x * x), "erfc", r"\operatorname{{erfc}} {0}",
     "minus the bell curve 2 e^(−x²) / √π"),
    (math.degrees, lambda f, x, y: 180 / math.pi, "deg", r"{0} \cdot \tfrac{{180}}{{\pi}}", "multiply by 180 / π"),
    (math.radians, lambda f, x, y: math.pi / 180, "rad", r"{0} \cdot \tfrac{{\pi}}{{180}}", "multiply by π / 180"),
]  # fmt: skip
for _function, _slope, _symbol, _latex, _says in _SMOOTH:
    _define(
        _function,
        backward=lambda dout, out, x, slope=_slope: dout * slope(_math, x, out),
        symbol=_symbol,
        latex=_latex,
        says=_says,
        kernel=f"{_function.__name__}({{0}})",
    )

for _function, _gives_what in [
    *((step, int) for step in (math.floor, math.ceil, math.trunc)),
    *((test, bool) for test in (math.isnan, math.isinf, math.isfinite)),
]:
    _name = _function.__name__
    arguments = {_function: all_inputs if _function is math.trunc else _numbers(1)}  # no float32 has a __trunc__
    _like = PRIMITIVES[_name]
    _define(_function, _gives_what, calls=arguments, symbol=_name, latex=_like.latex, says=_like.says)

# --- of two numbers, and of many --------------------------------------------------------------------------------------


def _log_backward(dout: Any, out: Any, x: Any, *base: Any) -> tuple[Any, ...]:
    if not base:
        return (dout / x,)
    whole = _math.log(base[0])
    return dout / (x * whole), -dout * out / (base[0] * whole)


_define(
    math.log,
    backward=_log_backward,
    calls={math.log: lambda *inputs: _numbers(2 if len(inputs) == 2 else 1)(*inputs)},
    symbol="log",
    latex=r"\log {0}",
    says="divide by the input",
)

# (function, the row of NumPy's function, the gradient if it differs)
_BINARY: list[tuple[Callable[..., Any], Primitive, Callable[..., Any] | None]] = [
    (math.pow, PRIMITIVES["pow"], None),
    (math.atan2, PRIMITIVES["arctan2"], None),
    (math.fmod, PRIMITIVES["mod"], lambda dout, out, x, y: (dout, -dout * _math.trunc(x / y))),
]
for _function, _like, _gradient in _BINARY:
    _define(
        _function,
        backward=_gradient or _like.backward,
        calls={_function: _numbers(2)},
        symbol=_like.symbol,
        latex=_like.latex,
        says=_like.says,
        kernel=f"{_function.__name__}({{0}}, {{1}})",
    )

_define(
    math.hypot,
    backward=lambda dout, out, *inputs: tuple(dout * x / out for x in inputs),
    calls={math.hypot: lambda *inputs: (tuple(map(_number, inputs)), {})},
    symbol="hypot",
    latex=r"\sqrt{{{0}^2 + \dots}}",
    says="each input over the output",
)


def _sum_of(*numbers: Any) -> float:
    return math.fsum(numbers)


define(
    "math_fsum",
    forward=_sum_of,
    python=_sum_of,
    backward=lambda dout, out, *inputs: tuple(dout for _ in inputs),
    infer=_gives(float),
    calls={math.fsum: lambda numbers: (tuple(map(_number, numbers)), {})},
    symbol="Σ",
    latex=r"{0} + \dots",
    says="pass dout on to every input",
)

MATH = frozenset(row for name, row in PRIMITIVES.items() if name.startswith("math_"))  # all rows of this file

OF_ARRAYS = {  # rows of this file with one input, each with NumPy's row for the same mathematics
    **{PRIMITIVES[f"math_{code}"]: PRIMITIVES[name] for name, code, *_ in SMOOTH},
    **{PRIMITIVES[f"math_{name}"]: PRIMITIVES[name] for name in ("exp", "log", "sqrt")},
    PRIMITIVES["math_fabs"]: PRIMITIVES["absolute"],
}
