"""Arithmetic and functions that act on each element by itself."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dout.ops.registry import PRIMITIVES, define

# Python's operators, and NumPy's functions of the same names.
# (name, operator, gradients of the inputs, symbol, LaTeX, how to say it, kernel, ONNX's operator)
_ARITHMETIC: list[tuple[str, Callable[..., Any], Callable[..., Any], str, str, str, str, str | None]] = [
    ("add", operator.add, lambda dout, out, x, y: (dout, dout),
     "+", r"{0} + {1}", "pass dout on to both inputs", "{0} + {1}", "Add"),
    ("subtract", operator.sub, lambda dout, out, x, y: (dout, -dout),
     "−", r"{0} - {1}", "pass dout on, negated to the second input", "{0} - {1}", "Sub"),
    ("multiply", operator.mul, lambda dout, out, x, y: (dout * y, dout * x),
     "×", r"{0} \cdot {1}", "swap the inputs", "{0} * {1}", "Mul"),
    ("divide", operator.truediv, lambda dout, out, x, y: (dout / y, -dout * out / y),
     "/", r"\frac{{{0}}}{{{1}}}", "divide by the second input; to the second, minus the output over it",
     "{0} / {1}", "Div"),
    ("mod", operator.mod, lambda dout, out, x, y: (dout, -dout * (x // y)),
     "mod", r"{0} \bmod {1}", "pass dout on; to the second input, minus the whole quotient", "{0} % {1}", None),
    ("negative", operator.neg, lambda dout, out, x: -dout, "−", r"-{0}", "negate", "-{0}", "Neg"),
    ("positive", operator.pos, lambda dout, out, x: dout, "+", r"{0}", "pass dout on", "+{0}", None),
    ("absolute", abs, lambda dout, out, x: dout * np.sign(x),
     "|·|", r"\left|{0}\right|", "the sign of the input", "abs({0})", "Abs"),
]  # fmt: skip
for _name, _python, _gradient, _symbol, _latex, _says, _code, _onnx in _ARITHMETIC:
    define(
        _name,
        forward=getattr(np, _name),
        python=_python,
        backward=_gradient,
        symbol=_symbol,
        latex=_latex,
        says=_says,
        kernel=_code,
        onnx=_onnx,
    )

add = PRIMITIVES["add"]


def _power_backward(dout: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # x**0 is constant, also at 0 where y * x**(y - 1) is not finite; x**y grows like log(x) only where x > 0.
    dx = np.where(np.equal(y, 0), 0.0, y * x ** np.where(np.equal(y, 0), 1.0, y - 1))
    safe = np.where(np.greater(x, 0), x, 1.0)
    return dout * dx, dout * out * np.log(safe)


# `x ** 2` is not np.power(x, 2): NumPy answers it by np.square (and ** 0.5 by np.sqrt), whose last bit can differ.
_POWERS: list[tuple[str, Any, Any]] = [("power", np.power, None), ("pow", operator.pow, operator.pow)]
for _name, _forward, _operator in _POWERS:
    define(
        _name,
        forward=_forward,
        python=_operator,
        backward=_power_backward,
        symbol="^",
        latex=r"{{{0}}}^{{{1}}}",
        says="exponent times the power one lower",
        kernel="pow({0}, {1})",
        onnx="Pow",
    )

# NumPy's functions of one input: (name, gradient, symbol, LaTeX, how to say it, kernel, ONNX's operator)
_ONE: list[tuple[str, Callable[..., Any], str, str, str, str, str | None]] = [
    ("square", lambda dout, out, x: dout * (2 * x), "²", r"{{{0}}}^2", "twice the input", "{0} * {0}", None),
    ("sqrt", lambda dout, out, x: dout / (2 * out),
     "√", r"\sqrt{{{0}}}", "divide by twice the output", "sqrt({0})", "Sqrt"),
    ("exp", lambda dout, out, x: dout * out, "exp", r"e^{{{0}}}", "multiply by the output", "exp({0})", "Exp"),
    ("log", lambda dout, out, x: dout / x, "log", r"\log {0}", "divide by the input", "log({0})", "Log"),
    ("reciprocal", lambda dout, out, x: dout * (-out * out),
     "1/x", r"\frac{{1}}{{{0}}}", "minus the square of the output", "1 / {0}", "Reciprocal"),
]  # fmt: skip
for _name, _gradient, _symbol, _latex, _says, _code, _onnx in _ONE:
    define(
        _name,
        forward=getattr(np, _name),
        backward=_gradient,
        symbol=_symbol,
        latex=_latex,
        says=_says,
        kernel=_code,
        onnx=_onnx,
    )

# Functions of one input that NumPy and Python's math have; `f` stands for the one or the other.
# (name, name in math and in kernels, local derivative from input and output, LaTeX, how to say it)
SMOOTH: list[tuple[str, str, Callable[..., Any], str, str]] = [
    ("log1p", "log1p", lambda f, x, y: 1 / (1 + x), r"\log(1 + {0})", "divide by one plus the input"),
    ("log2", "log2", lambda f, x, y: 1 / (x * math.log(2)), r"\log_2 {0}", "divide by the input and log 2"),
    ("log10", "log10", lambda f, x, y: 1 / (x * math.log(10)), r"\log_{{10}} {0}", "divide by the input and log 10"),
    ("expm1", "expm1", lambda f, x, y: y + 1, r"e^{{{0}}} - 1", "multiply by the output plus one"),
    ("exp2", "exp2", lambda f, x, y: y * math.log(2), r"2^{{{0}}}", "multiply by the output and log 2"),
    ("cbrt", "cbrt", lambda f, x, y: 1 / (3 * y * y), r"\sqrt[3]{{{0}}}", "divide by three squares of the output"),
    ("sin", "sin", lambda f, x, y: f.cos(x), r"\sin {0}", "multiply by the cosine"),
    ("cos", "cos", lambda f, x, y: -f.sin(x), r"\cos {0}", "multiply by minus the sine"),
    ("tan", "tan", lambda f, x, y: 1 + y * y, r"\tan {0}", "one plus the square of the output"),
    ("arcsin", "asin", lambda f, x, y: 1 / f.sqrt(1 - x * x), r"\arcsin {0}", "divide by √(1 − x²)"),
    ("arccos", "acos", lambda f, x, y: -1 / f.sqrt(1 - x * x), r"\arccos {0}", "divide by −√(1 − x²)"),
    ("arctan", "atan", lambda f, x, y: 1 / (1 + x * x), r"\arctan {0}", "divide by 1 + x²"),
    ("sinh", "sinh", lambda f, x, y: f.cosh(x), r"\sinh {0}", "multiply by the hyperbolic cosine"),
    ("cosh", "cosh", lambda f, x, y: f.sinh(x), r"\cosh {0}", "multiply by the hyperbolic sine"),
    ("tanh", "tanh", lambda f, x, y: 1 - y * y, r"\tanh {0}", "one minus the square of the output"),
    ("arcsinh", "asinh", lambda f, x, y: 1 / f.sqrt(1 + x * x), r"\operatorname{{arsinh}} {0}", "divide by √(1 + x²)"),
    ("arccosh", "acosh", lambda f, x, y: 1 / f.sqrt(x * x - 1), r"\operatorname{{arcosh}} {0}", "divide by √(x² − 1)"),
    ("arctanh", "atanh", lambda f, x, y: 1 / (1 - x * x), r"\operatorname{{artanh}} {0}", "divide by 1 − x²"),
]
for _name, _code, _slope, _latex, _says in SMOOTH:
    define(
        _name,
        forward=getattr(np, _name),
        backward=lambda dout, out, x, slope=_slope: dout * slope(np, x, out),
        latex=_latex,
        says=_says,
        kernel=f"{_code}({{0}})",
        onnx=_code.capitalize() if _code[0] in "scta" and _code != "cbrt" else None,  # as in math
    )

_hypot_backward: Any = lambda dout, out, x, y: (dout * x / out, dout * y / out)  # noqa: E731 - a column of the table
for _name, _binary, _gradient, _latex, _says, _code in [
    ("hypot", np.hypot, _hypot_backward, r"\sqrt{{{0}^2 + {1}^2}}", "each input over the output", "hypot({0}, {1})"),
    (
        "arctan2",
        np.arctan2,
        lambda dout, out, y, x: (dout * x / (x * x + y * y), -dout * y / (x * x + y * y)),
        r"\operatorname{{atan2}}({0}, {1})",
        "the other input over the sum of squares",
        "atan2({0}, {1})",
    ),
    (
        "logaddexp",
        np.logaddexp,
        lambda dout, out, x, y: (dout * np.exp(x - out), dout * np.exp(y - out)),
        r"\log(e^{{{0}}} + e^{{{1}}})",
        "each input's share of the sum",
        "maximum({0}, {1}) + softplus(-abs({0} - {1} if {0} != {1} else 0.0))",  # ∞ − ∞ is no number
    ),
]:
    define(_name, forward=_binary, backward=_gradient, latex=_latex, says=_says, kernel=_code)

# Functions that NumPy lacks, in the form that neither overflows nor loses digits. The engine puts them in the place
# of the formulas that people write.


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))  # at most 1
    return np.where(np.greater_equal(x, 0), 1, small) / (1 + small)


sigmoid = define(
    "sigmoid",
    forward=_sigmoid,
    backward=lambda dout, out, x: dout * (out * (1 - out)),
    symbol="σ",
    latex=r"\sigma({0})",
    says="the output times one minus the output",
    kernel="sigmoid({0})",
    onnx="Sigmoid",
)

softplus = define(
    "softplus",
    forward=lambda x: np.logaddexp(0, x),
    backward=lambda dout, out, x: dout * sigmoid(x),
    latex=r"\log(1 + e^{{{0}}})",
    says="multiply by the sigmoid of the input",
    kernel="softplus({0})",
    onnx="Softplus",
)

# Steps: flat wherever they have a derivative, so no gradient flows.

sign = define(
    "sign",
    forward=np.sign,
    says="no gradient: the sign is flat",
    kernel="1 if {0} > 0 else -1 if {0} < 0 else {0} + 0",  # NaN stays NaN
    onnx="Sign",
)

for _name, _function, _latex, _onnx in [
    ("floor", np.floor, r"\left\lfloor {0} \right\rfloor", "Floor"),
    ("ceil", np.ceil, r"\left\lceil {0} \right\rceil", "Ceil"),
    ("trunc", np.trunc, r"\operatorname{{trunc}} {0}", None),
    ("rint", np.rint, r"\operatorname{{round}} {0}", "Round"),
]:
    define(
        _name,
        forward=_function,
        latex=_latex,
        says="no gradient: steps are flat",
        kernel=f"{_name}({{0}})",
        onnx=_onnx,
    )

floor_divide = define(
    "floor_divide",
    forward=np.floor_divide,
    python=operator.floordiv,
    symbol="//",
    latex=r"\left\lfloor {0} / {1} \right\rfloor",
    says="no gradient: whole quotients are flat",
    kernel="{0} // {1}",
)


def _decimals(x: Any, decimals: int = 0) -> tuple[tuple[Any], dict[str, Any]]:
    return (x,), {"decimals": decimals}


around = define(
    "around",
    forward=np.round,
    calls={np.round: _decimals, np.around: _decimals},
    methods={"round": _decimals},
    write_back=lambda base, changed, decimals: changed,  # of whole numbers NumPy before 2.4 gives a view
    symbol="round",
    latex=r"\operatorname{{round}} {0}",
    says="no gradient: rounded values are flat",
)

# Python's own round() is another function: it gives an int, and rounds 0.15 as the decimal it is.
round_ = define(
    "round",
    forward=lambda x, ndigits=None: round(x[()], ndigits),
    python=round,
    says="no gradient: rounded values are flat",
)
