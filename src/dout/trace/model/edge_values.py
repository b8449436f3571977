"""From a recorded run to values with uses and gradients: the user's where there are any, derived ones elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np

from dout.graph import Node, computed_from
from dout.judge.float_judge import as_floats
from dout.judge.gradient_judge import is_near, overflows, refuted_here
from dout.judge.judged_run import JudgedRun
from dout.judge.outcomes import Judged
from dout.trace.model.bulk_objects import collection_paused
from dout.trace.model.derived_gradients import Derivation, Edge, Place, added_terms, sum_of, total
from dout.trace.model.recorded import Annotated, Gradient, LayerCall, RecordedRun, Use, Value


def annotate(trace: RecordedRun) -> Annotated:
    """Return every value with its uses and gradients, and the edges into each layer call as a whole."""
    with collection_paused():
        return _Annotation(trace).result()


class _Annotation:
    def __init__(self, trace: RecordedRun) -> None:
        self.trace = trace
        self.derivation = Derivation(trace)
        self.uses = self.derivation.uses
        self.inner: dict[LayerCall, list[LayerCall]] = {}  # each call and those in it, in their order
        for call in trace.calls:
            for around in call.outward():
                self.inner.setdefault(around, []).append(call)
        self.judged: dict[tuple[Node | None, Place], Judged] = {}  # gradients that are not the derived ones, bit by bit
        self.wrong: frozenset[Judged] = frozenset()
        self._own: dict[tuple[Node, LayerCall], Sequence[Use]] = {}  # edges to arrays that a layer holds
        self.total = cache(lambda *nodes: total(nodes))  # the same node each time

    @cached_property
    def size(self) -> float:
        """The largest derived gradient."""
        return max(map(_largest, self.derivation.exact.of.values()), default=0.0)

    def result(self) -> Annotated:
        """All values and edges; again, once it is known which gradients are wrong."""
        found = self._all()
        if not self.judged:
            return found
        trace = self.trace
        judged, seeds, inputs = [*self.judged.values()], self.derivation.seeds, self.derivation.inputs
        run = JudgedRun(trace.graph.nodes, trace.data, trace.backward, judged, seeds, inputs, self.size)
        self.wrong = frozenset(outcome.judged for outcome in refuted_here(run, confirm=False))
        return self._all() if self.wrong else found

    def _all(self) -> Annotated:
        self._own.clear()
        arguments = {call: self._arguments(call) for call in self.trace.calls}
        values = tuple(
            Value(node, self.trace.data, self.trace.names.get(node), *self._of(node, arguments))
            for node in self.trace.graph.nodes
        )
        return values, arguments

    def _arguments(self, call: LayerCall) -> tuple[Use, ...]:
        returned = call.gradients or ()
        uses = []
        for i, node in enumerate(call.inputs):
            mine = returned[i] if i < len(returned) else None
            place = self.derivation.edges_into(node, call)
            if mine is not None and call.inputs.count(node) > 1:
                # which edge is which is not known: their sum is judged
                gradient: Gradient | None = Gradient(self._number(mine), "user", node=mine)
            else:
                gradient = self._gradient(self._number(mine), place, mine)
            uses.append(Use(None, call, i, gradient))
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
            given = [use for use in arguments[layer] if layer.inputs[use.argument] is node] if layer else []
            wholes = given or (self._held(node, layer) if layer else [])  # else an array that the layer holds itself
            if wholes:
                parts.update({(u.call, u.argument): u.gradient for u in wholes})
            elif not self.derivation.leads_nowhere((consumer, argument)):
                parts[consumer, argument] = None
            gradient = self._gradient(None, ((consumer, argument),))
            edges = self.derivation.edges_into(node, layer) if layer else ()
            if wholes and len(edges) == len(wholes):  # one edge an argument, in their order
                gradient = wholes[edges.index((consumer, argument))].gradient or gradient
            uses.append(Use(consumer, self.trace.call_of.get(consumer), argument, gradient))
        return tuple(uses), self._total(node, list(parts.values()))

    def _held(self, node: Node, layer: LayerCall) -> Sequence[Use]:
        """The edge into a layer of an array that it holds itself, with the gradient its backward kept for it."""
        if (node, layer) not in self._own:  # each turn of a loop uses the array
            self._own[node, layer] = self._kept(node, layer)
        return self._own[node, layer]

    def _kept(self, node: Node, layer: LayerCall) -> Sequence[Use]:
        for call in self.inner[layer]:
            kept = dict.fromkeys(p.gradient for p in call.parameters if p.node is node)
            if kept:  # several where the layer hands the same array to several layers inside
                mine = sum_of(map(self._number, kept))
                gradient = self._gradient(mine, self.derivation.edges_into(node, call), self.total(*kept))
                return [Use(None, call, len(call.inputs), gradient)]
        return []

    def _total(self, node: Node, parts: list[Gradient | None]) -> Gradient | None:
        dout, call = self.derivation.upstream.get(node, (None, None))
        if dout is not None:
            from_outside_only = not (call and self.derivation.edges_into(node, call))
            mine = dout if from_outside_only else None
            return self._gradient(self._number(mine), node, mine)
        if parts and all(part is not None and part.source == "user" for part in parts):
            mine = sum_of(part.value for part in parts if part)
            return self._gradient(mine, node, self.total(*(part.node for part in parts if part)))
        own = self._named.get(node)
        found = self._gradient(self._number(own), node, own)
        is_multiple = own is not None and found is not None and _is_multiple(found)
        return self._gradient(None, node) if is_multiple else found

    @cached_property
    def _named(self) -> dict[Node, Node]:
        """The gradients that the program itself computes of values outside of its layers, as it names them: dz of z.

        One to which it adds what depends on no gradient, as the decay of a weight, is another's.
        """
        trace, starts = self.trace, self.derivation.seeds.values()
        carried = {*starts} | computed_from(trace.graph.nodes, starts)
        called: dict[tuple[str, bool], list[Node]] = {}  # by name, and whether it is a gradient
        for node in trace.graph.nodes:
            if node in trace.names and node not in trace.call_of and node.shape:
                called.setdefault((trace.names[node], node in carried), []).append(node)
        alone = {key: nodes[0] for key, nodes in called.items() if len(nodes) == 1}
        pairs = ((node, alone.get((f"d{name}", True))) for (name, back), node in alone.items() if not back)
        same = {node: own for node, own in pairs if own is not None and own.shape == node.shape}
        return {node: own for node, own in same.items() if carried.issuperset(added_terms(own))}

    def _number(self, node: Node | None) -> Any:
        return None if node is None else self.trace.data[node]

    def _gradient(self, mine: Any, place: Place, node: Node | None = None) -> Gradient | None:
        """The user's gradient at a place, with the derived one if it differs; the derived one if there is no other."""
        derived, derived_node = self.derivation.exact.at(place), self.derivation.node(place)
        if mine is None:
            return None if derived is None else Gradient(derived, "dout", None, derived_node, derived_node)
        wrong = derived is not None and self._is_wrong(mine, derived, node, place)
        return Gradient(mine, "user", derived if wrong else None, node, derived_node)

    def _is_wrong(self, mine: Any, derived: Any, node: Node | None, place: Place) -> bool:
        """Whether a gradient is wrong; one that has to be judged first is noted, and nothing is said of it yet."""
        if is_near(mine, derived) or node in self.trace.conventions:
            return False
        key = node, place
        if key not in self.judged and node is not None:
            value, whole = (place, True) if isinstance(place, Node) else self._used_at(place)
            self.judged[key] = Judged("", value, node, derived=self.derivation.node(place), whole=whole)
        return overflows(mine, derived) or self.judged.get(key) in self.wrong

    def _used_at(self, edges: tuple[Edge, ...]) -> tuple[Node, bool]:
        """The value that edges of the forward carry, and whether these are all of its uses there."""
        (user, argument), *_ = edges
        value = user.inputs[argument]
        return value, all(edge in edges or edge[0] in self.trace.backward for edge in self.uses[value])

    def _entered(self, value: Node, consumer: Node) -> LayerCall | None:
        """The outermost layer call an edge leads into from outside."""
        origin = self.trace.call_of.get(value)
        entered, call = None, self.trace.call_of.get(consumer)
        while call is not None and not (origin is not None and origin.inside(call)):
            entered, call = call, call.parent
        return entered


def _is_multiple(gradient: Gradient) -> bool:
    """Whether a gradient that is not the derivative is a multiple of it: it is averaged, or has a step's size in it."""
    mine, derived = np.ravel(as_floats(gradient.value)), np.ravel(as_floats(gradient.expected))
    if gradient.expected is None or not np.all(np.isfinite([mine, derived])):
        return False
    return is_near(mine * np.dot(derived, derived), derived * np.dot(mine, derived))


def _largest(gradient: Any) -> float:
    """The largest finite size among the numbers of a gradient."""
    sizes = np.abs(as_floats(gradient))
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
