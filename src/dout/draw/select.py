"""What of a trace is drawn: the forward nodes that lead to an output, and which layers are open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dout.draw.mirror import Mirror, mirrored
from dout.draw.options import View
from dout.graph import CONSTANT, INPUT, Node, topological
from dout.trace.model import LayerCall, Trace


@dataclass(frozen=True, eq=False)
class Selection:
    """`nodes` in topological order, the `targets` they lead to, the `calls` drawn, and those of them that are open.

    `trace` is the recording that is drawn: that of the run, or its backward alone. `members` are the primitive nodes
    inside each call, at any depth.
    """

    trace: Trace
    nodes: tuple[Node, ...]
    targets: tuple[Node, ...]
    calls: tuple[LayerCall, ...]
    open: frozenset[LayerCall]
    members: Mapping[LayerCall, tuple[Node, ...]]

    def closed_around(self, call: LayerCall | None) -> LayerCall | None:
        """The outermost closed layer that `call` is in, or is; None where everything around is open."""
        found = None
        while call is not None:
            if call not in self.open:
                found = call
            call = call.parent
        return found


def select(trace: Trace, view: View) -> Selection:
    """Choose what to draw: which nodes, and which layers are open.

    "auto" opens a layer that is alone, if there is more in it than one node that takes what the layer is given.
    """
    trace = mirrored(trace) if view.backward else trace
    calls = trace.calls
    if not isinstance(trace, Mirror):
        calls = tuple(c for c in calls if not any(o in trace.backward for o in c.outputs))
    made = {node for node in trace.graph.nodes if node not in trace.backward}
    wanted = dict.fromkeys(o for c in calls for o in c.outputs)
    wanted |= dict.fromkeys(o for o in trace.graph.outputs.values() if o not in trace.backward)
    if not isinstance(trace, Mirror):
        wanted |= dict.fromkeys(_beyond(trace, wanted))
    if not calls and not isinstance(trace, Mirror):
        wanted |= dict.fromkeys(n for n in trace.graph.nodes if n in made and n.primitive is not CONSTANT)
    nodes = topological(wanted, known=trace.backward | trace.prepared)
    members = _members(trace, nodes)
    return Selection(
        trace,
        nodes,
        tuple(wanted),
        calls,
        frozenset(c for c in _opened(calls, members, view.open) if view.depth is None or depth(c) < view.depth),
        members,
    )


def _beyond(trace: Trace, outputs: Collection[Node]) -> list[Node]:
    """Nodes after the layers that are part of what is differentiated: in a script, `loss = np.sum(y)` or `y = r + h`.

    Where the trace holds no gradient at all, those that have a name. What is inside a layer is the layer's own matter.
    """
    by_node = trace.by_node
    any_gradient = any(value.gradient is not None for value in trace.values)
    reached = set(outputs)
    found = []
    for node in trace.graph.nodes:
        if node in trace.backward or not any(given in reached for given in node.inputs):
            continue
        reached.add(node)
        if (
            node in by_node
            and node not in trace.call_of
            and (by_node[node].gradient if any_gradient else by_node[node].name) is not None
        ):
            found.append(node)
    return found


def depth(call: LayerCall) -> int:
    """How many layers there are around a layer call."""
    around = 0
    while call.parent is not None:
        call, around = call.parent, around + 1
    return around


def is_made(node: Node, trace: Trace) -> bool:
    """Whether a drawn operator makes this node's value; others enter the picture from outside."""
    return node.primitive not in (INPUT, CONSTANT) and node not in trace.backward and node not in trace.prepared


def _members(trace: Trace, nodes: Iterable[Node]) -> dict[LayerCall, tuple[Node, ...]]:
    found: dict[LayerCall, list[Node]] = {}
    for node in nodes:
        call = trace.call_of.get(node) if is_made(node, trace) else None
        while call is not None:
            found.setdefault(call, []).append(node)
            call = call.parent
    return {call: tuple(inside) for call, inside in found.items()}


def has_inside(call: LayerCall, members: tuple[Node, ...]) -> bool:
    """Whether there is more to see in a layer than one node that takes what the layer is given."""
    given = {node for member in members for node in member.inputs if node.primitive is not CONSTANT}
    return len(members) > 1 or not given <= set(call.inputs)


def _opened(
    calls: tuple[LayerCall, ...], members: Mapping[LayerCall, tuple[Node, ...]], open: str | Collection[str]
) -> set[LayerCall]:
    if open == "none":
        return set()
    if open == "auto":
        top = [c for c in calls if c.parent is None]
        return {c for c in top if len(top) == 1 and has_inside(c, members.get(c, ()))}
    if open == "all":
        return {c for c in calls if c in members}
    names = {open} if isinstance(open, str) else set(open)
    found: set[LayerCall] = set()
    for call in calls:
        if {call.name, call.cls} & names and call in members:
            around: LayerCall | None = call
            while around is not None:
                found.add(around)
                around = around.parent
    return found
