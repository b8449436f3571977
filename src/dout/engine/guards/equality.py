"""How a driver compares by value: equal numbers and texts agree in value, sign and type."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dout.trace.session.attribute_swap import content


def _parts(item: Any) -> tuple[Any, ...]:
    return tuple(item) if isinstance(item, frozenset) else (item.start, item.stop, item.step)


def alike(one: Any, other: Any) -> bool:
    """Whether two tuples of numbers and text are the same, in value, sign and type: 0.0 is not -0.0."""
    if type(one) is tuple:
        return type(other) is tuple and len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, range | slice | frozenset) and type(one) is type(other):  # in order, each number in its type
        return alike(_parts(one), _parts(other))
    same = type(one) is type(other) and bool(one == other)
    if not same or not isinstance(one, float | complex | np.inexact):
        return same
    return repr(one) == repr(other) if isinstance(one, complex | np.complexfloating) or not one else True


def holds_still(holder: Any, stood: tuple[Any, ...]) -> bool:
    """Whether a long list or dict still holds the numbers and texts that it held."""
    now = content(holder)
    return len(now) == len(stood) and (all(map(operator.is_, now, stood)) or all(map(alike, now, stood)))
