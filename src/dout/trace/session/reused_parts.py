"""The parameters of a layer that another one calls several times: a cell at every step, one layer in two places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import Node
from dout.run import attributes_of
from dout.trace.model.recorded import Parameter
from dout.trace.session.pairing import Pair, is_named_as_gradient, pairs
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.traced import Traced, plain

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer


def of_reused_parts(tracer: Tracer, backward: OpenCall, forward: OpenCall) -> Iterator[Parameter]:
    """Yield the parameters of layers that a layer calls several times, each with its whole gradient.

    It is what the part holds in the end. Where the layer itself keeps arrays of that shape, it may add the gradients up
    there: then it is the only one that is called a gradient. Where it returns one, nothing is known.
    """
    own = {parameter.node for parameter in backward.parameters}
    returned = {node.shape for node in backward.outputs[len(forward.inputs) :] if node is not None}
    kept = [(name, item, tracer.node_of(item)) for name, item in held_values(attributes_of(backward.instance))]
    found = [(call, pair, _node(tracer, call, pair)) for call, pair in _pairs(tracer, forward)]
    shapes = Counter(node.shape for _, _, node in found)
    for call, pair, node in found:
        alike = [
            (name, other) for name, item, other in kept if other.shape == node.shape and item is not pair.parameter
        ]
        gradients = [other for name, other in alike if is_named_as_gradient(name)]
        if not alike:
            gradients = [tracer.node_of(pair.gradient)]
        elif shapes[node.shape] > 1:
            continue
        if node not in own and node.shape not in returned and len(gradients) == 1:
            yield Parameter(f"{call.name}.{pair.name}", node, gradients[0], pair.by)


def complete_parts(tracer: Tracer, whole: OpenCall) -> None:
    """Read again, where the backward of a whole ends, the gradients of its parts that went back once.

    The whole may have added to them, or averaged them. Zeros tell nothing: it has made its step, and clears them.
    """
    backs = [call for call in tracer.calls if call.kind == "backward" and call.match and call.is_inside(whole)]
    once = Counter(id(call.instance) for call in backs)
    for call in backs:
        if once[id(call.instance)] == 1 and call.match is not None and call.parameters:
            found = pairs(call.match.held, attributes_of(call.instance))
            now = {pair.name: tracer.node_of(pair.gradient) for pair in found if np.any(plain(pair.gradient))}
            call.parameters = tuple(replace(one, gradient=now.get(one.name, one.gradient)) for one in call.parameters)


def _pairs(tracer: Tracer, forward: OpenCall) -> Iterator[tuple[OpenCall, Pair]]:
    """The parameters of what is called several times inside a forward, as it saw them first."""
    calls: dict[int, list[OpenCall]] = {}
    for call in tracer.calls:
        if call.kind == "forward" and call.done and call.match is not None and call.is_inside(forward):
            calls.setdefault(id(call.instance), []).append(call)
    for first, *others in calls.values():
        for pair in pairs(first.held, attributes_of(first.instance)) if others else ():
            yield first, pair


def _node(tracer: Tracer, call: OpenCall, pair: Pair) -> Node:
    return call.held_nodes.get(id(pair.parameter)) or tracer.node_of(pair.parameter)


def held_values(attributes: Mapping[str, Any]) -> Iterable[tuple[str, Traced]]:
    """The traced values in a layer's attributes, one level deep in lists, tuples and dicts, with their names."""
    for key, item in attributes.items():
        if isinstance(item, Traced):
            yield key, item
        elif type(item) in (list, tuple):
            yield from ((f"{key}[{i}]", part) for i, part in enumerate(item) if isinstance(part, Traced))
        elif type(item) is dict:
            yield from ((str(name), part) for name, part in item.items() if isinstance(part, Traced))
