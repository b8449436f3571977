"""A plain run beside exact arithmetic: each output and gradient as computed, as its own formula gives it, and right.

An error much larger than rounding the inputs explains says that the formula loses digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.lab.other_values import is_number
from dout.check.lab.probe import Lab
from dout.graph import Node, topological
from dout.judge.ball_numbers import exact, middle
from dout.judge.ball_values import Balls
from dout.judge.outcomes import NoRuleError, Point
from dout.run import PlainRun

LOST = 1e-8  # an error relative to the largest element that is worth a word …
EXPLAINED = 1e4  # … unless it is within so many times the change that an ulp in the inputs makes to the exact value
TINY = 1e-6  # a value so much smaller than the numbers that it was made of is no loss


class ExactTarget(NamedTuple):
    """A value to compare: as computed, as the same formula gives it exactly, and as it should be.

    `argument` is the input that it is the gradient of; None for an output.
    """

    name: str
    argument: str | None
    got: Any
    exact: Any
    right: Any

    @property
    def has_shape(self) -> bool:
        """Whether what was computed is an array or number of floats with the right shape."""
        got = np.asarray(self.got)
        return got.dtype.kind == "f" and got.shape == np.shape(self.right)

    @property
    def not_finite(self) -> tuple[int, ...] | None:
        """The first element that is not finite although the right one is; None if there is none."""
        if not self.has_shape:
            return None
        places = np.argwhere(~np.isfinite(np.asarray(self.got)) & finite(self.right))
        return tuple(int(i) for i in places[0]) if len(places) else None

    def is_undefined(self, lab: Lab, run: PlainRun) -> bool:
        """Whether a gradient is not finite, rightly, where the output is; or an output of one input is 0 / 0."""
        got = np.asarray(self.got)
        if not self.has_shape:
            return False
        if self.argument is None:
            return len(lab.floats) == 1 and bool(np.any(np.isnan(got)))
        return not np.isfinite(got).all() and all(np.isfinite(x).all() for x in run.outputs if is_number(x))

    @property
    def error(self) -> tuple[float, tuple[int, ...]] | None:
        """The largest distance from the exact value, and where it is; None if there is nothing to compare."""
        got = np.asarray(self.got)
        comparable = got.dtype.kind == "f" and got.shape == np.shape(self.exact) and got.size
        if not comparable or not finite(self.exact).all():
            return None
        distance = np.abs(np.asarray(middle(exact(got) - self.exact), dtype=float))
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), distance.shape))
        return float(distance[index]), index


def point_of(examination: Examination, inputs: tuple[Any, ...]) -> Point:
    """The values of everything that a recording was given, with these inputs."""
    nodes = zip(examination.call.inputs, inputs, strict=True)
    return {**examination.base, **{node: x for node, x in nodes if node in examination.base}}


def exact_targets(lab: Lab, examination: Examination, point: Point, run: PlainRun) -> list[ExactTarget] | None:
    """Outputs and gradients as computed, beside their exact values; None if exact arithmetic cannot have those."""
    call = examination.call
    gradients = list(call.gradients or ())
    if len(gradients) != len(run.gradients) or len(call.outputs) != len(run.outputs):
        return None
    judged = {j.node: j for j in examination.judged if not j.parameter}
    wanted: list[Node] = [*call.outputs, *(g for g in gradients if g is not None)]
    wanted += [examination.derived[node] for node in judged if node in examination.derived]
    try:
        balls = Balls(point)
        balls.compute(topological(wanted, known=balls.values))
    except (NoRuleError, ArithmeticError, ValueError, TypeError):
        return None
    found = []
    for node, got in zip(call.outputs, run.outputs, strict=True):
        value = exact(balls.values[node])
        found.append(ExactTarget("the output", None, got, value, value))
    for i, (gradient, got) in enumerate(zip(gradients, run.gradients, strict=True)):
        if gradient is not None and i < len(call.inputs) and call.inputs[i] in judged:
            right = examination.expected(balls, judged[call.inputs[i]])
            mine, name = exact(balls.values[gradient]), lab.name(i)
            found.append(ExactTarget(f"the gradient of {name}", name, got, mine, right))
    return found


def finite(value: Any) -> Any:
    """Where balls are finite, in float64's range too."""
    numbers = np.asarray(middle(value), dtype=float)
    certain = np.asarray(np.frompyfunc(lambda e: not hasattr(e, "is_finite") or e.is_finite(), 1, 1)(value), dtype=bool)
    return np.isfinite(numbers) & certain


def largest(value: Any) -> float:
    """The size of the largest finite element."""
    numbers = np.asarray(middle(value), dtype=float)
    return float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0))


# --- digits that are lost ---------------------------------------------------------------------------------------------


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
) -> LostDigits | None:
    """Return the worst loss of digits. In float32 every number has few digits: nothing is said."""
    kinds = [x.dtype for x in point.values() if isinstance(x, np.ndarray | np.floating)]
    if any(dtype.kind == "f" and dtype != np.dtype(float) for dtype in kinds):
        return None
    sizes = [np.abs(np.asarray(x, dtype=float)).max(initial=0) for x in run.inputs if is_number(x)]
    douts = [np.abs(np.asarray(d, dtype=float)).max(initial=0) for d in run.douts]
    suspects = []
    for i, t in enumerate(targets):
        error, size = t.error, largest(t.exact)
        floor = min(1.0, max(sizes, default=1.0)) if t.argument is None else max(douts, default=1.0)
        if error is not None and size > TINY * floor and error[0] > LOST * size:
            suspects.append((error[0] / size, i, error))
    if not suspects:
        return None
    relative, i, (error_size, index) = max(suspects, key=lambda suspect: suspect[0])
    moved = [m for seed in (1, 2) if (m := _moved(lab, examination, point, run, targets, i, seed)) is not None]
    if not moved or error_size <= EXPLAINED * max(moved):
        return None
    worst = targets[i]
    expected, got = float(np.asarray(middle(worst.exact))[index]), float(np.asarray(worst.got)[index])
    return LostDigits(worst, index, expected, got, relative, max(moved) / largest(worst.exact))


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
