"""The selected part of a trace: the forward nodes that lead to an output, and the layers that are open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dout.draw.scene.backward_recording import Mirror, mirrored
from dout.draw.scene.nesting import Nesting, is_made
from dout.draw.scene.parts import divide
from dout.draw.scene.repeats import fold
from dout.draw.view_options import View
from dout.draw.words.safe_text import shorten
from dout.errors import TargetError
from dout.graph import CONSTANT, INPUT, Node, computed_from, topological
from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace

MOST_NODES = 200_000  # of a recording that is drawn
MOST_ITEMS = 20_000  # of a picture
MOST_SHOWN = 100  # operators of a layer that nobody has asked to open
_MOST_NAMES = 20  # of layers in a message


@dataclass(frozen=True, eq=False)
class Selection:
    """`nodes` in topological order, the `targets` they lead to, the `calls` drawn, and those of them that are open.

    `trace` is the recording that is drawn: that of the run, or its backward alone. Some calls are our own, see
    `nesting`: so what is around a call, or a node, is to be asked here. `loose` are values that end inside a part of a
    large picture: nothing uses them, and they are no output.
    """

    trace: Trace
    nodes: tuple[Node, ...]
    targets: tuple[Node, ...]
    calls: tuple[LayerCall, ...]
    open: frozenset[LayerCall]
    nesting: Nesting
    loose: Collection[Node] = ()

    @property
    def members(self) -> Mapping[LayerCall, Sequence[Node]]:
        """The primitive nodes inside each call, at any depth."""
        return self.nesting.members

    @property
    def shown(self) -> int:
        """How many operators are drawn one by one."""
        homes = self.nesting.homes
        return sum(is_made(node, self.trace) and self.closed_around(homes.get(node)) is None for node in self.nodes)

    def closed_around(self, call: LayerCall | None) -> LayerCall | None:
        """The outermost closed layer that `call` is in, or is; None where everything around is open."""
        found = None
        for each in self.nesting.outward(call):
            if each not in self.open:
                found = each
        return found


def select(trace: Trace, view: View) -> Selection:
    """Choose the nodes to draw, and the layers that are open.

    "auto" opens a layer that is alone, if there is more in it than one node that takes what the layer is given, and no
    more than a person can look at. Raises TargetError where what is asked for is too much.
    """
    if len(trace.graph.nodes) > MOST_NODES:
        raise TargetError(
            f"{trace.target} has more than {MOST_NODES:,} nodes, the most that a picture holds:"
            " record fewer steps, or draw one of its layers"
        )
    trace = mirrored(trace) if view.backward else trace
    selection = _selection(trace, view)
    if view.open == "auto" and selection.open and selection.shown > MOST_SHOWN:
        selection = _selection(trace, replace(view, open="none"))
    if (shown := selection.shown) > MOST_ITEMS:
        raise TargetError(f"the picture has {shown:,} operators; at most {MOST_ITEMS:,} are drawn: open fewer layers")
    return selection


def _selection(trace: Trace, view: View) -> Selection:
    """The nodes to draw and the open layers, however many there are."""
    calls = trace.calls
    if not isinstance(trace, Mirror):
        calls = tuple(c for c in calls if not any(o in trace.backward for o in c.outputs))
    wanted = _wanted(trace, calls)
    nodes = topological(wanted, known=trace.backward | trace.prepared)
    drawn = set(nodes)
    nesting = Nesting(calls, trace, [node for node in trace.graph.nodes if node in drawn])
    opened = {c for c in _opened(nesting, view.open) if view.depth is None or nesting.depth(c) < view.depth}
    outputs = {*trace.graph.outputs.values()}
    if not view.unfold and view.open != "all":
        fold(nesting, trace, outputs, opened)
    parts = divide(nesting, outputs)
    _refuse_unknown(view.open, nesting.calls)
    inside = {node for part in parts for node in nesting.members[part]}
    loose = {n for n in wanted if n in inside and n not in nesting.users}
    if parts and not calls:  # then everything is wanted, but what is only given ends nothing
        loose |= {n for n in wanted if not is_made(n, trace)}
    loose -= outputs | {o for part in parts for around in nesting.outward(part) for o in around.outputs}
    opened |= {c for c in nesting.calls[len(calls) :] if view.open == "all" or c.name in _names(view.open)}
    if view.open not in ("auto", "none"):
        opened |= {around for call in opened for around in nesting.outward(call)}
    return Selection(
        trace,
        nodes,
        tuple(node for node in wanted if node not in loose),
        tuple(nesting.calls),
        frozenset(c for c in opened if all(around in opened for around in nesting.outward(c))),
        nesting,
        loose,
    )


def _wanted(trace: Trace, calls: Sequence[LayerCall]) -> dict[Node, None]:
    """The values to draw: results of layers, outputs, and nodes after them. Without layers, all nodes."""
    wanted = dict.fromkeys(o for c in calls for o in c.outputs)
    wanted |= dict.fromkeys(o for o in trace.graph.outputs.values() if o not in trace.backward)
    if not isinstance(trace, Mirror):
        wanted |= dict.fromkeys(_beyond(trace, wanted))
        if not calls:
            forward = [n for n in trace.graph.nodes if n not in trace.backward and n.primitive is not CONSTANT]
            used = {value for node in forward for value in node.inputs}
            idle = {
                n for n in forward if n not in used and not n.inputs and n.primitive is not INPUT
            }  # zeros for later
            wanted |= dict.fromkeys(n for n in forward if n not in idle)
    return wanted


def _beyond(trace: Trace, outputs: Collection[Node]) -> list[Node]:
    """Nodes after the layers that are part of what is differentiated: in a script, `loss = np.sum(y)` or `y = r + h`.

    Where the trace holds no gradient at all, those that have a name. What is inside a layer is the layer's own matter.
    """
    any_gradient = any(value.gradient is not None for value in trace.values)
    counted = {node for node, v in trace.by_node.items() if (v.gradient if any_gradient else v.name) is not None}
    forward = [node for node in trace.graph.nodes if node not in trace.backward]
    counted &= computed_from(forward, outputs)
    return [node for node in forward if node in counted and node not in trace.call_of]


def _names(open: str | Collection[str]) -> Collection[str]:
    return {open} if isinstance(open, str) else set(open)


def has_inside(call: LayerCall, members: Sequence[Node]) -> bool:
    """True if a layer holds more than one node that takes the inputs of the layer."""
    given = {node for member in members for node in member.inputs if node.primitive is not CONSTANT}
    return len(members) > 1 or not given <= set(call.inputs)


def _opened(nesting: Nesting, open: str | Collection[str]) -> set[LayerCall]:
    calls, members = nesting.calls, nesting.members
    if open == "none":
        return set()
    if open == "auto":
        top = [c for c in calls if c.parent is None]
        return {c for c in top if len(top) == 1 and has_inside(c, members.get(c, ()))}
    if open == "all":
        return {c for c in calls if c in members}
    named = [c for c in calls if {c.name, c.cls} & {*_names(open)} and c in members]
    return {around for call in named for around in nesting.outward(call)}


def _refuse_unknown(open: str | Collection[str], calls: Sequence[LayerCall]) -> None:
    """Raise TargetError for a name that no layer has. The message lists the names."""
    known = dict.fromkeys(word for call in calls for word in (call.name, call.cls))
    for name in _names(open):
        if name not in known and name not in ("auto", "all", "none"):
            there = ", ".join(shorten(word) for word in list(known)[:_MOST_NAMES])
            more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
            has = f"; there are {there}{more}" if known else ": the program has no layers"
            raise TargetError(f"there is no layer {shorten(name)} to open{has}")
