"""The inputs of a recorded run that a reader of the page can change, and why the others cannot be changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dout.draw.page.composed_rows import NotComputed
from dout.draw.page.number_steps import NumberSteps
from dout.graph import CONSTANT, INPUT, NUMPY_VALUES, Node, evaluate, topological, uses_of
from dout.ops.linalg import multiply_adds
from dout.trace.record.trace import Trace

CELLS = 64  # of an array that can be changed
OPERATIONS = 50_000  # that may follow from a change: a page answers while one types


class EditableInputs:
    """The inputs that can be changed, and the steps of all that follows from them."""

    def __init__(self, trace: Trace, inputs: Iterable[Node]) -> None:
        self._values: dict[Node, Any] = dict(trace.data)
        self._by_node = trace.by_node
        self._why: dict[Node, str] = {}
        self._editable: set[Node] = set()
        self._follows: dict[Node, bool] = {}
        self._room = OPERATIONS
        inputs = tuple(inputs)
        values = trace.values if inputs else ()
        gradients = [g for value in values for g in (value.gradient, *(use.gradient for use in value.uses)) if g]
        self._derived = {g.derived: None for g in gradients if g.derived is not None}
        own = {g.node: None for g in gradients if g.node is not None}
        self._nodes = topological([*(trace.graph.nodes if inputs else ()), *own, *self._derived])
        uses, reached = uses_of(self._nodes), set[Node]()
        for node in inputs:
            self._why[node] = self._unfit(node) or self._reach(node, uses, reached)
            if not self._why[node]:
                self._editable.add(node)
        self.steps = self._made()
        self.largest = max(self._sizes(), default=0.0)  # of the derived gradients that stay as they are

    def why_not(self, node: Node) -> str:
        """The reason why an input cannot be changed; empty if it can."""
        return self._why.get(node, "it is no input of the program")

    def follows(self, node: Node) -> bool:
        """True if a node depends on an input that can be changed."""
        for each in topological([node], known=self._follows):
            self._follows[each] = each in self._editable or any(self._follows[i] for i in each.inputs)
        return self._follows[node]

    def known(self, node: Node) -> Any:
        """The recorded number or array of a node; None for one that a saved trace does not hold."""
        if node not in self._values:
            try:
                with np.errstate(all="ignore"):
                    self._values.update(evaluate([node], self._values))
            except Exception:  # numbers that a saved trace does not hold
                self._values[node] = None
        return self._values[node]

    def _sizes(self) -> Iterator[float]:
        for node in self._derived:
            if not self.follows(node):
                sizes = np.abs(np.asarray(self.known(node), dtype=float))
                yield float(np.max(sizes, where=np.isfinite(sizes), initial=0.0))

    def _unfit(self, node: Node) -> str:
        data = self._values.get(node)
        if node.primitive is not INPUT or not isinstance(data, (int, float, *NUMPY_VALUES)):
            return "only numbers can be changed"
        if node not in self._by_node or not self._by_node[node].name:
            return "the program makes it"
        if np.asarray(data).dtype.kind not in "iuf":
            return "only whole numbers and floats can be changed"
        if not 0 < np.size(data) <= CELLS:
            return f"it has {np.size(data):,} numbers, and arrays of up to {CELLS} can be changed"
        return ""

    def _reach(self, node: Node, uses: dict[Node, list[tuple[Node, int]]], reached: set[Node]) -> str:
        """Add everything that follows from an input to `reached`, if that many operations still fit."""
        found, waiting = {node}, [node]
        cost = 0
        while waiting:
            for user, _ in uses.get(waiting.pop(), ()):
                if user not in found:
                    found.add(user)
                    waiting.append(user)
                    cost += 0 if user in reached else _operations(user)
            if cost > self._room:
                return f"more than {OPERATIONS:,} operations follow from the inputs"
        self._room -= cost
        reached |= found
        return ""

    def _made(self) -> NumberSteps:
        """The steps of all that follows; inputs that lead to what a page cannot compute are no longer editable."""
        while True:
            self._follows = {}
            steps, lost = NumberSteps(self.known, self.follows), dict[Node, str]()
            for node in self._nodes:
                if self.follows(node) and not any(given in lost for given in node.inputs):
                    try:
                        steps.of(node)
                    except NotComputed as missing:
                        lost[node] = f"{missing} is computed from it, which this page cannot do"
            if not lost:
                return steps
            for node, why in lost.items():
                for given in self._editable.intersection(topological([node])):
                    self._why[given] = why
                    self._editable.remove(given)


def _operations(node: Node) -> int:
    if node.primitive in (INPUT, CONSTANT):
        return 0
    return multiply_adds(node) or max(math.prod(each.shape) for each in (node, *node.inputs))
