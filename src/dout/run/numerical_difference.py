"""Slopes by numerical differences of a function of one number, at 0, each with an estimate of its own error.

Complex step first (Squire and Trapp, SIAM Review 40, 1998), where the function computes on complex numbers as on real
ones; else Ridders' extrapolation of central differences (Advances in Engineering Software 4, 1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

TINY = 1e-30  # the complex step, as every step here relative to the size of what moves
GOOD = 1e-5  # an estimate of the error beyond this part of the slope says nothing
STEPS = (0.05, 5e-4, 5e-6)  # the first steps of an extrapolation: the later ones where a function bends much sooner
_STEADY = 1e-7  # how far two slopes lie apart where a function is smooth
_FAR, _SHORTER = 300, 0.61  # times a step, where differences are lost in the rounding of float32
_SHRINK, _ROUNDS = 1.6, 8  # of an extrapolation


def size_of(x: Any) -> float:
    """The largest absolute value; 1 of zeros, and of nothing."""
    return float(np.max(np.abs(x), initial=0.0)) or 1.0


def central_difference(loss: Callable[[Any], Any], step: Any) -> Any:
    """The slope between two points, a step to each side. The numbers may be floats or balls."""
    return (loss(step) - loss(-step)) / (2 * step)


def sure_difference(loss: Callable[[float], float], step: float, rounding: float = 0.0) -> tuple[float, float]:
    """The slope between two points, a step to each side, and what rounding may do to it.

    A shorter step has the same slope, but where the loss is rounded to float32 on its way: then the steps are larger.
    `rounding` is that of the loss, relative to it, where it is known.
    """
    found = []
    for one, bent in ((step, 0.0), (_FAR * step, 1e-3)):  # so much of the slope may be its own bend there
        slope, other = central_difference(loss, one), central_difference(loss, _SHORTER * one)
        lost = max(abs(slope - other), rounding * abs(loss(one)) / one if rounding else 0.0) + bent * abs(slope)
        if lost <= 2e-3 * abs(slope):
            return slope, lost
        found.append((lost, slope))
    lost, slope = min(found)
    return slope, lost


class Slope(NamedTuple):
    """A slope, an estimate of its error, and whether it is that of a complex step."""

    value: float
    error: float
    complex_step: bool = False


class Line(NamedTuple):
    """The loss as a function of how far one number moves from `here`; `size` is that of the array that it is one of."""

    loss: Callable[[Any], Any]
    here: float
    size: float

    def slope(self, guess: float) -> Slope:
        """The slope, by a complex step where that can be; of several differences the one that confirms the guess."""
        exact = self._complex_step()
        found = self._settled(guess if exact is None else exact)
        agrees = exact is not None and found.error < math.inf  # abs and the like pass, silently and wrongly
        if exact is not None and agrees and abs(exact - found.value) <= 10 * found.error + 1e-4 * abs(found.value):
            return Slope(exact, 0.0, complex_step=True)
        return found if exact is None else self._settled(guess)

    def steady_slope(self) -> tuple[float, bool]:
        """The slope where two pairs of small steps agree on it, and whether it is by a complex step; else nan."""
        here, slopes, gaps = self.loss(0.0), [], []
        for step in (2e-5 * self.size, 5e-6 * self.size):
            right, left = (self.loss(step) - here) / step, (here - self.loss(-step)) / step
            slopes.append(float(right + left) / 2)
            gaps.append(abs(float(right - left)))
        found = (16 * slopes[1] - slopes[0]) / 15  # the error of a central difference goes with the square of the step
        is_bent = gaps[1] > max(gaps[0] / 2, 1e-6 * abs(found))  # at a kink both sides keep their slopes
        if is_bent or not abs(slopes[1] - slopes[0]) <= _STEADY * abs(found):
            return math.nan, False
        exact = self._complex_step()
        return (exact, True) if exact is not None and abs(exact - found) <= _STEADY * abs(found) else (found, False)

    def nearby(self, step: float) -> float:
        """The slope between two points next to each other: rough, but hardly anything lies between them."""
        return float(central_difference(self.loss, step * self.size))

    def is_kink(self) -> bool:
        """Whether the slopes on both sides differ, go on to differ nearer by, and each has come to its own value."""
        here = self.loss(0.0)
        sides, gaps = [], []
        for step in (1e-3 * self.size, 1e-5 * self.size):
            right, left = (self.loss(step) - here) / step, (here - self.loss(-step)) / step
            sides.append((left, right))
            gaps.append(abs(right - left) / (max(abs(right), abs(left)) or 1.0))
        (left, right), (left_, right_) = sides
        settles = abs(left - left_) + abs(right - right_) < abs(right_ - left_)
        return bool(settles and gaps[1] > 1e-3 and gaps[1] > gaps[0] / 2)

    def _complex_step(self) -> float | None:
        """The slope by a complex step; None where the function does not compute on complex numbers."""
        step = TINY * self.size
        try:
            result, real = self.loss(1j * step), self.loss(0.0)
        except Exception:
            return None
        agrees = np.iscomplexobj(result) and np.allclose(np.real(result), real, rtol=1e-9, atol=0)
        return float(np.imag(result)) / step if agrees else None

    def _settled(self, guess: float) -> Slope:
        """The first extrapolated slope that is the guess; else the surest of several, as sure as they agree."""
        own, found = abs(self.here), []
        last = STEPS[0] * own if 0 < own < STEPS[1] * self.size else STEPS[0]
        for step in (*(self.size * s for s in STEPS), last):
            slope, error, _ = extrapolated(self.loss, step)
            if error <= GOOD * abs(slope) and abs(slope - guess) <= 4 * error + 1e-6 * abs(slope):
                return Slope(slope, error)
            found.append((error, slope))
        (error, slope), (_, other), *_ = sorted(found)
        here, beside = (self.loss(step) for step in (0.0, float(np.spacing(own))))
        if abs(beside - here) > 1e-6 * abs(here):
            return Slope(slope, math.inf)  # it bends from one float to the next: no step is small enough
        return Slope(slope, max(error, abs(slope - other)))


def extrapolated(loss: Callable[[float], Any], step: float) -> Slope:
    """The slope by Ridders' extrapolation of central differences from this step down, and an estimate of its error."""
    table = np.zeros((_ROUNDS, _ROUNDS))
    best, error = float("nan"), float("inf")
    for i in range(_ROUNDS):
        table[0, i] = central_difference(loss, step)
        factor = 1.0
        for j in range(1, i + 1):
            factor *= _SHRINK**2
            table[j, i] = (table[j - 1, i] * factor - table[j - 1, i - 1]) / (factor - 1)
            guess = max(abs(table[j, i] - table[j - 1, i]), abs(table[j, i] - table[j - 1, i - 1]))
            if guess <= error:
                best, error = float(table[j, i]), float(guess)
        if i and abs(table[i, i] - table[i - 1, i - 1]) >= 2 * error:
            break
        step /= _SHRINK
    return Slope(best, error)
