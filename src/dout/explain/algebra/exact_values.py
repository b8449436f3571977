"""Whether a formula, as it will be printed, equals a derived gradient: both are evaluated in exact arithmetic.

The gradient comes from the rows of the recorded graph, the formula from SymPy: neither knows of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from flint import arb

from dout.explain.axes.term_values import Meanings, NoValueError, value_of
from dout.explain.terms.terms import Partial, Symbol, Term
from dout.explain.terms.walk import substituted
from dout.judge.ball_numbers import ball
from dout.judge.outcomes import NoRuleError

NEAR = arb(2) ** -200  # of the larger of the two
TEN_DIGITS = arb(2) ** -33


def upstream_name(of: str) -> str:
    """The name under which the gradient of a value is given."""
    return f"∂L/∂{of}"


def equal(term: Term, given: Mapping[str, Sequence[Any]], expected: Iterable[Any], *, exactly: bool = True) -> bool:
    """Whether a term has the `expected` balls at all points; `given` has the balls of its names there.

    If not `exactly`, they come from float64.

    Points at which either is not finite, or has lost too many digits to tell, are passed by. False where none is left,
    and for a term without numbers.
    """
    near = TEN_DIGITS if not exactly else NEAR
    known = 0
    for i, item in enumerate(map(ball, expected)):
        try:
            got = value(term, {name: column[i] for name, column in given.items()})
        except (NoValueError, NoRuleError, ZeroDivisionError):
            return False
        if not (got.is_finite() and item.is_finite()):
            continue
        size = max(abs(got).upper(), abs(item).upper())
        if abs(got - item).upper() <= near * size:
            known += 1
        elif not got.overlaps(item):
            return False
    return known > 0


def value(term: Term, given: Mapping[str, Any]) -> arb:
    """The ball of a term. Raises NoValueError for one that has none."""
    plain = substituted(term, lambda part: Symbol(upstream_name(part.of)) if isinstance(part, Partial) else None)
    numbers = {name: _alone(item) for name, item in given.items()}
    found: arb = ball(value_of(plain, {}, Meanings(numbers, {})))
    return found


def _alone(item: Any) -> Any:
    """One number as an array without axes."""
    array = np.empty((), dtype=object)
    array[()] = ball(item)
    return array
