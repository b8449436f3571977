"""Generic points of a forward, in exact arithmetic: there every formula is compared with the derived gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dout.explain.algebra.exact_values import equal, upstream_name, value
from dout.explain.axes.term_values import NoValueError, constants_meant
from dout.explain.derivation.forward_graph import Forward
from dout.explain.terms.terms import Partial, Symbol, Term
from dout.explain.terms.walk import names_in, parts_of
from dout.graph import INPUT, Node, evaluate, topological
from dout.judge.ball_numbers import ball, exact
from dout.judge.ball_values import Balls
from dout.judge.outcomes import NoRuleError
from dout.ops.shape import sum_to

SPREAD = 1.5  # of the points around 0
LARGEST = 60  # elements of an array that are looked at
MOST_NUMBERS = 20_000  # of all values of forward together


class ExactPoints:
    """The values and gradients of a forward at a generic point of each input, as balls."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    @cached_property
    def floats(self) -> Mapping[Node, Any]:
        """The same in float64, of everything that forward and its gradients compute."""
        return self._floats_at(self.given)

    def _floats_at(self, point: Mapping[Node, Any]) -> Mapping[Node, Any]:
        with np.errstate(all="ignore"):
            return evaluate(self._wanted, point)

    @property
    def _wanted(self) -> list[Node]:
        forward = self.forward
        return [*forward.outputs, *forward.gradients.of.values(), *forward.gradients.on.values()]

    @cached_property
    def given(self) -> Mapping[Node, Any]:
        """Generic inputs and upstream gradients; near the recorded run, or as there, where forward fails elsewhere.

        What the layer holds is moved, too: a scale of 1 and a bias of 0 hide what they are for. It keeps its sign.
        """
        generator = np.random.default_rng(3)
        forward = self.forward
        recorded: dict[Node, Any] = {n: forward.values[n] for n in forward.nodes if n.primitive is INPUT}
        free = [n for n in forward.inputs if n.kind == "f" or isinstance(n.dtype, type)]
        held = [n for n in recorded if n not in forward.inputs and n.kind == "f"]
        anywhere = {node: generator.normal(size=node.shape)[()] * SPREAD for node in free}
        moved = {n: _moved(recorded[n], generator) for n in held}
        seeds = {seed: generator.normal(size=seed.shape)[()] for seed in forward.seeds.values()}
        point = {**recorded, **anywhere, **moved, **seeds}
        for share in (0.1, 0.001, 0.0):
            if self._is_as_recorded(point):
                break
            near = {n: recorded[n] * generator.uniform(1 - share, 1 + share, n.shape)[()] for n in (*free, *held)}
            point = {**recorded, **near, **seeds}
        return point

    def _is_as_recorded(self, point: Mapping[Node, Any]) -> bool:
        """Whether a point gives finite outputs, and arrays of the recorded shapes: a mask may choose fewer elements."""
        try:
            values = self._floats_at(point)
        except (ValueError, IndexError):
            return False
        is_finite = all(np.all(np.isfinite(values[node])) for node in self.forward.outputs)
        return is_finite and all(np.shape(values[node]) == node.shape for node in self.forward.nodes if node in values)

    @cached_property
    def balls(self) -> Mapping[Node, Any]:
        """All values and gradients in exact arithmetic; those of a large run as float64 has them."""
        if self.is_large:
            return self.floats
        found = Balls({**self.given, **constants_meant(topological(self._wanted, known=self.given))})
        found.compute(topological(self._wanted, known=found.values))
        return found.values

    @cached_property
    def is_large(self) -> bool:
        """Whether exact arithmetic would take long: then formulas are compared to ten digits."""
        return sum(math.prod(node.shape) for node in self.forward.nodes) > MOST_NUMBERS

    def holds(self, term: Term, names: Mapping[str, Node], gradients: Sequence[Node], shape: tuple[int, ...]) -> bool:
        """Whether a term of the values with these names is the sum of gradients, in each element of arrays of a shape.

        A gradient of a smaller shape is the sum of the elements that its value was repeated over.
        """
        (gradient, *others) = gradients
        if gradient.shape == shape:
            wanted = self._column(gradient, shape, LARGEST)
            for other in others:
                wanted = [ball(a) + ball(b) for a, b in zip(wanted, self._column(other, shape, LARGEST), strict=True)]
            return equal(term, self._given(term, names, shape, LARGEST), wanted, exactly=not self.is_large)
        each = self._values(term, names, shape, None)
        if each is None or others:
            return False
        elements = np.empty(math.prod(shape), dtype=object)
        elements[:] = each
        summed = np.asarray(sum_to(elements.reshape(shape), gradient.shape), dtype=object).ravel()
        wanted = self._column(gradient, gradient.shape, None)
        return equal(Symbol("whole"), {"whole": list(summed)}, wanted, exactly=not self.is_large)

    def agree(self, left: Term, right: Term, names: Mapping[str, Node], shape: tuple[int, ...]) -> bool:
        """Whether two terms of the values with these names are equal, in each element of arrays of a shape."""
        wanted = self._values(right, names, shape, LARGEST)
        given = self._given(left, names, shape, LARGEST)
        return wanted is not None and equal(left, given, wanted, exactly=not self.is_large)

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
        used = names_in(term)
        used |= {upstream_name(part.of) for part in parts_of(term) if isinstance(part, Partial)}
        return {name: self._column(names[name], shape, most) for name in used & names.keys()}

    def _column(self, node: Node, shape: tuple[int, ...], most: int | None) -> list[Any]:
        array = np.asarray(exact(self.balls[node]), dtype=object)
        return list(np.broadcast_to(array, shape).ravel()[:most])


def _moved(held: Any, generator: np.random.Generator) -> Any:
    """Other numbers of the same signs; none is 0 or 1."""
    more = generator.uniform(0.1, 0.4, np.shape(held))[()]
    return np.where(np.asarray(held) < 0, held - more, held + more)[()]
