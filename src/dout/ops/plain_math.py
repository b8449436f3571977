"""Functions of Python's `math`: they take and give plain numbers, and their last bit can differ from NumPy's.

An array of one element counts as the number in it, as `math` itself takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dout.graph import Binder, DType, Primitive, Shape
from dout.ops.create import item
from dout.ops.registry import PRIMITIVES, all_inputs, define
from dout.ops.shape import shape_of


def _gives(dtype: type) -> Callable[..., tuple[Shape, DType]]:
    return lambda row, inputs, static: ((), dtype)


def _number(x: Any) -> Any:
    """An array of one element as the plain number in it; what Python does not take for one is left for it to refuse."""
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


def _math(name: str, x: Any) -> Any:
    """A function of math, which may be recorded."""
    return PRIMITIVES[f"math_{name}"](x)


def _define(function: Callable[..., Any], gives: type = float, **words: Any) -> Primitive:
    """One row for a function of math."""
    words = {"calls": {function: _numbers(1)}, "infer": _gives(gives), **words}
    return define(f"math_{function.__name__}", forward=function, python=function, **words)


# (function, local derivative from input and output, symbol, LaTeX, how to say it)
_SMOOTH: list[tuple[Callable[..., Any], Callable[..., Any], str, str, str]] = [
    (math.exp, lambda x, y: y, "exp", r"e^{{{0}}}", "multiply by the output"),
    (math.exp2, lambda x, y: y * math.log(2), "exp2", r"2^{{{0}}}", "multiply by the output and log 2"),
    (math.expm1, lambda x, y: y + 1, "expm1", r"e^{{{0}}} - 1", "multiply by the output plus one"),
    (math.log1p, lambda x, y: 1 / (1 + x), "log1p", r"\log(1 + {0})", "divide by one plus the input"),
    (math.log2, lambda x, y: 1 / (x * math.log(2)), "log2", r"\log_2 {0}", "divide by the input and log 2"),
    (math.log10, lambda x, y: 1 / (x * math.log(10)), "log10", r"\log_{{10}} {0}", "divide by the input and log 10"),
    (math.sqrt, lambda x, y: 1 / (2 * y), "√", r"\sqrt{{{0}}}", "divide by twice the output"),
    (math.cbrt, lambda x, y: 1 / (3 * y * y), "∛", r"\sqrt[3]{{{0}}}", "divide by three squares of the output"),
    (math.sin, lambda x, y: _math("cos", x), "sin", r"\sin {0}", "multiply by the cosine"),
    (math.cos, lambda x, y: -_math("sin", x), "cos", r"\cos {0}", "multiply by minus the sine"),
    (math.tan, lambda x, y: 1 + y * y, "tan", r"\tan {0}", "one plus the square of the output"),
    (math.asin, lambda x, y: 1 / _math("sqrt", 1 - x * x), "arcsin", r"\arcsin {0}", "divide by √(1 − x²)"),
    (math.acos, lambda x, y: -1 / _math("sqrt", 1 - x * x), "arccos", r"\arccos {0}", "divide by −√(1 − x²)"),
    (math.atan, lambda x, y: 1 / (1 + x * x), "arctan", r"\arctan {0}", "divide by 1 + x²"),
    (math.sinh, lambda x, y: _math("cosh", x), "sinh", r"\sinh {0}", "multiply by the hyperbolic cosine"),
    (math.cosh, lambda x, y: _math("sinh", x), "cosh", r"\cosh {0}", "multiply by the hyperbolic sine"),
    (math.tanh, lambda x, y: 1 - y * y, "tanh", r"\tanh {0}", "one minus the square of the output"),
    (math.asinh, lambda x, y: 1 / _math("sqrt", 1 + x * x), "arcsinh", r"\operatorname{{arsinh}} {0}",
     "divide by √(1 + x²)"),
    (math.acosh, lambda x, y: 1 / _math("sqrt", x * x - 1), "arccosh", r"\operatorname{{arcosh}} {0}",
     "divide by √(x² − 1)"),
    (math.atanh, lambda x, y: 1 / (1 - x * x), "arctanh", r"\operatorname{{artanh}} {0}", "divide by 1 − x²"),
    (math.fabs, lambda x, y: (x > 0) * 1.0 - (x < 0) * 1.0, "|·|", r"\left|{0}\right|", "the sign of the input"),
    (math.erf, lambda x, y: 2 / math.sqrt(math.pi) * _math("exp", -x * x), "erf", r"\operatorname{{erf}} {0}",
     "the bell curve 2 e^(−x²) / √π"),
    (math.erfc, lambda x, y: -2 / math.sqrt(math.pi) * _math("exp", -x * x), "erfc", r"\operatorname{{erfc}} {0}",
     "minus the bell curve 2 e^(−x²) / √π"),
    (math.degrees, lambda x, y: 180 / math.pi, "deg", r"{0} \cdot \tfrac{{180}}{{\pi}}", "multiply by 180 / π"),
    (math.radians, lambda x, y: math.pi / 180, "rad", r"{0} \cdot \tfrac{{\pi}}{{180}}", "multiply by π / 180"),
]  # fmt: skip
for _function, _slope, _symbol, _latex, _says in _SMOOTH:
    _define(
        _function,
        backward=lambda dout, out, x, slope=_slope: dout * slope(x, out),
        symbol=_symbol,
        latex=_latex,
        says=_says,
        kernel=f"{_function.__name__}({{0}})",
    )

_FLAT: list[tuple[Callable[..., Any], type, str, str]] = [
    (math.floor, int, r"\left\lfloor {0} \right\rfloor", "no gradient: steps are flat"),
    (math.ceil, int, r"\left\lceil {0} \right\rceil", "no gradient: steps are flat"),
    (math.trunc, int, r"\operatorname{{trunc}} {0}", "no gradient: steps are flat"),
    (math.isnan, bool, r"\operatorname{{isnan}} {0}", "no gradient: a condition is not a number"),
    (math.isinf, bool, r"\operatorname{{isinf}} {0}", "no gradient: a condition is not a number"),
    (math.isfinite, bool, r"\operatorname{{isfinite}} {0}", "no gradient: a condition is not a number"),
]
for _function, _gives_what, _latex, _says in _FLAT:
    arguments = {_function: all_inputs if _function is math.trunc else _numbers(1)}  # no float32 has a __trunc__
    _define(_function, _gives_what, calls=arguments, symbol=_function.__name__, latex=_latex, says=_says)

# --- of two numbers, and of many --------------------------------------------------------------------------------------


def _log_backward(dout: Any, out: Any, x: Any, *base: Any) -> tuple[Any, ...]:
    if not base:
        return (dout / x,)
    whole = _math("log", base[0])
    return dout / (x * whole), -dout * out / (base[0] * whole)


def _log_arguments(*inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return _numbers(2 if len(inputs) == 2 else 1)(*inputs)


_define(
    math.log,
    backward=_log_backward,
    calls={math.log: _log_arguments},
    symbol="log",
    latex=r"\log {0}",
    says="divide by the input",
)

_BINARY: list[tuple[Callable[..., Any], Callable[..., Any], str, str, str]] = [
    (math.pow, lambda dout, out, x, y: PRIMITIVES["pow"].backward(dout, out, x, y),  # type: ignore[misc]
     "^", r"{{{0}}}^{{{1}}}", "exponent times the power one lower"),
    (math.atan2, lambda dout, out, y, x: (dout * x / (x * x + y * y), -dout * y / (x * x + y * y)),
     "arctan2", r"\operatorname{{atan2}}({0}, {1})", "the other input over the sum of squares"),
    (math.fmod, lambda dout, out, x, y: (dout, -dout * _math("trunc", x / y)),
     "mod", r"{0} \bmod {1}", "pass dout on; to the second input, minus the whole quotient"),
]  # fmt: skip
for _function, _gradient, _symbol, _latex, _says in _BINARY:
    _define(
        _function,
        backward=_gradient,
        calls={_function: _numbers(2)},
        symbol=_symbol,
        latex=_latex,
        says=_says,
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


def _sum_arguments(numbers: Iterable[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(map(_number, numbers)), {}


def _sum_of(*numbers: Any) -> float:
    return math.fsum(numbers)


define(
    "math_fsum",
    forward=_sum_of,
    python=_sum_of,
    backward=lambda dout, out, *inputs: tuple(dout for _ in inputs),
    infer=_gives(float),
    calls={math.fsum: _sum_arguments},
    symbol="Σ",
    latex=r"{0} + \dots",
    says="pass dout on to every input",
)

MATH = frozenset(row for name, row in PRIMITIVES.items() if name.startswith("math_"))  # all rows of this file
