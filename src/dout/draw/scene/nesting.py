"""The layer around every node: the calls of the trace, and calls that a picture adds to stay readable.

Those of our own stand for steps that repeat (`repeats`), or for a part of a level on which there is too much
(`parts`). What holds for layers holds for them: they are closed at first, and open by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dout.graph import CONSTANT, INPUT, Node, uses_of
from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace

Unit = Node | LayerCall


class Nesting:
    """`calls`, outer ones first; the innermost call, `homes`, of each node made; and what is `around` each call.

    `members` are the nodes inside each call at any depth, in the order of `run`, and `users` those of each value.
    `folds` are the calls of our own that stand for repeated steps, each with the values that its turns take between the
    first and the last of a series, by the last one: they have one port for all.
    """

    def __init__(self, calls: Iterable[LayerCall], trace: Trace, run: Sequence[Node]) -> None:
        self.calls = list(calls)
        self.trace = trace
        returned = {output for call in trace.calls for output in call.outputs}  # also where nobody saw it made
        known = (node for node in run if node in trace.call_of and (node in returned or is_made(node, trace)))
        self.homes = {node: trace.call_of[node] for node in known}
        self.around = {call: call.parent for call in self.calls}
        self.run = run
        self.members: dict[LayerCall, list[Node]] = {}
        self.users = {value: [user for user, _ in uses] for value, uses in uses_of(run).items()}
        self.inner: dict[LayerCall, list[LayerCall]] = {}
        self.folds: dict[LayerCall, dict[Node, Sequence[Node]]] = {}
        for node in run:
            if is_made(node, trace):
                for call in self.outward(self.homes.get(node)):
                    self.members.setdefault(call, []).append(node)

    def outward(self, call: LayerCall | None) -> Iterator[LayerCall]:
        """A call and those around it."""
        while call is not None:
            yield call
            call = self.around[call]

    def within(self, call: LayerCall) -> list[LayerCall]:
        """A call and those inside it, at any depth."""
        return [each for each in self.calls if any(around is call for around in self.outward(each))]

    def depth(self, call: LayerCall) -> int:
        """The number of calls around a call."""
        return sum(1 for _ in self.outward(call)) - 1

    def levels(self) -> dict[LayerCall | None, list[Unit]]:
        """The units side by side inside each call, and outside all of them (None), in the order of the run."""
        found: dict[LayerCall | None, list[Unit]] = {}
        for node in self.run:
            if is_made(node, self.trace):
                found.setdefault(self.homes.get(node), []).append(node)
        for call in self.members:
            found.setdefault(self.around[call], []).append(call)
        turn = {node: i for i, node in enumerate(self.run)}
        for units in found.values():
            units.sort(key=lambda unit: turn[self.inside(unit)[-1]])
        return found

    def inside(self, unit: Unit) -> Sequence[Node]:
        """The nodes of a unit: those in a call, or the node itself."""
        return self.members[unit] if isinstance(unit, LayerCall) else (unit,)

    def enclose(self, call: LayerCall, units: Sequence[Unit]) -> None:
        """Put a call of our own around units that stand side by side."""
        self.calls.append(call)
        self.around[call] = call.parent
        self.members[call] = [node for unit in units for node in self.inside(unit)]
        self.inner[call] = [unit for unit in units if isinstance(unit, LayerCall)]
        for unit in units:
            if isinstance(unit, LayerCall):
                self.around[unit] = call
            else:
                self.homes[unit] = call


def is_made(node: Node, trace: Trace) -> bool:
    """True if a drawn operator makes this node's value; other values enter the picture from outside."""
    return node.primitive not in (INPUT, CONSTANT) and node not in trace.backward and node not in trace.prepared
