"""Constants of a program as SymPy's numbers: short fractions and recognised ones exactly, others as symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from dout.explain.algebra.calculus import expression_of
from dout.explain.terms.known_numbers import known_number, shortest_float

LARGEST_DENOMINATOR = 64  # of a float that is a fraction in SymPy
_constants: dict[float, Any] = {}
_values: dict[Any, float] = {}


def as_number(value: Any) -> Any:
    """A constant as SymPy's number if it is a short fraction or a recognised number; else a symbol."""
    if isinstance(value, bool | np.bool_):
        return sympy.Integer(int(value))
    if isinstance(value, int | np.integer):
        return sympy.Integer(int(value))
    if isinstance(value, np.floating):
        value = shortest_float(value)
    known = known_number(value)
    if known is not None:
        return expression_of(known, {})
    number = sympy.Rational(float(value)) if np.isfinite(value) else None
    if number is not None and number.q <= LARGEST_DENOMINATOR:
        return number
    return constant_symbol(float(value))


def constant_symbol(value: float) -> Any:
    """The symbol that stands for a float that is no short fraction: 0.044715."""
    if value not in _constants:
        sign = {"positive": True} if value > 0 else {"negative": True}
        _constants[value] = sympy.Symbol(repr(value), real=True, **sign)
        _values[_constants[value]] = value
    return _constants[value]


def value_of(constant: Any) -> float | None:
    """The float that a symbol of a constant stands for; None of another symbol."""
    return _values.get(constant)


def in_numbers(expression: Any, numbers: Mapping[Any, float]) -> Any:
    """An expression with numbers in the place of constants, and of the symbols that have one."""
    return expression.subs({s: _values[s] for s in expression.free_symbols & _values.keys()}).subs(numbers)
