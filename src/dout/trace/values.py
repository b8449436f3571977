"""From a recorded run to values with uses and gradients: the user's where there are any, derived ones elsewhere."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dout.grad import backpropagate
from dout.graph import Node, evaluate
from dout.trace.model import Gradient, LayerCall, Trace, Use, Value

Edge = tuple[Node, int]
TOLERANCE = {2: 2e-2, 4: 1e-4, 8: 1e-8}  # relative, by the bytes of the float: far above rounding, far below a mistake


def annotate(trace: Trace) -> tuple[tuple[Value, ...], Mapping[LayerCall, tuple[Use, ...]]]:
    """Return every value with its uses and gradients, and the edges into each layer call as a whole."""
    collecting = gc.isenabled()
    gc.disable()  # 10**5 new objects, none of them garbage: collections in between would take most of the time
    try:
        return _Annotation(trace).result()
    finally:
        if collecting:
            gc.enable()


class _Annotation:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.uses: dict[Node, list[Edge]] = {}
        for node in trace.graph.nodes:
            for argument, value in enumerate(node.inputs):
                self.uses.setdefault(value, []).append((node, argument))
        self.totals = _totals(trace.calls)  # what the user's backward was given, by value
        self.derived, self.derived_on = self._derive()

    def result(self) -> tuple[tuple[Value, ...], Mapping[LayerCall, tuple[Use, ...]]]:
        arguments = {call: self._arguments(call) for call in self.trace.calls}
        values = tuple(
            Value(node, self.trace.data.get(node), self.trace.names.get(node), *self._of(node, arguments))
            for node in self.trace.graph.nodes
        )
        return values, arguments

    def _derive(self) -> tuple[dict[Node, Any], dict[Edge, Any]]:
        """Derived gradients of values and edges, from the upstream gradients at the far ends."""
        seeds = self._ends() or dict(self.trace.seeds)
        complete = self._complete(seeds)
        gradients = backpropagate(seeds)
        data = self.trace.data
        known = {n: data[n] for n in (*self.trace.graph.nodes, *seeds.values()) if n in data}
        with np.errstate(all="ignore"):  # what overflows here is shown as it is; a warning would not be the user's
            values = evaluate([*gradients.of.values(), *gradients.on.values()], known)
        return (
            {node: values[gradient] for node, gradient in gradients.of.items() if node in complete},
            {edge: values[gradient] for edge, gradient in gradients.on.items() if edge[0] in complete},
        )

    def _ends(self) -> dict[Node, Node]:
        """Where backward began: values with an upstream gradient from which no other such value is computed."""
        given = {**self.totals, **self._unlayered_end()}
        leads_on: set[Node] = set()
        for node in reversed(self.trace.graph.nodes):
            if node not in self.trace.backward and (node in given or node in leads_on):
                leads_on.update(node.inputs)
        return {node: dout for node, dout in given.items() if node not in leads_on}

    def _unlayered_end(self) -> dict[Node, Node]:
        """The end of a forward that goes on after its last layer, with the upstream gradient that is named for it.

        In `y = relu.forward(h) + h` no backward is given the gradient of y; `dy` is, by its name. Nothing is guessed:
        without such a name the values that lead there have no derived gradient.
        """
        backward, names = self.trace.backward, self.trace.names
        begun = {names[d]: d for d in self.totals.values() if d in backward and not d.inputs and d in names}
        return {
            node: begun[f"d{names[node]}"]
            for node in self.trace.graph.nodes
            if node not in backward
            and node not in self.totals
            and node not in self.trace.call_of
            and all(user in backward for user, _ in self.uses.get(node, ()))
            and f"d{names.get(node)}" in begun
        }

    def _complete(self, seeds: Mapping[Node, Node]) -> set[Node]:
        """Values all of whose uses lead to a seed: only there is a derived gradient the whole gradient."""
        complete = set(seeds)
        for node in reversed(self.trace.graph.nodes):
            uses = [u for u, _ in self.uses.get(node, ()) if u not in self.trace.backward and u.primitive.backward]
            if uses and all(u in complete for u in uses):
                complete.add(node)
        return complete

    def _arguments(self, call: LayerCall) -> tuple[Use, ...]:
        returned = call.gradients or ()
        uses = []
        for i, node in enumerate(call.inputs):
            inner = [e for e in self.uses.get(node, ()) if self._inside(e[0], call) and e in self.derived_on]
            derived = _sum(self.derived_on[edge] for edge in inner)
            mine = returned[i] if i < len(returned) else None
            uses.append(Use(None, call, i, self._compare(mine, derived)))
        return tuple(uses)

    def _of(
        self, node: Node, arguments: Mapping[LayerCall, tuple[Use, ...]]
    ) -> tuple[tuple[Use, ...], Gradient | None]:
        uses = []
        parts: dict[Any, Gradient | None] = {}  # by the outermost layer call the edge leads into
        for consumer, argument in self.uses.get(node, ()):
            if consumer in self.trace.backward:
                uses.append(Use(consumer, self.trace.call_of.get(consumer), argument))
                continue
            layer = self._entered(node, consumer)
            edges = arguments[layer] if layer else ()
            whole = next((u for u in edges if u.call and u.call.inputs[u.argument] is node), None)
            whole = whole or self._parameter(node, layer)
            parts[(whole.call, whole.argument) if whole else (consumer, argument)] = whole.gradient if whole else None
            gradient = self._compare(None, self.derived_on.get((consumer, argument)))
            if whole and whole.gradient and self._times_used(node, layer) == 1:
                gradient = whole.gradient
            uses.append(Use(consumer, self.trace.call_of.get(consumer), argument, gradient))
        return tuple(uses), self._total(node, list(parts.values()))

    def _parameter(self, node: Node, layer: LayerCall | None) -> Use | None:
        """The edge into a layer of an array that it holds itself, with the gradient its backward kept for it."""
        for call in (c for c in self.trace.calls if layer is not None and c.inside(layer)):
            for parameter in call.parameters:
                if parameter.node is node:
                    inner = [e for e in self.uses[node] if self._inside(e[0], call) and e in self.derived_on]
                    derived = _sum(self.derived_on[edge] for edge in inner)
                    return Use(None, call, len(call.inputs), self._compare(parameter.gradient, derived))
        return None

    def _total(self, node: Node, parts: list[Gradient | None]) -> Gradient | None:
        derived = self.derived.get(node)
        if node in self.totals:
            return self._compare(self.totals[node], derived)
        if parts and all(part is not None and part.source == "user" for part in parts):
            return _compared(_sum(part.value for part in parts if part), derived)
        return self._compare(None, derived)

    def _compare(self, mine: Node | None, derived: Any) -> Gradient | None:
        if mine is not None:
            return _compared(self.trace.data[mine], derived)
        return None if derived is None else Gradient(derived, "dout")

    def _inside(self, node: Node, call: LayerCall) -> bool:
        made_in = self.trace.call_of.get(node)
        return made_in is not None and node not in self.trace.backward and made_in.inside(call)

    def _times_used(self, node: Node, call: LayerCall | None) -> int:
        return sum(call is not None and self._inside(consumer, call) for consumer, _ in self.uses[node])

    def _entered(self, value: Node, consumer: Node) -> LayerCall | None:
        """The outermost layer call an edge leads into from outside."""
        origin = self.trace.call_of.get(value)
        entered, call = None, self.trace.call_of.get(consumer)
        while call is not None and not (origin is not None and origin.inside(call)):
            entered, call = call, call.parent
        return entered


def _totals(calls: Iterable[LayerCall]) -> dict[Node, Node]:
    """The upstream gradient that was handed to a backward, by the value it is the gradient of; outer layers first."""
    totals: dict[Node, Node] = {}
    for call in calls:
        for output, dout in zip(call.outputs, call.douts or (), strict=False):
            if dout is not None and not (output in totals and call.parent is not None):
                totals[output] = dout
    return totals


def _sum(parts: Iterable[Any]) -> Any:
    total = None
    for part in parts:
        total = part if total is None else total + part
    return total


def _compared(mine: Any, derived: Any) -> Gradient:
    return Gradient(mine, "user", derived if derived is not None and differs(mine, derived) else None)


def differs(mine: Any, derived: Any) -> bool:
    """Whether the user's gradient is not the derived one, beyond rounding; where the derived one overflowed, unknown.

    >>> differs(2.2, 2.2000000000000002), differs(1.21, 2.2)
    (False, True)
    """
    if np.shape(mine) != np.shape(derived):
        return True
    ours, theirs = np.asarray(derived), np.asarray(mine)
    if not np.issubdtype(theirs.dtype, np.number):
        return True
    known = np.isfinite(ours)
    if not known.any():
        return False
    size = (
        min(a.dtype.itemsize for a in (ours, theirs) if a.dtype.kind == "f")
        if "f" in (ours.dtype.kind + theirs.dtype.kind)
        else 8
    )
    near = TOLERANCE.get(size, 1e-8) * np.abs(ours[known]).max()
    with np.errstate(invalid="ignore"):
        return not bool(np.all(np.abs(theirs[known].astype(float) - ours[known].astype(float)) <= near))
