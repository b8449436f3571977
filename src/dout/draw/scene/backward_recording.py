"""The hand-written backward as a recording of its own: from `dout` through its nodes to dx, dW, db.

What forward kept for it enters from outside, as the inputs of a forward do, so that everything that draws a forward
draws a backward too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat

from dout.draw.scene.scene_drafts import Wire
from dout.graph import CONSTANT, Graph, Node
from dout.ops import PRIMITIVES
from dout.trace.model.recorded import Gradient, LayerCall, Parameter, Value
from dout.trace.record.trace import Trace


@dataclass(frozen=True, eq=False)
class Mirror(Trace):
    """A recording whose layers run backwards: `dout` goes in, gradients come out.

    Its nodes outside are those of forward. `carried` is the gradient that each value is; the others are what it is
    computed with: residuals, and what comes of them alone. `ends` are the gradients it ends in, with their names.
    """

    ends: Mapping[Node, str] = field(default_factory=dict)
    carried: Mapping[Wire, Gradient] = field(default_factory=dict)


def mirrored(trace: Trace) -> Mirror:
    """Return the backward of a recording; it is empty where no layer's backward was recorded."""
    twins = _twins(trace)
    outside = frozenset(node for node in trace.graph.nodes if node not in trace.backward)
    ends = _ends(trace, twins)
    given = {node for twin in twins.values() for node in twin.inputs}  # keeps its name, also where it is handed on
    made = {node: name for node, name in ends.items() if node in trace.backward and node not in given}
    names = {**trace.names, **made}
    values = tuple(Value(node, trace.data, names.get(node)) for node in trace.graph.nodes)
    return Mirror(
        target=trace.target,
        graph=Graph(trace.graph.nodes, {}, {f"out{i}": node for i, node in enumerate(ends)}),
        data=trace.data,
        names=names,
        calls=tuple(twins.values()),
        call_of=_homes(trace, twins),
        backward=outside,
        events=trace.events,
        stored=lambda: (values, {}),
        ends=ends,
        carried=_carried(trace, twins),
    )


def _twins(trace: Trace) -> dict[LayerCall, LayerCall]:
    """For each layer with a backward its call in the other direction, the last layer first."""
    made: dict[LayerCall, LayerCall] = {}
    for call in trace.calls:  # a layer comes before those inside it
        outputs = dict.fromkeys(g for g in call.gradients or () if g is not None)
        outputs |= dict.fromkeys(p.gradient for p in call.parameters if p.gradient in trace.backward)
        if outputs:
            inputs = dict.fromkeys(d for d in call.douts or () if d is not None)
            parent = next((made[around] for around in call.outward() if around in made), None)
            made[call] = LayerCall(call.name, call.cls, tuple(inputs), tuple(outputs), parent, call.where)
    return dict([*made.items()][::-1])


def _homes(trace: Trace, twins: Mapping[LayerCall, LayerCall]) -> dict[Node, LayerCall]:
    """The innermost layer that each node of the backward was made in."""
    homes = {}
    for node in trace.backward:
        home = trace.call_of.get(node)
        twin = next((twins[call] for call in home.outward() if call in twins), None) if home else None
        if twin is not None:
            homes[node] = twin
    return homes


def _ends(trace: Trace, twins: Mapping[LayerCall, LayerCall]) -> dict[Node, str]:
    """The results of the backward with their names: gradients that no further layer takes, and those of parameters."""
    found: dict[Node, list[str]] = {}
    given: set[Node] = set()
    for call in [*twins][::-1]:  # from the end of the backward
        if call.parent not in twins:
            names = (trace.names.get(value, "") for value in call.inputs)
            for node, name in zip(call.gradients or (), chain(names, repeat("")), strict=False):  # or one too many
                if node is not None and node not in given:
                    found.setdefault(node, []).append(_role(trace, call, node, name))
            given |= set(twins[call].inputs)
        for parameter in call.parameters:
            if parameter.gradient in trace.backward:
                name = _role(trace, call, parameter.gradient, parameter.name)
                found.setdefault(parameter.gradient, []).append(name)
    for node in trace.graph.nodes:  # gradients of one value that the program added up itself
        if node.primitive is PRIMITIVES["add"] and node not in trace.call_of and found.keys() >= set(node.inputs):
            found = {end: names for end, names in found.items() if end not in node.inputs}
            found[node] = [trace.names.get(node, "")]
    return {node: ", ".join(dict.fromkeys(names)) for node, names in found.items()}


def _role(trace: Trace, call: LayerCall, node: Node, of: str) -> str:
    """The name of the gradient `of` a value: the user's, unless its `dout` has the same name."""
    name = trace.names.get(node)
    given = {trace.names.get(dout) for dout in call.douts or () if dout is not None}
    return name if name and name not in given else f"d{of}"


def _carried(trace: Trace, twins: Mapping[LayerCall, LayerCall]) -> dict[Wire, Gradient]:
    """The gradients among the values: each `dout`, each gradient handed back, and the values computed from them."""
    judged = {wire: gradient for call in twins for wire, gradient in _judged(trace, call, twins[call])}
    known = {node for twin in twins.values() for node in (*twin.inputs, *twin.outputs)}
    wires: dict[Wire, None] = dict.fromkeys(judged)
    for node in trace.graph.nodes:
        if node in known or (node in trace.backward and any(given in known for given in node.inputs)):
            known.add(node)
            if node.primitive is not CONSTANT:
                wires[node, None] = None
    found = {}
    for wire in wires:
        right = judged.get(wire)
        told = (None, wire[0], None) if right is None else (right.expected, wire[0], right.derived)
        found[wire] = Gradient(trace.data.get(wire[0]), "user", *told)
    return found


def kept_for(trace: Trace, call: LayerCall, parameter: Parameter) -> Gradient | None:
    """The gradient that a layer's backward kept for one of its arrays, as compared with the derived one."""
    value = trace.by_node.get(parameter.node)
    edges = () if value is None else tuple(u.gradient for u in value.uses if u.call and u.call.inside(call))
    mine = next((g for g in edges if g is not None and g.source == "user"), None)
    return mine or (value.gradient if value is not None else None)


def _judged(trace: Trace, call: LayerCall, twin: LayerCall) -> Iterable[tuple[Wire, Gradient]]:
    """The gradients that a layer's backward returned or kept, as they were compared with the derived ones."""
    uses = trace.arguments.get(call, ())
    found = [(node, use.gradient) for node, use in zip(call.gradients or (), uses, strict=False)]
    found += [(parameter.gradient, kept_for(trace, call, parameter)) for parameter in call.parameters]
    for node, gradient in found:
        if node is not None and gradient is not None and gradient.source == "user":
            home = trace.call_of.get(node) if node in trace.backward else None
            yield (node, None if home is not None and home.inside(call) else twin), gradient
