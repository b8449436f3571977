"""Generic points of a forward, in exact arithmetic: there every formula is compared with the derived gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from dout.explain.algebra.exact_values import equal, upstream_name, value
from dout.explain.axes.indices import parts_of
from dout.explain.axes.term_values import NoValueError
from dout.explain.derivation.forward_graph import Forward
from dout.explain.terms.terms import Partial, Symbol, Term
from dout.graph import INPUT, Node, evaluate, topological
from dout.judge.ball_values import Balls
from dout.judge.outcomes import NoRuleError
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

    def holds(self, term: Term, names: Mapping[str, Node], gradient: Node, shape: tuple[int, ...]) -> bool:
        """Whether a term of the values with these names is a gradient, in each element of arrays of a shape.

        A gradient of a smaller shape is the sum of the elements that its value was repeated over.
        """
        if gradient.shape == shape:
            return equal(term, self._given(term, names, shape, LARGEST), self._column(gradient, shape, LARGEST))
        each = self._values(term, names, shape, None)
        if each is None:
            return False
        elements = np.empty(math.prod(shape), dtype=object)
        elements[:] = each
        summed = np.asarray(sum_to(elements.reshape(shape), gradient.shape), dtype=object).ravel()
        return equal(Symbol("whole"), {"whole": list(summed)}, self._column(gradient, gradient.shape, None))

    def agree(self, left: Term, right: Term, names: Mapping[str, Node], shape: tuple[int, ...]) -> bool:
        """Whether two terms of the values with these names are equal, in each element of arrays of a shape."""
        wanted = self._values(right, names, shape, LARGEST)
        return wanted is not None and equal(left, self._given(left, names, shape, LARGEST), wanted)

    def _values(
        self, term: Term, names: Mapping[str, Node], shape: tuple[int, ...], most: int | None
    ) -> list[Any] | None:
        """The elements of a term; None of one without numbers."""
        given = self._given(term, names, shape, most)
        try:
            size = len(range(math.prod(shape))[:most])
            return [value(term, {name: column[i] for name, column in given.items()}) for i in range(size)]
        except (NoValueError, NoRuleError, ZeroDivisionError):
            return None

    def _given(
        self, term: Term, names: Mapping[str, Node], shape: tuple[int, ...], most: int | None
    ) -> dict[str, list[Any]]:
        used = {part.name for part in parts_of(term) if isinstance(part, Symbol)}
        used |= {upstream_name(part.of) for part in parts_of(term) if isinstance(part, Partial)}
        return {name: self._column(names[name], shape, most) for name in used & names.keys()}

    def _column(self, node: Node, shape: tuple[int, ...], most: int | None) -> list[Any]:
        array = np.asarray(self.balls.values[node], dtype=object)
        return list(np.broadcast_to(array, shape).ravel()[:most])
