"""What each elementwise row computes, as SymPy's expression: its form, its slope by its output, and its inverse.

A row that switches (maximum, abs, where) is one of its inputs near any point: which one, its values there say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import sympy
from sympy import Expr

from dout.graph import Node, Primitive
from dout.ops import by_primitive, primitives


class sigmoid(sympy.Function):  # type: ignore[misc]
    """1 / (1 + exp(−x))."""

    is_real = True

    @classmethod
    def eval(cls, x: Any) -> Any:
        """The simpler form of a sigmoid of a logarithm."""
        return x.args[0] / (1 + x.args[0]) if isinstance(x, sympy.log) else None

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative, by the output."""
        return self * (1 - self)


class softplus(sympy.Function):  # type: ignore[misc]
    """log(1 + exp(x))."""

    is_real = True

    @classmethod
    def eval(cls, x: Any) -> Any:
        """The simpler form of a softplus of a logarithm."""
        return sympy.log(1 + x.args[0]) if isinstance(x, sympy.log) else None

    def fdiff(self, argindex: int = 1) -> Any:
        """The derivative: the sigmoid."""
        return sigmoid(self.args[0])


def _powered(x: Any, y: Any) -> Any:
    return sympy.sqrt(x) if y == sympy.Rational(1, 2) else x**y


Form = Callable[..., Any]

_FORMS: dict[str, Form] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "power": _powered,
    "pow": _powered,
    "math_pow": _powered,
    "square": lambda x: x**2,
    "reciprocal": lambda x: 1 / x,
    "log1p": lambda x: sympy.log(1 + x),
    "log2": lambda x: sympy.log(x) / sympy.log(2),
    "log10": lambda x: sympy.log(x) / sympy.log(10),
    "expm1": lambda x: sympy.exp(x) - 1,
    "exp2": lambda x: sympy.Pow(2, x),
    "cbrt": lambda x: sympy.cbrt(x),
    "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
    "arctan2": sympy.atan2,
    "logaddexp": lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
    "sigmoid": sigmoid,
    "softplus": softplus,
    "special_expit": sigmoid,
    "special_log_expit": lambda x: -softplus(-x),
    "special_logit": lambda x: sympy.log(x / (1 - x)),
    "special_entr": lambda x: -x * sympy.log(x),
    "special_xlogy": lambda x, y: x * sympy.log(y),
    "special_xlog1py": lambda x, y: x * sympy.log(1 + y),
    **{name: getattr(sympy, name) for name in ["sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"]},
    "special_erf": sympy.erf,
    "special_erfc": sympy.erfc,
    **dict(zip(["arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"],
               (sympy.asin, sympy.acos, sympy.atan, sympy.asinh, sympy.acosh, sympy.atanh), strict=True)),
}  # fmt: skip
_FORMS |= {
    f"math_{name}": _FORMS[as_numpy]
    for name, as_numpy in {
        "exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "sin": "sin", "cos": "cos", "tan": "tan",
        "sinh": "sinh", "cosh": "cosh", "atan": "arctan", "asin": "arcsin", "acos": "arccos", "log1p": "log1p",
        "expm1": "expm1", "erf": "special_erf", "erfc": "special_erfc", "log2": "log2", "log10": "log10",
    }.items()
}  # fmt: skip
_KNOWN: Mapping[Primitive, Form] = by_primitive(_FORMS)


@cache
def form_of(row: Primitive) -> Form | None:
    """What a row computes, as a function of SymPy's expressions: ours, or its own on any numbers; or None."""
    if row in _KNOWN:
        return _KNOWN[row]
    python = row.python
    if python is None or row.backward is None or switches(row):
        return None
    for count in (1, 2):
        symbols = sympy.symbols(f"a:{count}", real=True)
        with suppress(Exception):  # it is not made for symbols, or takes another number of them
            made = python(*symbols)
            if isinstance(made, Expr) and not any(sympy.diff(made, s).has(sympy.Derivative) for s in symbols):
                return python
    return None


# The slope in terms of the output q, where that is simpler: exp → q, tanh → 1 − q².
SLOPES: Mapping[Primitive, Form] = by_primitive(
    {
        "exp": lambda q, x: (q,),
        "math_exp": lambda q, x: (q,),
        "expm1": lambda q, x: (q + 1,),
        "exp2": lambda q, x: (q * sympy.log(2),),
        "tanh": lambda q, x: (1 - q**2,),
        "math_tanh": lambda q, x: (1 - q**2,),
        "sigmoid": lambda q, x: (q * (1 - q),),
        "special_expit": lambda q, x: (q * (1 - q),),
        "sqrt": lambda q, x: (1 / (2 * q),),
        "math_sqrt": lambda q, x: (1 / (2 * q),),
        "reciprocal": lambda q, x: (-(q**2),),
        "cbrt": lambda q, x: (1 / (3 * q**2),),
        "tan": lambda q, x: (1 + q**2,),
        "divide": lambda q, x, y: (1 / y, -(q**2) / x if x.is_number else -q / y),
        "hypot": lambda q, x, y: (x / q, y / q),
    }
)


