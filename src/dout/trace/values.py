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
# By the bytes of the float, relative to the gradient and to the largest one around: far above rounding, far below a
# mistake. A stabiliser such as log(y + 1e-7) is no mistake either.
TOLERANCE = {2: (2e-2, 1e-3), 4: (1e-4, 1e-6), 8: (1e-6, 1e-13)}


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
        self.upstream = _upstream(trace.calls)
        self.derived, self.derived_on = self._derive()
        self.size = max((_largest(gradient) for gradient in self.derived.values()), default=0.0)

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
        """Where backward began: values with an upstream gradient from which no other such value is computed.

        What a layer itself makes of its output, as an LSTM of its cell, does not count: its backward was given only the
        gradient that comes from outside, and the rest is added to it.
        """
        given = {**self.upstream, **{end: (dout, None) for end, dout in self._unlayered_end().items()}}
        ends: dict[Node, Node] = {}
        leads: set[Node] = set()  # to a value with an upstream gradient, or is one
        for node in reversed(self.trace.graph.nodes):
            uses = [u for u, _ in self.uses.get(node, ()) if u not in self.trace.backward]
            if node in self.trace.backward:
                continue
            if node in given:
                dout, call = given[node]
                if not any(u in leads and not (call and self._inside(u, call)) for u in uses):
                    ends[node] = dout
                leads.add(node)
            elif any(u in leads for u in uses):
                leads.add(node)
        return ends

    def _unlayered_end(self) -> dict[Node, Node]:
        """The end of a forward that goes on after its last layer, with the upstream gradient that is named for it.

        In `y = relu.forward(h) + h` no backward is given the gradient of y; `dy` is, by its name. Nothing is guessed:
        without such a name the values that lead there have no derived gradient.
        """
        backward, names = self.trace.backward, self.trace.names
        begun = {names[d]: d for d, _ in self.upstream.values() if d in backward and not d.inputs and d in names}
        return {
            node: begun[f"d{names[node]}"]
            for node in self.trace.graph.nodes
            if node not in backward
            and node not in self.upstream
            and node not in self.trace.call_of
            and all(user in backward for user, _ in self.uses.get(node, ()))
            and f"d{names.get(node)}" in begun
        }

    def _complete(self, seeds: Mapping[Node, Node]) -> set[Node]:
        """Values all of whose uses lead to a seed: only there is a derived gradient the whole gradient."""
        complete: set[Node] = set()
        for node in reversed(self.trace.graph.nodes):
            uses = [u for u, _ in self.uses.get(node, ()) if u not in self.trace.backward and u.primitive.backward]
            if node in seeds:
                call = self.upstream.get(node, (None, None))[1]
                uses = [u for u in uses if call and self._inside(u, call)]
            if (uses or node in seeds) and all(u in complete for u in uses):
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
        dout, call = self.upstream.get(node, (None, None))
        if dout is not None and not (call and self._times_used(node, call)):
            return self._compare(dout, derived)
        if dout is None and parts and all(part is not None and part.source == "user" for part in parts):
            return self._compared(_sum(part.value for part in parts if part), derived)
        return self._compare(None, derived)

    def _compare(self, mine: Node | None, derived: Any) -> Gradient | None:
        if mine is not None:
            return self._compared(self.trace.data[mine], derived)
        return None if derived is None else Gradient(derived, "dout")

    def _compared(self, mine: Any, derived: Any) -> Gradient:
        wrong = derived is not None and differs(mine, derived, self.size)
        return Gradient(mine, "user", derived if wrong else None)

    def _inside(self, node: Node, call: LayerCall) -> bool:
        made_in = self.trace.call_of.get(node)
        return made_in is not None and node not in self.trace.backward and made_in.inside(call)

    def _times_used(self, node: Node, call: LayerCall | None) -> int:
        return sum(call is not None and self._inside(consumer, call) for consumer, _ in self.uses.get(node, ()))

    def _entered(self, value: Node, consumer: Node) -> LayerCall | None:
        """The outermost layer call an edge leads into from outside."""
        origin = self.trace.call_of.get(value)
        entered, call = None, self.trace.call_of.get(consumer)
        while call is not None and not (origin is not None and origin.inside(call)):
            entered, call = call, call.parent
        return entered


def _upstream(calls: Iterable[LayerCall]) -> dict[Node, tuple[Node, LayerCall | None]]:
    """The upstream gradient that a backward was given, by the value it is for, with the layer call; outer ones first."""
    upstream: dict[Node, tuple[Node, LayerCall | None]] = {}
    for call in calls:
        for output, dout in zip(call.outputs, call.douts or (), strict=False):
            if dout is not None and not (output in upstream and call.parent is not None):
                upstream[output] = (dout, call)
    return upstream


def _sum(parts: Iterable[Any]) -> Any:
    total = None
    for part in parts:
        total = part if total is None else total + part
    return total


def _largest(gradient: Any) -> float:
    """The largest finite size among the numbers of a gradient."""
    sizes = np.abs(np.asarray(gradient, dtype=float))
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))


def differs(mine: Any, derived: Any, size: float = 0.0) -> bool:
    """Whether the user's gradient is not the derived one, beyond rounding; where the derived one overflowed, unknown.

    `size` is that of the largest gradient around: what is left of such numbers that cancel is rounding too.

    >>> differs(2.2, 2.2000000000000002), differs(1.21, 2.2), differs(1e-17, -3e-17, size=1.0)
    (False, True, False)
    """
    if np.shape(mine) != np.shape(derived):
        return True
    ours, theirs = np.asarray(derived), np.asarray(mine)
    if not np.issubdtype(theirs.dtype, np.number):
        return True
    known = np.isfinite(ours)
    if not known.any():
        return False
    bytes_ = min((a.dtype.itemsize for a in (ours, theirs) if a.dtype.kind == "f"), default=8)
    relative, rounding = TOLERANCE.get(bytes_, TOLERANCE[8])
    near = max(relative * np.abs(ours[known]).max(), rounding * size)
    with np.errstate(invalid="ignore"):
        return not bool(np.all(np.abs(theirs[known].astype(float) - ours[known].astype(float)) <= near))
