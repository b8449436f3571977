"""Floats as balls, and back: the numbers of exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from flint import arb


def exact(value: Any) -> Any:
    """A float, or an array of floats, as balls without error; whole numbers, conditions and balls stay as they are.

    >>> exact(0.1) == arb(0.1), exact(3), exact(np.array([True]))
    (True, 3, array([ True]))
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            return _each_ball(value.astype(float)) if value.shape else ball(value.item())
        if value.dtype == object:
            are_balls = not value.shape or set(map(type, value.ravel().tolist())) <= {arb}
            return value if are_balls else _each_ball(value)
        return value
    if isinstance(value, float | np.floating):
        return arb(float(value))
    return value


def middle(value: Any) -> Any:
    """The nearest float64 of balls.

    >>> middle(exact(np.array([0.5, 2.0])))
    array([0.5, 2. ])
    """
    if isinstance(value, np.ndarray) and value.dtype == object:
        return np.asarray(_each_middle(value), dtype=float) if value.size else np.zeros(value.shape)
    return float(ball(value).mid()) if isinstance(value, arb) else value


def ball(item: Any) -> arb:
    """One number as a ball."""
    if type(item) is arb:
        return item
    item = item.item() if isinstance(item, np.ndarray | np.generic) else item
    if type(item) is arb:
        return item
    return arb(item) if type(item) is float else arb(int(item))


def as_objects(function: Callable[..., Any], inputs: int = 1) -> Callable[..., Any]:
    """`function` of elements, applied to arrays; one number stays one number."""
    each: Callable[..., Any] = np.frompyfunc(function, inputs, 1)
    return each


_each_ball = as_objects(ball)
_each_middle = as_objects(lambda item: float(ball(item).mid()))


def is_exact(value: Any) -> bool:
    """Whether a value is made of balls."""
    return type(value) is arb or (isinstance(value, np.ndarray) and value.dtype == object)


def flat(value: Any) -> Iterable[Any]:
    """The elements of an array, or the one number."""
    return value.ravel().tolist() if isinstance(value, np.ndarray) else [value]


def size(value: Any) -> arb:
    """The largest absolute value in a gradient; what is not finite counts for nothing."""
    return max((x.abs_upper() for x in map(ball, flat(exact(value))) if x.is_finite()), default=arb(0))
