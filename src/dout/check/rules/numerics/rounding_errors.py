"""An error much larger than rounding the inputs explains: the formula loses digits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.lab.other_values import is_number
from dout.check.lab.probe import Lab
from dout.check.rules.numerics.exact_targets import ExactTarget, exact_targets, largest
from dout.judge.ball_numbers import middle
from dout.judge.outcomes import Point
from dout.run import PlainRun

LOST = 1e-8  # an error relative to the largest element that is worth a word …
EXPLAINED = 1e4  # … unless it is within so many times the change that an ulp in the inputs makes to the exact value
TINY = 1e-6  # a value so much smaller than the numbers that it was made of is no loss


@dataclass(frozen=True)
class LostDigits:
    """The element with the largest error; errors are relative to the largest element of the exact value."""

    target: ExactTarget
    index: tuple[int, ...]
    expected: float
    got: float
    error: float
    explained: float  # the error that rounding the inputs makes


def lost_digits(
    lab: Lab, examination: Examination, point: Point, run: PlainRun, targets: list[ExactTarget]
) -> Iterator[LostDigits]:
    """Yield the worst loss of digits, if there is one. In float32 every number has few digits: nothing is said."""
    kinds = [x.dtype for x in point.values() if isinstance(x, np.ndarray | np.floating)]
    if any(dtype.kind == "f" and dtype != np.dtype(float) for dtype in kinds):
        return
    sizes = [np.abs(np.asarray(x, dtype=float)).max(initial=0) for x in run.inputs if is_number(x)]
    douts = [np.abs(np.asarray(d, dtype=float)).max(initial=0) for d in run.douts]
    suspects = []
    for i, t in enumerate(targets):
        error, size = t.error, largest(t.exact)
        floor = min(1.0, max(sizes, default=1.0)) if t.argument is None else max(douts, default=1.0)
        if error is not None and size > TINY * floor and error[0] > LOST * size:
            suspects.append((error[0] / size, i, error))
    if not suspects:
        return
    relative, i, (error_size, index) = max(suspects, key=lambda suspect: suspect[0])
    moved = [m for seed in (1, 2) if (m := _moved(lab, examination, point, run, targets, i, seed)) is not None]
    if moved and error_size > EXPLAINED * max(moved):
        worst = targets[i]
        expected, got = float(np.asarray(middle(worst.exact))[index]), float(np.asarray(worst.got)[index])
        yield LostDigits(worst, index, expected, got, relative, max(moved) / largest(worst.exact))


def _moved(
    lab: Lab, examination: Examination, point: Point, run: PlainRun, targets: list[ExactTarget], i: int, seed: int
) -> float | None:
    """How far the exact value moves when every input, parameter and upstream gradient moves by an ulp."""
    generator = np.random.default_rng(seed)
    near: dict[Any, Any] = dict(point)
    for node in dict.fromkeys((*examination.varying, *examination.seeds.values())):
        if node in near and np.asarray(near[node]).dtype.kind == "f":
            value = np.asarray(near[node], dtype=float)
            near[node] = (value + np.spacing(value) * generator.choice([-1.0, 1.0], size=value.shape))[()]
    others = exact_targets(lab, examination, near, run)
    if others is None or np.shape(others[i].exact) != np.shape(targets[i].exact):
        return None
    return largest(others[i].exact - targets[i].exact)
