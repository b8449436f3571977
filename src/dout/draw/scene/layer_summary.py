"""What each layer costs: the numbers it learns, the bytes it keeps for its backward, and its multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dout.draw.scene.selection import Selection
from dout.graph import CONSTANT, Node, Shape
from dout.ops.linalg import multiply_adds
from dout.trace.model.recorded import LayerCall


@dataclass(frozen=True)
class LayerCost:
    """One line: a layer at some depth, the shapes of its outputs, and its numbers.

    `kept` is None where no backward of the layer was recorded.
    """

    depth: int
    name: str
    shapes: tuple[Shape, ...]
    parameters: int
    kept: int | None
    multiply_adds: int


class LayerCosts:
    """The lines of a selection, outer layers first, and all of it `together`."""

    def __init__(self, selection: Selection) -> None:
        self._trace, self._nesting = selection.trace, selection.nesting
        self.lines = tuple(self._below(None, 0))
        self.together = self._cost(0, "together", (), self._nesting.calls, selection.nodes)

    def _below(self, level: LayerCall | None, depth: int) -> Iterator[LayerCost]:
        folds = self._nesting.folds
        for call in self._inner.get(level, ()):
            if call in folds and level in folds:
                continue  # the rest of the turns, which are like the first
            name = call.cls if call in folds or call.name == call.cls else f"{call.name} ({call.cls})"
            yield self._cost(depth, name, call.outputs, self._nesting.within(call), self._nesting.members.get(call, ()))
            yield from self._below(call, depth + 1)

    @cached_property
    def _inner(self) -> dict[LayerCall | None, list[LayerCall]]:
        """The layers side by side in each, in the order of the run."""
        levels = self._nesting.levels().items()
        return {level: [unit for unit in units if isinstance(unit, LayerCall)] for level, units in levels}

    def _cost(
        self, depth: int, name: str, outputs: Iterable[Node], calls: Iterable[LayerCall], nodes: Iterable[Node]
    ) -> LayerCost:
        calls = list(calls)
        learned = {parameter.node for call in calls for parameter in call.parameters}
        kept = {node for call in calls for node in self._kept.get(call, ())} - learned
        size = sum(math.prod(node.shape) * np.dtype(node.dtype).itemsize for node in kept)
        return LayerCost(
            depth,
            name,
            tuple(node.shape for node in outputs),
            sum(math.prod(node.shape) for node in learned),
            size if any(call.gradients is not None for call in calls) else None,
            sum(map(multiply_adds, nodes)),
        )

    @cached_property
    def _kept(self) -> dict[LayerCall, set[Node]]:
        """The arrays of a forward that the backward of a layer reads."""
        found: dict[LayerCall, set[Node]] = {}
        for node in self._trace.graph.nodes:
            home = self._trace.call_of.get(node)
            if home is not None and node in self._trace.backward:
                given = (g for g in node.inputs if g not in self._trace.backward and g.primitive is not CONSTANT)
                found.setdefault(home, set()).update(g for g in given if g.shape)
        return found
