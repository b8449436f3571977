"""A recorded run whose gradients are judged: the values it was given, and what in its formulas excuses a difference."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dout.graph import CONSTANT, INPUT, PYTHON_NUMBERS, Node, computed_from, topological
from dout.judge.outcomes import Judged, Point
from dout.ops import PRIMITIVES

MOST_ELEMENTS = 200_000  # over all nodes: beyond that exact arithmetic takes seconds
STABILISER = 1e-4  # a literal no larger than this is there to keep a number finite: log(y + 1e-7)
_MOST_STABILISERS = 16  # lines of the source with one that are left out each by itself
_MOST_RECOMPUTED = 100_000_000  # numbers that leaving them out may compute anew: some seconds
_RESHAPE = PRIMITIVES["reshape"]
_KEEPS_FINITE = frozenset(PRIMITIVES[name] for name in ("add", "subtract", "maximum", "clip"))


def elements(nodes: Iterable[Node]) -> int:
    """How many numbers all nodes hold together."""
    return sum(math.prod(node.shape) for node in nodes)


def keeps_a_shape(nodes: Iterable[Node]) -> bool:
    """Whether a step reshapes an array to the shape that it has: what does that is meant for more axes."""
    return any(node.primitive is _RESHAPE and node.shape == node.inputs[0].shape for node in nodes)


def is_label(value: Any) -> bool:
    """Whether a value is one of a few with a meaning: whole numbers, ones among zeros, signs, rows with a sum of 1."""
    if type(value) in PYTHON_NUMBERS:
        return isinstance(value, bool)
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return True
    if array.ndim and array.size > 1 and np.all(np.abs(array) == 1):
        return True
    if array.ndim == 0 or not array.size or not array.min() >= 0:  # one below 0, or NaN
        return False
    whole = bool(np.all((array == 0) | (array == 1)))
    rows = np.sum(array, axis=-1) if array.shape[-1] > 1 else np.zeros(1)
    return (whole and array.size > 1) or bool(np.all(np.abs(rows - 1) < 1e-6))


def is_one_hot(array: np.ndarray[Any, Any]) -> bool:
    """Whether each row has one 1 among zeros."""
    return array.ndim > 1 and bool(np.all((array == 0) | (array == 1))) and bool(np.all(array.sum(-1) == 1))


@dataclass(eq=False)
class JudgedRun:
    """The nodes of a run with their values, the gradients to judge, and the seeds of backward.

    `backward` are the nodes that belong to a backward; `seeds` are outputs with their upstream gradients; `inputs` are
    those of the layer, in their order; `largest` is the size of the largest gradient around, judged or not.
    """

    nodes: Sequence[Node]
    data: Mapping[Node, Any]
    backward: Collection[Node]
    judged: Sequence[Judged]
    seeds: dict[Node, Node]
    inputs: Sequence[Node]
    largest: float = 0.0

    @cached_property
    def forward(self) -> frozenset[Node]:
        """The nodes of the forward."""
        return frozenset(node for node in self.nodes if node not in self.backward)

    @property
    def ignores_dout(self) -> bool:
        """Whether no gradient depends on the upstream one: of a run with several layers it is not asked."""
        return False

    @property
    def base(self) -> Point:
        """The point of the recorded run itself; a `dout` that is ignored is 1."""
        return self.recorded | self.ones if self.ignores_dout else self.recorded

    @cached_property
    def recorded(self) -> dict[Node, Any]:
        """The values of the graph's inputs, and of the upstream gradients, in the recorded run."""
        inputs = (node for node in self.nodes if node.primitive is INPUT)
        return {node: self.data[node] for node in (*inputs, *self.varying, *self.seeds.values())}

    @cached_property
    def varying(self) -> tuple[Node, ...]:
        """The inputs and parameters that may take other values: labels, one-hot rows and probabilities keep theirs.

        An array that the program makes of nothing, as `np.zeros(3)`, is a parameter.
        """
        judged = dict.fromkeys(j.node for j in self.judged)  # what has a gradient is no label
        nodes = [node for node in dict.fromkeys((*self.inputs, *judged)) if not node.inputs]
        made = {node for node in nodes if node.primitive not in (INPUT, CONSTANT) and node.kind == "f"}
        given = {n for n in nodes if n.primitive is INPUT and (n in judged or not is_label(self.data[n]))}
        return tuple(node for node in nodes if node in made | given)

    @cached_property
    def moving(self) -> frozenset[Node]:
        """The nodes whose values depend on an input that may vary."""
        return frozenset(self.varying) | computed_from(self.nodes, self.varying)

    @cached_property
    def labels(self) -> tuple[Node, ...]:
        """The inputs that keep their values as labels do."""
        found = (n for n in self.inputs if n.primitive is INPUT and n not in self.varying)
        return tuple(n for n in found if isinstance(self.data[n], np.ndarray) and self.data[n].size)

    @cached_property
    def ones(self) -> dict[Node, Any]:
        """An upstream gradient of ones."""
        return {dout: np.ones(dout.shape)[()] for dout in self.seeds.values()}

    @cached_property
    def without_stabilisers(self) -> tuple[dict[Node, float], ...]:
        """Zeros in the place of tiny numbers that only keep another one finite: log(y + 1e-7) is meant as log(y).

        First of all of them, then of those of one line of the source: where a variance is 0, its own one is needed.
        """
        lines: dict[Any, dict[Node, float]] = {}
        for node, literal in self._kept_finite():
            lines.setdefault(node.where, {})[literal] = 0.0
        each = list(lines.values())
        everything = {i: 0.0 for line in each for i in line}
        most = min(_MOST_STABILISERS, _MOST_RECOMPUTED // max(1, elements(self.nodes)))
        return (everything, *each[:most]) if len(each) > 1 else tuple(each)

    @cached_property
    def stabilisers(self) -> tuple[frozenset[float], frozenset[float]]:
        """The tiny constants of forward and backward that keep other numbers finite."""
        found: tuple[set[float], set[float]] = (set(), set())
        for node, literal in self._kept_finite():
            found[node in self.backward].add(abs(float(self.data[literal])))
        return frozenset(found[0]), frozenset(found[1])

    def _kept_finite(self) -> Iterator[tuple[Node, Node]]:
        """Each node that a tiny literal keeps finite, with the literal."""
        own = {*self.inputs, *(j.node for j in self.judged)}  # these, and arrays, mean what they are
        own |= {n for n, x in self.data.items() if n.primitive is INPUT and isinstance(x, np.ndarray)}
        for node in self.nodes:
            for i in node.inputs if node.primitive in _KEEPS_FINITE else ():
                is_number = i.dtype is float or (not i.shape and not isinstance(i.dtype, type) and i.dtype.kind == "f")
                is_literal = is_number and i.primitive in (CONSTANT, INPUT) and i not in own
                if is_literal and 0 < abs(float(self.data[i])) <= STABILISER:
                    yield node, i

    def needed(self, known: Collection[Node]) -> tuple[Node, ...]:
        """The nodes of the forward and of both gradients of everything judged, from those that are known."""
        wanted = [*self.seeds, *(j.gradient for j in self.judged)]
        return topological([*wanted, *(j.derived for j in self.judged if j.derived is not None)], known=known)
