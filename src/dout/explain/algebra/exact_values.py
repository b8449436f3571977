"""Whether a formula equals a derived gradient: both are evaluated in exact arithmetic, at the same points.

The gradient comes from the rows of the recorded graph, the formula from SymPy: neither knows of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy
from flint import arb

from dout.explain.algebra.calculus import sigmoid, softplus
from dout.explain.algebra.pieces import value_of
from dout.judge.ball_numbers import ball

NEAR = arb(2) ** -200  # of the larger of the two
ROUNDED = arb(2) ** -50  # the rows of erf hold 2/√π as a float


def equal(expression: Any, given: Mapping[Any, Any], expected: Iterable[Any]) -> bool:
    """Whether an expression has the `expected` balls at all points; `given` has the balls of its symbols there.

    Points at which either is not finite are passed by; False where none is left.
    """
    wanted = [ball(item) for item in expected]
    columns = {symbol: [ball(item) for item in values] for symbol, values in given.items()}
    near = ROUNDED if expression.has(sympy.erf, sympy.erfc, sympy.pi) else NEAR
    known = 0
    for i, item in enumerate(wanted):
        got = value(expression, {symbol: values[i] for symbol, values in columns.items()})
        if not (got.is_finite() and item.is_finite()):
            continue
        known += 1
        size = max(abs(got).upper(), abs(item).upper())
        if abs(got - item).upper() > near * size and size > 0:
            return False
    return known > 0


def value(expression: Any, given: Mapping[Any, arb]) -> arb:
    """The ball of an expression. Raises TypeError for a function without a rule."""
    if expression in given:
        return given[expression]
    if expression.is_Symbol:
        number = value_of(expression)
        if number is None:
            raise TypeError(f"{expression} has no value")
        return arb(number)
    if expression.is_Rational:
        return arb(int(expression.p)) / int(expression.q)
    rule = next((rule for kind, rule in _RULES.items() if isinstance(expression, kind)), None)
    if rule is None:
        raise TypeError(f"no exact arithmetic for {type(expression).__name__}")
    return rule(*(value(argument, given) for argument in expression.args))


def _power(x: arb, y: arb) -> arb:
    whole = y.unique_fmpz()
    return x ** int(whole) if whole is not None else x**y


def _sum(*terms: arb) -> arb:
    return sum(terms, start=arb(0))


def _product(*factors: arb) -> arb:
    made = arb(1)
    for factor in factors:
        made *= factor
    return made


_RULES: Mapping[Any, Callable[..., arb]] = {
    sympy.Add: _sum,
    sympy.Mul: _product,
    sympy.exp: lambda x: x.exp(),
    sympy.Pow: _power,
    sympy.log: lambda x, *base: x.log() / base[0].log() if base else x.log(),
    sigmoid: lambda x: 1 / (1 + (-x).exp()),
    softplus: lambda x: (1 + x.exp()).log(),
    sympy.tanh: lambda x: x.tanh(),
    sympy.sinh: lambda x: x.sinh(),
    sympy.cosh: lambda x: x.cosh(),
    sympy.sech: lambda x: 1 / x.cosh(),
    sympy.sin: lambda x: x.sin(),
    sympy.cos: lambda x: x.cos(),
    sympy.tan: lambda x: x.tan(),
    sympy.sec: lambda x: 1 / x.cos(),
    sympy.asin: lambda x: x.asin(),
    sympy.acos: lambda x: x.acos(),
    sympy.atan: lambda x: x.atan(),
    sympy.asinh: lambda x: x.asinh(),
    sympy.acosh: lambda x: x.acosh(),
    sympy.atanh: lambda x: x.atanh(),
    sympy.erf: lambda x: x.erf(),
    sympy.erfc: lambda x: x.erfc(),
    sympy.Abs: abs,
    sympy.sign: lambda x: arb(int(x > 0) - int(x < 0)),
    type(sympy.pi): lambda: arb.pi(),
    type(sympy.E): lambda: arb(1).exp(),
}
