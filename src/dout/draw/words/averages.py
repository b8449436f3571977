"""Mean and norm of many numbers, right to the last digit that is shown.

Floats are summed fast, with a bound for what rounding did; where the shown digits could depend on that, the sum is made
exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from dout.number_text import CAREFUL, decimal_of

_EPSILON = 2.0**-52
_BLOCK = 2**16  # numbers whose sum is made at once
_ROUNDED = 80 * _EPSILON  # of the sum of sizes: NumPy sums in pairs, blocks of 128

Say = Callable[[Any], str]


def mean_text(finite: np.ndarray, say: Say) -> str:
    """The mean of finite numbers, in the words of `say`, which takes a float or a Decimal."""
    count = finite.size
    if _is_double(finite):
        scale = _scale(finite)
        sums = [(part.sum(), np.abs(part).sum()) for part in _parts(finite, scale)]
        total, error = (math.fsum(map(float, column)) for column in zip(*sums, strict=True))
        if text := _certain((total - _ROUNDED * error) / count, (total + _ROUNDED * error) / count, scale, say):
            return text
        if finite.dtype.kind in "iu":
            return say(decimal_of(Fraction(sum(finite.tolist()), count)))
        if all(
            np.array_equal(part * scale, own) for part, own in zip(_parts(finite, scale), _parts(finite), strict=True)
        ):
            whole = sum(map(_exact_sum, _parts(finite, scale)), Fraction())  # none became 0, or lost digits
            return say(decimal_of(whole * Fraction(scale) / count))
    return say(decimal_of(sum(map(_fraction, finite.tolist()), Fraction()) / count))


def norm_text(finite: np.ndarray, say: Say) -> str:
    """The Euclidean norm of finite numbers, likewise."""
    if _is_double(finite):
        scale = _scale(finite)
        small = finite.astype(np.float64, copy=False) / scale
        norm = math.sqrt(float(np.square(small).sum()))
        if text := _certain(norm * (1 - _ROUNDED), norm * (1 + _ROUNDED), scale, say):
            return text
    return say(CAREFUL.sqrt(decimal_of(sum((_fraction(x) ** 2 for x in finite.tolist()), Fraction()))))


def _is_double(finite: np.ndarray) -> bool:
    return finite.dtype.kind in "iu" or finite.dtype.itemsize <= 8


def _scale(finite: np.ndarray) -> float:
    """A power of two near the largest size, so that neither sums nor squares overflow; dividing by it is exact.

    But of numbers so small that they become subnormal.
    """
    largest = max(abs(float(finite.min())), abs(float(finite.max())))
    return math.ldexp(1.0, min(1023, math.frexp(largest)[1]))


def _parts(finite: np.ndarray, scale: float = 1.0) -> Iterator[np.ndarray]:
    """The numbers, divided by a scale, some at a time: all of them at once may take much memory."""
    for start in range(0, finite.size, _BLOCK):
        yield finite[start : start + _BLOCK].astype(np.float64) / scale


def _exact_sum(small: np.ndarray) -> Fraction:
    """The sum of numbers of at most 1 in size, exactly: of whole numbers of ever smaller units."""
    total, unit = Fraction(), Fraction(1)
    while small.size:
        small, unit = small * 2.0**26, unit / 2**26
        whole = np.rint(small)
        total += int(whole.astype(np.int64).sum()) * unit
        small = (rest := small - whole)[rest != 0]
    return total


def _certain(low: Any, high: Any, scale: float, say: Say) -> str:
    """The text of both ends of an interval if it is the same; else empty."""
    ends = [say(_scaled(end, scale)) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else ""


def _scaled(number: Any, scale: float) -> Any:
    product = float(number) * scale
    if 1e-290 < abs(product) < 1e290 and not isinstance(number, Fraction):
        return product  # what rounding does here is in the bounds
    return decimal_of(Fraction(number) * Fraction(scale))


def _fraction(number: Any) -> Fraction:
    return Fraction(*number.as_integer_ratio())
