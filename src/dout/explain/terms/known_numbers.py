"""Numbers of a program as terms: 1.0 is 1, a float that is exactly π is π, and 0.3333333333333333 is 1 / 3."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from dout.explain.terms.terms import (
    ONE,
    TWO,
    FunctionCall,
    Number,
    Power,
    Symbol,
    Term,
    negated,
    number,
    product,
    total,
)

_PI, _E, _TEN = Symbol("π"), Symbol("e"), Number(10)
_DENOMINATOR = 12  # the largest of a fraction that is recognised


def _root(term: Term) -> Term:
    return FunctionCall("sqrt", (term,))


def _under(top: Term, *bottom: Term) -> Term:
    return product(top, over=bottom)


_TWO_PI = product(TWO, _PI)
_KNOWN: list[tuple[Term, tuple[float, ...]]] = [  # a number, as the ways to compute it round it
    (_PI, (math.pi,)),
    (_TWO_PI, (math.tau,)),
    (_under(_PI, TWO), (math.pi / 2,)),
    (_under(_PI, Number(4)), (math.pi / 4,)),
    (_under(_PI, Number(180)), (math.pi / 180,)),
    (_under(Number(180), _PI), (180 / math.pi,)),
    (_under(ONE, _PI), (1 / math.pi,)),
    (_under(TWO, _PI), (2 / math.pi,)),
    (Power(_PI, TWO), (math.pi**2,)),
    (_root(_PI), (math.sqrt(math.pi),)),
    (_root(_TWO_PI), (math.sqrt(2 * math.pi),)),
    (_under(ONE, _root(_PI)), (1 / math.sqrt(math.pi),)),
    (_under(TWO, _root(_PI)), (2 / math.sqrt(math.pi),)),
    (_under(ONE, _root(_TWO_PI)), (1 / math.sqrt(2 * math.pi),)),
    (_root(_under(TWO, _PI)), (math.sqrt(2 / math.pi), math.sqrt(2) / math.sqrt(math.pi))),
    (_root(_under(_PI, TWO)), (math.sqrt(math.pi / 2),)),
    (_E, (math.e,)),
    (_under(ONE, _E), (1 / math.e, math.exp(-1))),
    (_root(TWO), (math.sqrt(2),)),
    (_under(ONE, _root(TWO)), (1 / math.sqrt(2), math.sqrt(0.5))),
    (_root(Number(3)), (math.sqrt(3),)),
    (FunctionCall("log", (TWO,)), (math.log(2),)),
    (FunctionCall("log", (_TEN,)), (math.log(10),)),
    (FunctionCall("log", (_TWO_PI,)), (math.log(2 * math.pi),)),
    (product(FunctionCall("log", (_TWO_PI,)), over=(TWO,)), (0.5 * math.log(2 * math.pi),)),
]


def term_of_number(value: Any) -> Term:
    """A number of Python or NumPy as a term; what is no number stands by its type."""
    if isinstance(value, bool | np.bool_):
        return Symbol("true" if value else "false")
    if isinstance(value, complex | np.complexfloating):
        return total(term_of_number(value.real), product(term_of_number(value.imag), Symbol("i")))
    if isinstance(value, int | np.integer):
        return number(int(value))
    if not isinstance(value, float | np.floating):
        return Symbol("array" if isinstance(value, np.ndarray) else type(value).__name__)
    plain = float(value)
    known = known_number(value)
    if known is not None:
        return known
    if not plain.is_integer():
        digits = Number(abs(shortest_float(value)))
        return negated(digits) if plain < 0 else digits
    return number(int(plain) if abs(plain) < 2**53 else plain)


def shortest_float(value: Any) -> float:
    """The float with the digits that a number is printed with: a float32 has fewer than a float64."""
    return float(str(value)) if isinstance(value, np.floating) else float(value)


def known_number(value: Any) -> Term | None:
    """The number that a float is taken for: √2 for 1.4142135623730951, 2 / 3; None of other numbers.

    >>> known_number(-1 / 3), known_number(0.25)
    (Product(factors=(Number(value=1),), over=(Number(value=3),), negative=True), None)
    """
    if not isinstance(value, float | np.floating):
        return None
    kind: Any = type(value) if isinstance(value, np.floating) else np.float64
    found = _rounded(kind).get(abs(float(value)))
    return negated(found) if found is not None and value < 0 else found


@cache
def _rounded(kind: Any) -> dict[float, Term]:
    """The numbers that are recognised, as floats of a kind; few digits tell nothing."""
    if np.finfo(kind).precision < 6:
        return {}
    return {float(kind(value)): term for term, values in _all() for value in values}


def _all() -> Iterator[tuple[Term, tuple[float, ...]]]:
    for bottom in range(3, _DENOMINATOR + 1):
        for top in range(1, 100):
            fraction = Fraction(top, bottom)
            if fraction.denominator == bottom and bottom not in (4, 5, 8, 10):  # 0.25 is as short as 1 / 4
                yield _under(Number(top), Number(bottom)), (top / bottom, 1 / bottom * top)
    yield from _KNOWN
