"""A recorded forward in; the same with each call of a layer that it holds as one step, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from dout.explain.parts.called_parts import item_at, paths_in
from dout.explain.parts.part_calls import PART, PartCall, backward_of
from dout.graph import INPUT, Graph, Node, renewed, topological
from dout.run import copied, deep_copy, flat, quiet, upstream
from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace


@dataclass(frozen=True)
class _Held:
    """A call of a part that a layer holds, with the part as it was before."""

    call: LayerCall
    path: str
    part: Any

    @property
    def container(self) -> str:
        """What holds the part, `layers`; nothing where it is an attribute."""
        return self.path.rpartition("[")[0]


def with_parts(graph: Graph, trace: Trace, layer: Any, called: Sequence[str]) -> tuple[Graph, Trace, dict[Node, str]]:
    """The graph, the recording with the values of its new steps, and what stands for the parts, with their paths.

    `layer` is one like that which was recorded, before its forward, and `called` are its parts in the order of their
    calls. A part is one step where it has a backward that returns a gradient for each of its inputs, and is called
    once: two calls share what it keeps.
    """
    made: dict[Node, Node] = {}
    parts: dict[Node, str] = {}
    data = dict(trace.data)
    for number, chain in enumerate(_chains(_held_parts(trace, layer, called), graph, layer)):
        call = _part_call(chain, number, trace, layer)
        if call is None:
            continue
        first, output = chain[0].call, chain[-1].call.outputs[0]
        stands = Node(INPUT, (), {}, (), float)
        parts[stands], data[stands] = call.path, 1.0 + number
        step = Node(PART, (*first.inputs, stands), {"call": call}, output.shape, output.dtype, first.where)
        made[output], data[step] = step, trace.data[output]
    if not made:
        return graph, trace, {}
    new: dict[Node, Node] = {}
    for node in _in_order(graph, made):
        new[node] = renewed(made.get(node, node), new)
        if node in data:
            data[new[node]] = data[node]
    outputs = {name: new[node] for name, node in graph.outputs.items()}
    names = {**trace.names, **{new[node]: name for node, name in trace.names.items() if node in new}}
    needed, before = topological(outputs.values()), set(topological(graph.outputs.values()))
    own = {name: node for name, node in graph.inputs.items() if node in new or node not in before}
    inputs = {**own, **{path: node for node, path in parts.items()}}
    nodes = tuple(dict.fromkeys((*inputs.values(), *needed)))
    return Graph(nodes, inputs, outputs), replace(trace, names=names, data=data), parts


def _in_order(graph: Graph, made: Mapping[Node, Node]) -> list[Node]:
    """The nodes that outputs need where some are `made` in another way, each after its inputs."""
    order: dict[Node, None] = {}
    stack = list(graph.outputs.values())[::-1]
    while stack:
        node = stack[-1]
        waiting = [i for i in made.get(node, node).inputs if i not in order]
        if waiting and node not in order:
            stack += waiting[::-1]
        else:
            order[stack.pop()] = None
    return list(order)


def _held_parts(trace: Trace, layer: Any, called: Sequence[str]) -> Iterator[_Held]:
    """The calls of parts that the layer holds, in the order in which they were `called`: of those called once."""
    calls = [call for call in trace.calls[1:] if call.parent is trace.calls[0]]
    count = Counter(called)
    for call, path in zip(calls, called, strict=True) if len(calls) == len(called) else ():
        part = item_at(layer, path)
        if type(part).__name__ == call.cls and count[path] == 1 and len(call.outputs) == 1:
            yield _Held(call, path, part)


def _chains(held: Iterable[_Held], graph: Graph, layer: Any) -> Iterator[list[_Held]]:
    """The calls; those of all items of a container form one chain if each takes the output of the one before."""
    uses = Counter(i for node in graph.nodes for i in node.inputs) + Counter(graph.outputs.values())
    for container, group in groupby(held, lambda one: one.container):
        calls = list(group)
        is_whole = container and [one.path for one in calls] == list(paths_in(layer, container))
        if is_whole and all(b.call.inputs == a.call.outputs and _alone_reads(b, uses) for a, b in pairwise(calls)):
            yield calls
        else:
            yield from ([one] for one in calls)


def _alone_reads(held: _Held, uses: Mapping[Node, int]) -> bool:
    """Whether nothing but the steps of a call reads what it was given."""
    before = set(topological(held.call.inputs))
    inner = [node for node in topological(held.call.outputs) if node not in before]
    given = held.call.inputs[0]
    return uses[given] == sum(i is given for node in inner for i in node.inputs)


def _part_call(chain: Sequence[_Held], number: int, trace: Trace, layer: Any) -> PartCall | None:
    """The chain as a step, if its backward returns gradients of its inputs; else None."""
    first, last = chain[0].call, chain[-1].call
    given = [trace.data.get(node, node.static.get("value")) for node in first.inputs]
    if last.outputs[0] in topological(first.inputs):  # it passes on what it is given
        return None
    parts, path = tuple(deep_copy([one.part for one in chain])), f"self.{chain[0].path}"
    if len(chain) > 1:
        container = chain[0].container
        path = f"self.{container}.values()" if isinstance(item_at(layer, container), dict) else f"self.{container}"
    call = PartCall(path, parts, number)
    real = [i for i, node in enumerate(first.inputs) if node.kind == "f"]
    try:
        output, after = call.after(given)
        (dout,) = upstream([output])
        given_dout = copied(dout)
        with quiet():
            found = list(flat(backward_of(after, given_dout)))
        again = call.gradients(2 * dout, given)
    except Exception:  # the user's code, which was called in another way, or takes no upstream gradient alone
        return None
    if np.shape(output) != last.outputs[0].shape or last.outputs[0].kind != "f":
        return None
    shapes = [np.shape(item) if item is not None else None for item in found]
    takes: list[int | None] = [None] * len(given)
    for i, place in enumerate(real if len(found) == len(real) else real if len(found) >= len(given) else ()):
        index = i if len(found) == len(real) else place
        if shapes[index] != first.inputs[place].shape:
            return None
        takes[place] = index
    if real and not any(index is not None for index in takes):
        return None
    ignores = all(map(np.array_equal, again, found)) and np.shape(output) == ()
    writes = not np.array_equal(given_dout, dout)
    return replace(call, takes=tuple(takes), returned=len(found), writes=writes, ignores=ignores)
