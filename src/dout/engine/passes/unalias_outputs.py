"""Results in memory of their own: the results of a plain run share none, so those of a program must not either."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dout.engine.ir.aliasing import bases
from dout.engine.ir.scalar_expressions import REDUCTIONS
from dout.engine.memory.buffer_layout import BufferLayout, order_of
from dout.engine.passes.untranspose import inverse
from dout.graph import CONSTANT, INPUT, Graph, Node, topological
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import applied
from dout.trace.capture.capture import Capture
from dout.trace.capture.templates import nodes_in


def root(node: Node) -> Node:
    """The node that made the memory in which a value may lie."""
    while bases(node):
        node = node.inputs[0]
    return node


def unalias_outputs(run: Capture, graph: Graph) -> Graph:
    """Return the graph with a copy wherever two results of a run, or a result and an input, would share memory now.

    Passes drop copies and merge equal nodes; in the recorded run these were different arrays, and the user may write
    into each. A view that was given out is none of these nodes: the driver makes it of the array that it looks into. A
    result that is also written into an array of the user's needs no copy: that array has its own memory.
    """
    outputs = dict(graph.outputs)
    names = {node: name for name, node in run.graph.outputs.items()}
    written: set[Node] = set()
    for final in run.written.values():
        name = names[final]
        if root(outputs[name]).primitive in (INPUT, CONSTANT) or root(outputs[name]) in written or bases(outputs[name]):
            outputs[name] = _copied(outputs[name])
        written.add(outputs[name])
    taken: set[Node] = set()  # who made memory that is given out
    for leaf in _leaves(run):
        name = names[leaf]
        if isinstance(run.data[leaf], np.generic):
            outputs[name] = _number(outputs[name])
            continue
        if not leaf.shape:  # an array of no axes: passes and kernels know numbers only
            outputs[name] = _copied(outputs[name], array=True)
        if run.data[leaf].flags.writeable:
            outputs[name] = _writeable(outputs[name])
        now = root(outputs[name])
        if now in taken or (now.primitive in (INPUT, CONSTANT) and now not in run.draws):
            outputs[name] = now = _copied(outputs[name])
        taken.add(now)
    return _with_outputs(graph, outputs)


def in_order(run: Capture, graph: Graph, forms: Mapping[Node, BufferLayout]) -> Graph:
    """Return the graph with a copy wherever a result lay in another order in the run than it would now.

    Passes drop copies, also those that turned an array round, and kernels write in C order. In an array of another
    order `x.reshape(-1)` is a view where it was a copy, or the other way round.
    """
    outputs = dict(graph.outputs)
    names = {node: name for name, node in run.graph.outputs.items()}
    for leaf in _leaves(run):
        now, order = outputs[names[leaf]], order_of(run.data[leaf])
        if leaf.shape and order is not None and now in forms and forms[now].order != order:
            outputs[names[leaf]] = _ordered(now.inputs[0] if now.primitive is PRIMITIVES["copy"] else now, order)
    return _with_outputs(graph, outputs)


def _ordered(node: Node, order: Any) -> Node:
    """A copy of the node in this order, as `memory_order` says it."""
    if isinstance(order, str):
        return _applied("copy", node, order=order)
    turned = _applied("copy", _applied("transpose", node, axes=order), order="C")
    return _applied("transpose", turned, axes=inverse(order))


def _with_outputs(graph: Graph, outputs: dict[str, Node]) -> Graph:
    if outputs == dict(graph.outputs):
        return graph
    return Graph(topological([*graph.inputs.values(), *outputs.values()]), graph.inputs, outputs)


def _leaves(run: Capture) -> Iterator[Node]:
    """The arrays and NumPy's numbers among the results and among what was put into objects, each once."""
    found: dict[Node, None] = {}
    for template in (run.result, *(spot.after for spot in run.spots)):
        found.update(dict.fromkeys(nodes_in(template)))
    for node in found:
        if isinstance(run.data[node], np.ndarray | np.generic):
            yield node


def _writeable(node: Node) -> Node:
    """The node itself, or one that has its values and is no view that NumPy keeps from being written into."""
    if node.primitive is PRIMITIVES["broadcast_to"] and math.prod(node.shape) == math.prod(node.inputs[0].shape):
        return replace(node, primitive=PRIMITIVES["reshape"], static={"shape": node.shape})
    step = node
    while bases(step):
        if step.primitive is PRIMITIVES["broadcast_to"]:
            return _copied(node)
        step = step.inputs[0]
    return node


def _number(node: Node) -> Node:
    """The node itself, or the number in it where it may be an array of no axes: of W * 1 passes leave W."""
    row = node.primitive
    sure = row is CONSTANT or isinstance(row.forward, np.ufunc) or row in REDUCTIONS
    return node if sure else _applied("getitem", node, key=())


def _copied(node: Node, **options: bool) -> Node:
    return _applied("copy", node, order="C", **options)


def _applied(name: str, node: Node, **static: Any) -> Node:
    return applied(PRIMITIVES[name], (node,), static, node.where)
