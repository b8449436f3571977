"""Does a loss depend on a number by squares alone? Then a 2 or a ½ of its derivative is dropped by convention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.graph import Node, topological
from dout.judge.float_judge import in_float64
from dout.ops import primitives
from dout.run import otherwise, size_of

_POWERS = primitives("power pow math_pow")
_PRODUCTS = primitives("multiply dot matmul inner einsum")
_SQUARES = primitives("square var")
_STEP = 1e-3  # of the size of a value


def depends_by_squares(examination: Examination | None, node: Node) -> bool:
    """Whether every way from a value to what forward gives passes a square of it; what is not recorded may.

    So does a quadratic function of the value, however it is written: a square that was multiplied out.
    """
    if examination is None or _is_quadratic(examination, node):
        return True
    reached, plain = {node}, {node}  # all that depends on it, and what does by another way than a square
    for step in topological([*examination.seeds]):
        if reached.isdisjoint(step.inputs):
            continue
        reached.add(step)
        if not plain.isdisjoint(step.inputs) and step.kind == "f" and not _squares(step, reached, examination.data):
            plain.add(step)
    return plain.isdisjoint(examination.seeds)


def _squares(step: Node, reached: set[Node], data: Mapping[Node, Any]) -> bool:
    if step.primitive in _POWERS:
        base, exponent = step.inputs
        return base in reached and exponent not in reached and bool(np.all(np.asarray(data[exponent]) == 2))
    if step.primitive in _PRODUCTS:  # of the same numbers, in any shape: d @ d.T
        numbers = [np.sort(data[one], axis=None) for one in step.inputs if one in reached]
        return len(numbers) > 1 and len(numbers) == len(step.inputs) and all(map(np.array_equal, numbers, numbers[1:]))
    return step.primitive in _SQUARES


@otherwise(False)
def _is_quadratic(examination: Examination, node: Node) -> bool:
    """Whether the loss is a quadratic function of a value near the recorded point: its third difference is 0."""
    value = np.asarray(examination.data[node], dtype=float)
    way = np.random.default_rng(0).normal(size=value.shape) * _STEP * size_of(value)
    order = topological([*examination.seeds])

    def loss(times: float) -> float:
        found = in_float64(order, examination.recorded | {node: value + times * way})
        return float(sum(np.sum(found[output] * examination.data[dout]) for output, dout in examination.seeds.items()))

    a, b, c, d = map(loss, (-1.5, -0.5, 0.5, 1.5))
    second, third = abs(a - b - c + d), abs(d - 3 * c + 3 * b - a)
    return second > 1e-12 * abs(b) and third < 1e-6 * second
