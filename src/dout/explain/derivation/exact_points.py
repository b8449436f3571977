"""Generic points of a forward, in exact arithmetic: there every formula is compared with the derived gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from sympy import Dummy

from dout.explain.algebra.exact_values import equal, value
from dout.explain.derivation.forward_graph import Forward
from dout.graph import INPUT, Node, evaluate, topological
from dout.judge.ball_numbers import ball
from dout.judge.ball_values import Balls
from dout.ops.shape import sum_to

SPREAD = 1.5  # of the points around 0
LARGEST = 400  # elements of an array that are looked at


class ExactPoints:
    """The values and gradients of a forward at a generic point of each input, as balls."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    @cached_property
    def floats(self) -> Mapping[Node, Any]:
        """The same in float64, of everything that forward and its gradients compute."""
        forward = self.forward
        wanted = [*forward.outputs, *forward.gradients.of.values(), *forward.gradients.on.values()]
        with np.errstate(all="ignore"):
            return evaluate(wanted, self.given)

    @cached_property
    def given(self) -> Mapping[Node, Any]:
        """Generic inputs and upstream gradients."""
        generator = np.random.default_rng(3)
        forward = self.forward
        given: dict[Node, Any] = {n: forward.values[n] for n in forward.nodes if n.primitive is INPUT}
        for node in forward.inputs:
            if np.dtype(node.dtype).kind == "f" or isinstance(node.dtype, type):
                given[node] = generator.normal(size=node.shape)[()] * SPREAD
        given |= {seed: generator.normal(size=seed.shape)[()] for seed in forward.seeds.values()}
        return given

    @cached_property
    def balls(self) -> Balls:
        """All values and gradients."""
        forward = self.forward
        found = Balls(self.given)
        wanted = [*forward.outputs, *forward.gradients.of.values(), *forward.gradients.on.values()]
        found.compute(topological(wanted, known=found.values))
        return found

    def holds(self, expression: Any, symbols: Mapping[Any, Node], gradient: Node, shape: tuple[int, ...]) -> bool:
        """Whether an expression of the values of some nodes is a gradient, in each element of arrays of a shape.

        A gradient of a smaller shape is the sum of the elements that its value was repeated over.
        """
        used = {s: node for s, node in symbols.items() if s in expression.free_symbols}
        try:
            if gradient.shape == shape:
                return equal(
                    expression, {s: self._column(n, shape) for s, n in used.items()}, self._column(gradient, shape)
                )
            return self._adds_up(
                expression, {s: self._column(n, shape, math.inf) for s, n in used.items()}, gradient, shape
            )
        except TypeError:
            return False

    def _adds_up(
        self, expression: Any, columns: Mapping[Any, list[Any]], gradient: Node, shape: tuple[int, ...]
    ) -> bool:
        size = math.prod(shape)
        each = [value(expression, {s: ball(column[i]) for s, column in columns.items()}) for i in range(size)]
        whole = np.empty(size, dtype=object)
        whole[:] = each
        summed = np.asarray(sum_to(whole.reshape(shape), gradient.shape), dtype=object)
        whole_sum = Dummy()
        return equal(whole_sum, {whole_sum: summed.ravel().tolist()}, self._column(gradient, gradient.shape))

    def _column(self, node: Node, shape: tuple[int, ...], most: float = LARGEST) -> list[Any]:
        value = np.asarray(self.balls.values[node], dtype=object)
        column = np.broadcast_to(value, shape).ravel()
        return list(column if most > column.size else column[: int(most)])
