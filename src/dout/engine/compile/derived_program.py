"""A captured run of a function, with the gradient that `dout.grad` and `dout.value_and_grad` derive from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.grad import backpropagate
from dout.graph import CONSTANT, Graph, Node, evaluate, topological
from dout.ops import PRIMITIVES
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.node_facts import applied, constant
from dout.rewrite.stable_forms import stable_forms
from dout.trace.capture.budget import MOST_OPERATIONS
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import Built, Held, HeldView, Same, Template, nodes_in
from dout.trace.model.replay import Data
from dout.trace.record.trace_verbs import Derives, not_a_number, the_value


def with_gradient(run: Capture, derives: Derives) -> Capture:
    """Return the run as if it had also computed the gradient: its result is what the deriving function gives.

    Raises as `dout.value_and_grad` does.
    """
    if run.no_gradient is not None:
        raise run.no_gradient
    given = [template.node if isinstance(template, Held) else template for template in run.arguments]
    ends = [run.result.node] if isinstance(run.result, Held | HeldView) else list(nodes_in(run.result))
    end = the_value(getattr(derives.function, "__qualname__", "the function"), ends, run.graph.nodes)
    for i in derives.wanted:
        if not isinstance(item := given[i], Node):
            assert isinstance(item, Built | Same), "a view that is given is an array of its own"
            raise not_a_number(i, item.kind if isinstance(item, Built) else type(item.item))
    gradients = _gradients(end, given, run, derives)
    ones = {node: node.static["value"] for node in topological(gradients) if node.primitive is CONSTANT}
    found = evaluate([end, *gradients], {**ones, **run.data})
    of_none = [node for node in gradients if not node.shape and isinstance(found[node], np.ndarray)]
    values = Data({**found, **{node: found[node].copy() for node in of_none}})  # arrays of no axes, perhaps views
    parts: Template = Built(tuple, tuple(gradients)) if derives.many else gradients[0]
    result = Built(tuple, (end, parts)) if derives.value else parts
    graph, better = _with(run.graph, end, gradients), None
    name = next((name for name, node in run.graph.outputs.items() if node is end), None)
    if name is not None and len(graph.nodes) <= MOST_OPERATIONS:
        forward = stable_forms(masked_write_to_select(run.graph))
        end_of_better = forward.outputs[name]
        better = stable_forms(
            _with(forward, end_of_better, _gradients(end_of_better, given, run, derives)), derived=True
        )
    returned = _returned(result, values)
    return replace(run, graph=graph, better=better, data=values, result=result, returned=returned)


def _with(graph: Graph, end: Node, gradients: Sequence[Node]) -> Graph:
    outputs = {**graph.outputs, "value": end, **{f"d{i}": node for i, node in enumerate(gradients)}}
    return Graph(topological([*graph.inputs.values(), *outputs.values()]), graph.inputs, outputs)


def _gradients(end: Node, given: Sequence[Any], run: Capture, derives: Derives) -> list[Node]:
    """The node of each gradient that is asked for."""
    found = backpropagate({end: constant(_one(end))}).of
    return [_gradient(found, given[i], run) for i in derives.wanted]


def _one(end: Node) -> Any:
    """The gradient of the value itself, in its dtype; of whole numbers gradients are floats."""
    if isinstance(end.dtype, type):
        return end.dtype(1)
    return end.dtype.type(1) if end.dtype.kind in "fc" else np.float64(1)


def _gradient(found: Mapping[Node, Node], node: Any, run: Capture) -> Node:
    """The node of one gradient, in memory of its own; zeros where nothing leads from the input to the value."""
    gradient = found.get(node)
    if gradient is not None:
        return applied(PRIMITIVES["copy"], (gradient,), {"order": "C"}) if gradient.shape else gradient
    dtype = np.asarray(run.originals[node]).dtype
    dtype = dtype if dtype.kind in "fc" else np.dtype(float)
    if not node.shape:
        return constant(dtype.type(0))
    return applied(PRIMITIVES["zeros"], (), {"shape": node.shape, "dtype": dtype})


def _returned(template: Template, values: Data) -> Any:
    if isinstance(template, Built):
        return tuple(_returned(part, values) for part in template.parts)
    assert isinstance(template, Node)
    return values[template]
