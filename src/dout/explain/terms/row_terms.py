"""What each elementwise row of the table of primitives computes, as a term of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dout.explain.terms.terms import (
    ONE,
    TWO,
    ZERO,
    Cases,
    Compare,
    FunctionCall,
    Number,
    Power,
    Symbol,
    Term,
    between,
    is_negative,
    negated,
    product,
    total,
)
from dout.graph import Primitive
from dout.ops import PRIMITIVES, by_primitive

Form = Callable[..., Term]  # of the terms of a row's inputs, with its static parameters

_OPPOSITE = {"<": "≥", "≥": "<", ">": "≤", "≤": ">", "=": "≠", "≠": "="}
_TESTS = frozenset({"not", "isnan", "isinf", "isfinite", "any", "all"})
_PI = Symbol("π")


# --- conditions and numbers -------------------------------------------------------------------------------------------


def as_number(term: Term) -> Term:
    """A term among numbers: of a condition, 1 where it holds, else 0."""
    is_condition = isinstance(term, Compare) or (isinstance(term, FunctionCall) and term.function in _TESTS)
    return Cases(((ONE, term),), ZERO) if is_condition else term


def as_condition(term: Term) -> Term:
    """A term among conditions: a number holds where it is not 0."""
    if isinstance(term, Cases) and len(term.pieces) == 1 and term.pieces[0][0] == ONE and term.otherwise == ZERO:
        return term.pieces[0][1]
    return Compare(term, "≠", ZERO)


def _opposite(condition: Term) -> Term:
    if isinstance(condition, Compare) and condition.symbol in _OPPOSITE:
        return Compare(condition.left, _OPPOSITE[condition.symbol], condition.right)
    if isinstance(condition, FunctionCall) and condition.function == "not":
        return condition.arguments[0]
    return FunctionCall("not", (condition,))


def times(x: Term, y: Term) -> Term:
    """The product of two terms. A factor that is 1 under a condition and else 0 selects the other factor."""
    for one, other in ((x, y), (y, x)):
        if isinstance(one, Cases) and len(one.pieces) == 1 and one.pieces[0][0] == ONE and one.otherwise == ZERO:
            return other if other == ZERO else Cases(((other, one.pieces[0][1]),), ZERO)
    return product(x, y)


def _chosen(condition: Term, x: Term, y: Term) -> Term:
    if isinstance(y, Cases):
        return Cases(((x, condition), *y.pieces), y.otherwise)
    return Cases(((x, condition),), y)


# --- functions --------------------------------------------------------------------------------------------------------


def call(name: str) -> Form:
    """A function by its name."""
    return lambda *inputs, **_: FunctionCall(name, inputs)


def compared(symbol: str) -> Form:
    """A comparison."""
    return lambda x, y: Compare(x, symbol, y)


def log(x: Term) -> Term:
    """The natural logarithm."""
    return FunctionCall("log", (x,))


def exp(x: Term) -> Term:
    """The exponential function."""
    return FunctionCall("exp", (x,))


def power(x: Term, y: Term) -> Term:
    """A power; of a negative number a fraction, of one half a root."""
    if isinstance(y, Number) and y.value in (0, 1):
        return x if y.value else ONE
    if is_negative(y):
        return product(ONE, over=(power(x, negated(y)),))
    return FunctionCall("sqrt", (x,)) if y == Number(0.5) else Power(x, y)


def _hypot(*inputs: Term) -> Term:
    return FunctionCall("sqrt", (total(*(Power(x, TWO) for x in inputs)),))


def _rounded(x: Term, decimals: Any = 0, ndigits: Any = None) -> Term:
    places = ndigits if ndigits is not None else decimals
    return FunctionCall("round", (x, negated(Number(-places)) if places < 0 else Number(places)) if places else (x,))


def _logit(x: Term) -> Term:
    return log(product(x, over=(total(ONE, negated(x)),)))


_SMOOTH: dict[str, Form] = {
    "exp": exp,
    "log1p": lambda x: log(total(ONE, x)),
    "expm1": lambda x: total(exp(x), negated(ONE)),
    "exp2": lambda x: Power(TWO, x),
    "sqrt": call("sqrt"),
    **{name: call(name) for name in ("log2", "log10", "cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"arc{name}": call(f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}

_NUMPY: dict[str, Form] = {
    **_SMOOTH,
    "log": log,
    "add": total,
    "subtract": lambda x, y: total(x, negated(y)),
    "multiply": times,
    "divide": lambda x, y: product(x, over=(y,)),
    "negative": negated,
    "positive": lambda x: x,
    "power": power,
    "pow": power,
    "square": lambda x: Power(x, TWO),
    "reciprocal": lambda x: product(ONE, over=(x,)),
    "absolute": call("abs"),
    "hypot": _hypot,
    "arctan2": call("arctan2"),
    "logaddexp": lambda x, y: log(total(exp(x), exp(y))),
    "sigmoid": call("sigmoid"),
    "softplus": lambda x: log(total(ONE, exp(x))),
    **{name: call(name) for name in ("sign", "floor", "ceil", "trunc", "mod", "clip")},
    "rint": call("round"),
    "around": _rounded,
    "round": _rounded,
    "floor_divide": lambda x, y: FunctionCall("floor", (product(x, over=(y,)),)),
    "maximum": call("max"),
    "minimum": call("min"),
    "where": _chosen,
    "left_shift": lambda x, y: product(x, power(TWO, y)),
    "right_shift": lambda x, y: FunctionCall("floor", (product(x, over=(power(TWO, y),)),)),
    **{name: call(name) for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "invert")},
}

_CONDITIONS: dict[str, Form] = {
    **{name: compared(PRIMITIVES[name].symbol) for name in ("less", "less_equal", "greater", "greater_equal", "equal",
                                                            "not_equal", "logical_and", "logical_or", "logical_xor")},
    "logical_not": _opposite,
    **{name: call(name) for name in ("isnan", "isinf", "isfinite")},
    "signbit": lambda x: Compare(x, "<", ZERO),
}  # fmt: skip

_MATH: dict[str, Form] = {
    **{name.replace("arc", "a"): form for name, form in _SMOOTH.items()},
    "fabs": call("abs"),
    "erf": call("erf"),
    "erfc": call("erfc"),
    "degrees": lambda x: product(Number(180), x, over=(_PI,)),
    "radians": lambda x: product(_PI, x, over=(Number(180),)),
    **{name: call(name) for name in ("floor", "ceil", "trunc", "isnan", "isinf", "isfinite", "fmod")},
    "log": lambda x, *base: product(log(x), over=tuple(map(log, base))),
    "pow": power,
    "atan2": call("arctan2"),
    "hypot": _hypot,
    "fsum": total,
}

_SPECIAL: dict[str, Form] = {
    "expit": call("sigmoid"),
    "logit": _logit,
    "log_expit": lambda x: log(FunctionCall("sigmoid", (x,))),
    "erf": call("erf"),
    "erfc": call("erfc"),
    "entr": lambda x: negated(product(x, log(x))),
    "xlogy": lambda x, y: product(x, log(y)),
    "xlog1py": lambda x, y: product(x, log(total(ONE, y))),
}

FORMS: dict[Primitive, Form] = by_primitive(
    {
        **_NUMPY,
        **_CONDITIONS,
        **{f"math_{name}": form for name, form in _MATH.items()},
        **{f"special_{name}": form for name, form in _SPECIAL.items()},
    }
)

# Rows that compute something else of whole numbers.
WHOLE: dict[Primitive, Form] = by_primitive(
    {"reciprocal": lambda x: FunctionCall("trunc", (product(ONE, over=(x,)),))},
)

# Which inputs of a row are conditions; all others are numbers.
CONDITIONS: dict[Primitive, tuple[int, ...]] = by_primitive(
    {"where": (0,), "logical_not": (0,), "logical_and": (0, 1), "logical_or": (0, 1), "logical_xor": (0, 1)}
)

# What a row of conditions computes that gives a condition.
TWINS: dict[Primitive, Primitive] = by_primitive(
    {
        name: PRIMITIVES[twin]
        for twin, names in {
            "logical_and": "bitwise_and multiply minimum",
            "logical_or": "bitwise_or add maximum",
            "logical_xor": "bitwise_xor",
            "logical_not": "invert",
        }.items()
        for name in names.split()
    }
)


def _of_the_two(place: int, x: list[Term], strict: str, equal: str) -> Term:
    """1 for the value that is chosen of two; where they are equal for the second, unless the first is a number."""
    symbol = equal if place and not isinstance(x[0], Number) else strict
    return Cases(((ONE, Compare(x[place], symbol, x[1 - place])),), ZERO)


# The derivative of a row that switches, with respect to the input in a place, as a term of its inputs.
SWITCH_SLOPES: Mapping[Primitive, Callable[[int, list[Term]], Term]] = by_primitive(
    {
        "maximum": lambda place, x: _of_the_two(place, x, ">", "≥"),
        "minimum": lambda place, x: _of_the_two(place, x, "<", "≤"),
        "where": lambda place, x: Cases(((ONE if place == 1 else ZERO, x[0]),), ZERO if place == 1 else ONE),
        "absolute": lambda place, x: Cases(((ONE, Compare(x[0], ">", ZERO)),), negated(ONE)),
        "math_fabs": lambda place, x: Cases(((ONE, Compare(x[0], ">", ZERO)),), negated(ONE)),
        "clip": lambda place, x: Cases(((ONE, between(x[1], x[0], x[2])),), ZERO),
    }
)
