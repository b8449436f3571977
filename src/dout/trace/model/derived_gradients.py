"""The gradients we derive for a recorded run: from the start of its backward, back to every value and edge."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dout.grad import Gradients, backpropagate
from dout.graph import Node, computed_from, uses_of
from dout.judge.float_judge import computed
from dout.ops import PRIMITIVES
from dout.ops.elementwise import add
from dout.trace.model.recorded import LOSSES, LayerCall, RecordedRun

_COPY = PRIMITIVES["copy"]
_ROUNDED = 1000  # units in the last place of the largest number
Edge = tuple[Node, int]
Place = Node | tuple[Edge, ...]  # a value, or the edges into a layer that lead to one of its arguments


@dataclass(frozen=True)
class Derived:
    """Numbers of derived gradients; on edges that lead to values without one, these are only a part of the gradient."""

    of: Mapping[Node, Any] = field(default_factory=dict)
    on: Mapping[Edge, Any] = field(default_factory=dict)
    parts: frozenset[Edge] = frozenset()

    def at(self, place: Place) -> Any:
        """The gradient at a place; None where there is none, or where a part of it is not known."""
        if isinstance(place, Node):
            return self.of.get(place)
        return None if self.parts.intersection(place) else sum_of(self.on[e] for e in place if e in self.on)


class Derivation:
    """The uses of each value in a trace, the start of its backward, and the gradients that follow."""

    def __init__(self, trace: RecordedRun) -> None:
        self.trace = trace
        self.uses: dict[Node, list[Edge]] = uses_of(trace.graph.nodes)
        into: dict[tuple[Node, LayerCall], list[Edge]] = {}
        for value, edges in self.uses.items():
            for edge in edges:
                entered = None if edge[0] in trace.backward else trace.call_of.get(edge[0])
                for call in entered.outward() if entered else ():
                    into.setdefault((value, call), []).append(edge)
        self._into = {key: tuple(edges) for key, edges in into.items()}
        self.upstream = {node: g for node, g in _upstream(trace.calls).items() if node not in trace.joined}
        self._starts = self._ends() or dict(trace.seeds)
        further = self._further_losses()
        self._unknown = {value for value, terms in further.items() if len(terms) > 1 or terms[0].shape != value.shape}
        self.seeds = self._starts | {value: terms[0] for value, terms in further.items() if value not in self._unknown}
        self._of_loss = self._loss()
        self.gradients = _together(backpropagate(self.seeds, taken=self._by_convention()), self._of_loss)

    def node(self, place: Place) -> Node | None:
        """The node that computes the derived gradient at a place, where there is one."""
        if isinstance(place, Node):
            return self.gradients.of[place] if place in self.exact.of else None
        return total(self.gradients.on[edge] for edge in place if edge in self.exact.on)

    @property
    def inputs(self) -> list[Node]:
        """The inputs of the run, and what layers have of arrays that are made of nothing, as b = np.zeros(3)."""
        calls = self.trace.calls
        layers_own = (node for call in calls for node in (*call.inputs, *(p.node for p in call.parameters)))
        return [*dict.fromkeys((*self.trace.graph.inputs.values(), *(node for node in layers_own if not node.inputs)))]

    @property
    def _known(self) -> dict[Node, Any]:
        """The recorded values; those that were too large to be kept are computed again."""
        data, nodes = self.trace.data, (*self.trace.graph.nodes, *self.seeds.values())
        known = {node: data[node] for node in nodes if node in data}
        return computed(nodes, known)

    @cached_property
    def exact(self) -> Derived:
        """The derivative of the forward as it stands, where all of it is known."""
        if not self.seeds:
            return Derived()
        complete = self._complete | self._of_loss.of.keys()
        found = _evaluated(self.gradients, self._known)
        return Derived(
            {node: gradient for node, gradient in found.of.items() if node in complete},
            {edge: gradient for edge, gradient in found.on.items() if edge[0] in complete},
            frozenset(edge for edge in found.on if edge[0] not in complete),
        )

    def inside(self, node: Node, call: LayerCall | None) -> bool:
        """Whether a forward node was made in a layer call, at any depth."""
        made_in = self.trace.call_of.get(node)
        return call is not None and made_in is not None and node not in self.trace.backward and made_in.inside(call)

    def _by_convention(self) -> dict[Node, list[Node]]:
        """Gradients that layers returned by a convention, by their values: what comes before these follows from them.

        Only where each use of a value has one, and these are what the layer before was given.
        """
        found: dict[Node, list[Node]] = {}
        edges: dict[Node, int] = {}
        for call in self.trace.calls if self.trace.conventions else ():
            for value, gradient in zip(call.inputs, call.gradients or (), strict=False):
                if gradient is not None and gradient in self.trace.conventions and gradient.shape == value.shape:
                    found.setdefault(value, []).append(gradient)
                    edges[value] = edges.get(value, 0) + len(self.edges_into(value, call))
        whole = {value for value, number in edges.items() if number == len(self._forward_users(value))}
        return {value: each for value, each in found.items() if value in whole and self._is_handed_on(value, each)}

    def _is_handed_on(self, value: Node, gradients: Sequence[Node]) -> bool:
        """Whether the upstream gradient of a value is one gradient, or a sum of several; where none is given, yes."""
        dout = self.upstream.get(value, (None, None))[0]
        return dout is None or {*added_terms(dout)} == {*gradients} or [dout] == [*gradients]

    def _is_kept(self, node: Node, returned: Collection[Node]) -> bool:
        """Whether a value that nothing uses is a copy, or made in a layer, and none of those that layers returned."""
        return (node in self.trace.call_of or node.primitive is _COPY) and node not in returned

    def edges_into(self, node: Node, call: LayerCall) -> tuple[Edge, ...]:
        """The uses of a value inside a layer call."""
        return self._into.get((node, call), ())

    def _forward_users(self, node: Node) -> list[Node]:
        return [user for user, _ in self.uses.get(node, ()) if user not in self.trace.backward]

    def _ends(self) -> dict[Node, Node]:
        """The start of backward: values with an upstream gradient from which no other such value is computed.

        Values that a layer itself computes from its output, as an LSTM from its cell, do not count: its backward was
        given only the gradient that comes from outside, and the rest is added to it.
        """
        given = {**self.upstream, **{end: (dout, None) for end, dout in self._unlayered_ends().items()}}
        ends: dict[Node, Node] = {}
        leads: set[Node] = set()  # to a value with an upstream gradient, or is one
        for node in reversed(self.trace.graph.nodes):
            if node in self.trace.backward:
                continue
            users = self._forward_users(node)
            if node in given:
                dout, call = given[node]
                if not any(user in leads and not self.inside(user, call) for user in users):
                    ends[node] = dout
                leads.add(node)
            elif any(user in leads for user in users):
                leads.add(node)
        return ends

    def _loss(self) -> Gradients:
        """The gradients between the start of backward and the loss that a program computes of it by itself.

        There are none if that loss has other gradients at the start than backward begins with.
        """
        nothing, outputs = Gradients({}, {}, ()), self.trace.graph.outputs.values()
        ends = [n for n in outputs if n.shape == () and n.kind == "f" and n not in self._starts]
        if len(ends) != 1 or ends[0] in self.trace.backward or not self._starts:
            return nothing
        dtype = np.dtype(ends[0].dtype)
        one = Node(PRIMITIVES["ones"], (), {"shape": (), "dtype": dtype}, (), dtype)
        found = backpropagate({ends[0]: one}, until=self._starts)
        try:
            values = computed([one, *found.nodes], dict(self.trace.data))
            pairs = [(values[dout], values[found.of[start]]) for start, dout in self._starts.items()]
        except KeyError:  # it is not computed from all of them, or what it is computed from is too large to be kept
            return nothing
        if not all(_are_alike(*pair) for pair in pairs):
            return nothing
        after = computed_from(self.trace.graph.nodes, self._starts)
        return Gradients(
            {node: gradient for node, gradient in found.of.items() if node in after},
            {edge: gradient for edge, gradient in found.on.items() if edge[0] in after},
            (one, *found.nodes),
        )

    def _further_losses(self) -> dict[Node, list[Node]]:
        """What the program itself adds to a gradient on its way: terms of a loss of its own.

        In `dh = loss_gradient(h[t]) + dh` the first term depends on no gradient that backward has begun with.
        """
        starts = self._starts.values()
        carried = {*starts} | computed_from(self.trace.graph.nodes, starts)
        found: dict[Node, list[Node]] = {}
        for value, (dout, call) in self.upstream.items():
            if call is None or call.parent is not None or value in self._starts or dout not in carried:
                continue
            own = [term for term in added_terms(dout) if term not in carried and self.trace.call_of.get(term) is None]
            if own:
                found[value] = own
        return found

    def _unlayered_ends(self) -> dict[Node, Node]:
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
            and not self._forward_users(node)
            and f"d{names.get(node)}" in begun
        }

    def leads_nowhere(self, edge: Edge) -> bool:
        """Whether a use of a value is known to lead to no start of backward, as that in a copy, or in an accuracy."""
        return bool(self.seeds) and edge[0] in self._complete and edge not in self.gradients.on

    @cached_property
    def _complete(self) -> set[Node]:
        """Values all of whose uses lead to a seed: only there is a derived gradient the whole gradient.

        Where forward's outputs are known, a value that nothing uses further is no output: nothing is missing there. Nor
        is what a layer keeps and does not return, or a copy that nobody reads, as of the best weights so far. Where an
        edge was lost, no value is known to have all its uses.
        """
        if any(event.kind in LOSSES for event in self.trace.events):
            return set()
        ends_known = any(end not in self.trace.backward for end in self.trace.graph.outputs.values())
        outputs = set(self.trace.graph.outputs.values())
        returned = {output for call in self.trace.calls for output in call.outputs}
        complete: set[Node] = set()
        for node in reversed(self.trace.graph.nodes):
            users = self._forward_users(node)
            if node in self._starts:
                call = self.upstream.get(node, (None, None))[1]
                users = [user for user in users if self.inside(user, call)]
            elif not users and (node in outputs or not (ends_known or self._is_kept(node, returned))):
                continue
            if node not in self._unknown and all(user in complete for user in users if user.primitive.backward):
                complete.add(node)
        return complete


def _together(before: Gradients, after: Gradients) -> Gradients:
    """The gradients up to where backward begins, and those after it."""
    return Gradients({**after.of, **before.of}, {**after.on, **before.on}, (*before.nodes, *after.nodes))


def _are_alike(given: Any, derived: Any) -> bool:
    """Whether two gradients differ by rounding."""
    if np.shape(given) != np.shape(derived):
        return False
    with np.errstate(all="ignore"):
        size = np.max(np.abs(derived), initial=0.0)
        return bool(np.all(np.abs(given - derived) <= _ROUNDED * np.finfo(np.asarray(derived).dtype).eps * size))


def added_terms(node: Node) -> Iterator[Node]:
    """What is added up to a value, and has its shape."""
    waiting = [node]
    while waiting:
        term = waiting.pop()
        if term.primitive is add and all(given.shape == node.shape for given in term.inputs):
            waiting += term.inputs[::-1]
        else:
            yield term


def sum_of(gradients: Iterable[Any]) -> Any:
    """The sum of gradients, added from the left; None of none."""
    found = None
    for gradient in gradients:
        found = gradient if found is None else found + gradient
    return found


def total(nodes: Iterable[Node | None]) -> Node | None:
    """The node of the sum, added from the left; None where a term is not known, or there is none."""
    found: Node | None = None
    for i, node in enumerate(nodes):
        if node is None:
            return None
        found = node if i == 0 or found is None else Node(add, (found, node), {}, node.shape, node.dtype)
    return found


def _evaluated(gradients: Gradients, given: Mapping[Node, Any]) -> Derived:
    values = dict(given)
    computed(gradients.nodes, values)
    return Derived(
        {node: values[gradient] for node, gradient in gradients.of.items()},
        {edge: values[gradient] for edge, gradient in gradients.on.items()},
    )


def _upstream(calls: Iterable[LayerCall]) -> dict[Node, tuple[Node, LayerCall | None]]:
    """The upstream gradient a backward was given, by the value it is for, with the layer call; outer ones first."""
    upstream: dict[Node, tuple[Node, LayerCall | None]] = {}
    for call in calls:
        for output, dout in zip(call.outputs, call.douts or (), strict=False):
            if dout is not None and not (output in upstream and call.parent is not None):
                upstream[output] = (dout, call)
    return upstream