# A formula with one of these says little to a reader who has not met it in the layer.
TAUGHT = (sympy.cosh, sympy.sinh, sympy.cos, sympy.sin, sympy.tan, sympy.exp, sympy.Abs)


def root(q: Any, exponent: Any) -> Any:
    """The number of which q is a power, with the sign of q where the exponent is odd."""
    if exponent.is_Integer and exponent % 2:
        return sympy.sign(q) * sympy.Abs(q) ** (1 / exponent)
    return q ** (1 / exponent)


# One input from the output q and the others, where there is exactly one.
_BOTH: dict[str, tuple[Form | None, Form | None]] = {
    "add": (lambda q, y: q - y, lambda q, x: q - x),
    "subtract": (lambda q, y: q + y, lambda q, x: x - q),
    "multiply": (lambda q, y: q / y, lambda q, x: q / x),
    "divide": (lambda q, y: q * y, lambda q, x: x / q),
    "pow": (root, lambda q, x: sympy.log(q) / sympy.log(x)),
    "power": (root, lambda q, x: sympy.log(q) / sympy.log(x)),
}
_ONE: dict[str, Form] = {
    "negative": lambda q: -q,
    "positive": lambda q: q,
    "exp": sympy.log,
    "math_exp": sympy.log,
    "log": sympy.exp,
    "math_log": sympy.exp,
    "log1p": lambda q: sympy.exp(q) - 1,
    "expm1": lambda q: sympy.log(1 + q),
    "sqrt": lambda q: q**2,
    "math_sqrt": lambda q: q**2,
    "tanh": sympy.atanh,
    "arctan": sympy.tan,
    "arctanh": sympy.tanh,
    "arcsinh": sympy.sinh,
    "sinh": sympy.asinh,
    "reciprocal": lambda q: 1 / q,
    "sigmoid": lambda q: sympy.log(q / (1 - q)),
    "special_expit": lambda q: sympy.log(q / (1 - q)),
    "softplus": lambda q: sympy.log(sympy.exp(q) - 1),
    "cbrt": lambda q: q**3,
    "arcsin": sympy.sin,
    "arccos": sympy.cos,
    "log2": lambda q: sympy.Pow(2, q),
    "log10": lambda q: sympy.Pow(10, q),
    "exp2": lambda q: sympy.log(q) / sympy.log(2),
    "special_logit": sigmoid,
    "special_log_expit": lambda q: -sympy.log(sympy.exp(-q) - 1),
}
INVERSES: Mapping[Primitive, tuple[Form | None, ...]] = by_primitive(
    {**_BOTH, **{name: (form,) for name, form in _ONE.items()}}
)

UNCHANGED = primitives("copy asarray astype positive broadcast_to reshape ravel flatten float item full getitem")
ABSOLUTE = primitives("absolute math_fabs")
_COMPARISONS = primitives("less less_equal greater greater_equal equal not_equal")
_LOGIC = primitives("logical_and logical_or logical_not bitwise_and bitwise_or invert")


def applied_form(node: Node, *operands: Any) -> Any:
    """The expression of a node from the expressions of its inputs."""
    form = form_of(node.primitive)
    assert form is not None, f"{node.primitive} has no form"
    return form(*operands)


def switches(row: Primitive) -> bool:
    """Whether a row is one of its inputs, or a number, near any point."""
    chosen = primitives("maximum minimum clip where sign")
    return row in chosen | ABSOLUTE | _COMPARISONS | _LOGIC


Condition = tuple[Expr, Expr]  # left and right of a comparison on which a switch depends


def switch(
    node: Node, value: float, values: Sequence[float], operands: Sequence[Any]
) -> tuple[Any, list[Condition]] | None:
    """The branch that a switching row takes near a point, and the comparisons that decide it.

    None of a row that does not switch.
    """
    row = node.primitive
    if row in primitives("maximum minimum"):
        first = (values[0] >= values[1]) == (row in primitives("maximum"))
        return operands[0 if first else 1], [(operands[0], operands[1])]
    if row in ABSOLUTE:
        return operands[0] if values[0] > 0 else -operands[0], [(operands[0], sympy.Integer(0))]
    if row in primitives("clip"):
        low, high = (values[1], values[2]) if len(values) > 2 else (-float("inf"), float("inf"))
        chosen = operands[1] if values[0] < low else operands[2] if values[0] > high else operands[0]
        return chosen, [(operands[0], operands[1]), (operands[0], operands[2])]
    if row in primitives("where"):
        return operands[1 if values[0] else 2], []
    if row in _COMPARISONS:
        return sympy.Integer(int(value)), [(operands[0], operands[1])]
    if row in primitives("sign"):
        sign = (values[0] > 0) - (values[0] < 0)
        return sympy.Integer(int(sign)), [(operands[0], sympy.Integer(0))]
    if row in _LOGIC:
        return sympy.Integer(int(value)), []
    return None


def symbol(name: str, value: float | None = None) -> Any:
    """A real number, positive where its value is."""
    return sympy.Symbol(name, real=True, **({"positive": True} if value is not None and value > 0 else {}))
