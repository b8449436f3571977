"""Generic points of a forward, in exact arithmetic: there every formula is compared with the derived gradient."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from dout.explain.algebra.exact_values import equal
from dout.explain.derivation.forward_graph import Forward
from dout.graph import INPUT, Node, topological
from dout.judge.ball_values import Balls

SPREAD = 1.5  # of the points around 0
LARGEST = 400  # elements of an array that are looked at


class ExactPoints:
    """The values and gradients of a forward at a generic point of each input, as balls."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    @cached_property
    def balls(self) -> Balls:
        """All values, for generic inputs and upstream gradients."""
        generator = np.random.default_rng(3)
        forward = self.forward
        given: dict[Node, Any] = {n: forward.values[n] for n in forward.nodes if n.primitive is INPUT}
        for node in forward.inputs:
            if np.dtype(node.dtype).kind == "f" or isinstance(node.dtype, type):
                given[node] = generator.normal(size=node.shape)[()] * SPREAD
        given |= {seed: generator.normal(size=seed.shape)[()] for seed in forward.seeds.values()}
        found = Balls(given)
        wanted = [*forward.outputs, *forward.gradients.of.values(), *forward.gradients.on.values()]
        found.compute(topological(wanted, known=found.values))
        return found

    def holds(self, expression: Any, symbols: Mapping[Any, Node], gradient: Node) -> bool:
        """Whether an expression of the values of some nodes is the gradient that a node computes, in each element."""
        shape = gradient.shape
        used = {s: node for s, node in symbols.items() if s in expression.free_symbols}
        columns = {s: self._column(node, shape) for s, node in used.items()}
        try:
            return equal(expression, columns, self._column(gradient, shape))
        except TypeError:
            return False

    def _column(self, node: Node, shape: tuple[int, ...]) -> list[Any]:
        value = np.asarray(self.balls.values[node], dtype=object)
        return list(np.broadcast_to(value, shape).ravel()[:LARGEST])
