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

from dout.explain.terms.row_terms import FORMS
from dout.explain.terms.terms import FunctionCall, Number, Power, Product, Sum, Symbol, Term
from dout.graph import Node, Primitive
from dout.ops import by_primitive, primitives

Form = Callable[..., Any]


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

    def inverse(self) -> Form:
        """The function that leads back."""
        return lambda q: sympy.log(q / (1 - q))


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

    def inverse(self) -> Form:
        """The function that leads back."""
        return lambda q: sympy.log(sympy.exp(q) - 1)


_ANGLES = ("sin", "cos", "tan", "sinh", "cosh", "tanh")
_FUNCTIONS: Mapping[str, Form] = {  # by the names that terms have for them
    **{name: getattr(sympy, name) for name in ("sqrt", "cbrt", "exp", "log", *_ANGLES)},
    **{f"arc{name}": getattr(sympy, f"a{name}") for name in _ANGLES},
    **{f"log{base}": lambda x, base=base: sympy.log(x) / sympy.log(base) for base in (2, 10)},
    "arctan2": sympy.atan2, "erf": sympy.erf, "erfc": sympy.erfc, "sigmoid": sigmoid,
}  # fmt: skip
_OWN: Mapping[Primitive, Form] = by_primitive({"softplus": softplus, "special_log_expit": lambda x: -softplus(-x)})


def expression_of(term: Term, given: Mapping[str, Any]) -> Any:
    """The expression of a term, of expressions by name. Raises KeyError and TypeError where SymPy has none."""
    match term:
        case Number(value):
            return sympy.Integer(value)
        case Symbol(name):
            return given[name] if name in given else {"π": sympy.pi, "e": sympy.E}[name]
        case Sum(parts):
            return sympy.Add(*(expression_of(part, given) for part in parts))
        case Product(above, below, negative):
            over, under = (sympy.Mul(*(expression_of(part, given) for part in side)) for side in (above, below))
            return -over / under if negative else over / under
        case Power(base, exponent):
            return expression_of(base, given) ** expression_of(exponent, given)
        case FunctionCall(function, arguments):
            return _FUNCTIONS[function](*(expression_of(argument, given) for argument in arguments))
    raise TypeError(f"no expression of SymPy for {term}")


@cache
def form_of(row: Primitive) -> Form | None:
    """What a row computes, as a function of SymPy's expressions: by its term, or its own on any numbers; or None."""
    if row in _OWN:
        return _OWN[row]
    if row.backward is None or switches(row):
        return None

    def by_term(*operands: Any) -> Any:
        given = {str(i): operand for i, operand in enumerate(operands)}
        return expression_of(FORMS[row](*map(Symbol, given)), given)

    for form in (by_term, row.python):
        for count in (1, 2):
            symbols = sympy.symbols(f"a:{count}", real=True)
            with suppress(Exception):  # it is not made for symbols, or takes another number of them
                made = form(*symbols)  # type: ignore[misc]
                if isinstance(made, Expr) and not any(sympy.diff(made, s).has(sympy.Derivative) for s in symbols):
                    return form
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


LOGIT = primitives("special_logit")  # whose input stands twice in its form: the sigmoid leads back
_ONE_TO_ONE = (
    sympy.exp, sympy.log, sympy.sinh, sympy.tanh, sympy.asin, sympy.acos, sympy.atan, sympy.asinh, sympy.atanh,
    sigmoid, softplus,
)  # fmt: skip


def inverted(relation: Any, unknown: Any, value: Any) -> Any:
    """The unknown for which a relation has a value; None where it stands there twice, or several may be meant."""
    while relation != unknown:
        inside = [part for part in relation.args if part.has(unknown)]
        if len(inside) != 1 or (relation.is_Pow and relation.exp.is_even):
            return None
        (part,) = inside
        if relation.is_Add:
            value = value - (relation - part)
        elif relation.is_Mul:
            value = value / (relation / part)
        elif relation.is_Pow and relation.exp.is_negative:
            part, value = 1 / relation, 1 / value
        elif relation.is_Pow:
            value = root(value, relation.exp) if part == relation.base else sympy.log(value) / sympy.log(relation.base)
        elif isinstance(relation, _ONE_TO_ONE):
            value = relation.inverse()(value).rewrite(sympy.Pow)  # 2^q, not exp(q · log(2))
        else:
            return None
        relation = part
    return value


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
