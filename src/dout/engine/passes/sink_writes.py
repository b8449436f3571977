"""Writes of a few elements after steps on all of them: in `dx[rows, t] -= 1; return dx / n` the division comes first.

One kernel then computes it from the source of dx, into the array that the write changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from dout.graph import Graph, Node, rebuild, renewed, same_kind
from dout.ops import PRIMITIVES
from dout.ops.raising import may_raise
from dout.rewrite.node_facts import applied, users_of
from dout.rewrite.simplify import is_elementwise

FEW = 16  # the array has so many times as many elements as are written


def sink_writes(graph: Graph) -> Graph:
    """Return the graph in which an elementwise step on one array and numbers comes before a write into that array.

    The written elements are computed apart. Nothing else may need the array. Every value keeps every bit.
    """
    users = users_of(graph)

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        for i in node.inputs:
            if new[i].primitive is PRIMITIVES["setitem"] and len(users[i]) == 1 and _may_follow(new[i], i, node):
                return _before(node, i, new) or renewed(node, new)
        return renewed(node, new)

    return rebuild(graph, change)


def _may_follow(write: Node, written: Node, node: Node) -> bool:
    array, value = write.inputs[:2]
    few = math.prod(value.shape) * FEW <= math.prod(array.shape)
    numbers = all(i is written or i.shape == () for i in node.inputs)
    return few and numbers and node.shape == array.shape and is_elementwise(node) and not may_raise(node)


def _before(node: Node, written: Node, new: Mapping[Node, Node]) -> Node | None:
    """The write, into what the step makes of the array, of what it makes of the elements; None where dtypes differ."""
    write = new[written]
    array, value, *index = write.inputs
    if not same_kind(value.dtype, array.dtype):
        value = applied(PRIMITIVES["astype"], (value,), {"dtype": array.dtype}, node.where)
    changed, elements = (
        applied(node.primitive, [of if i is written else new[i] for i in node.inputs], node.static, node.where)
        for of in (array, value)
    )
    if not (same_kind(elements.dtype, changed.dtype) and same_kind(changed.dtype, node.dtype)):
        return None
    return applied(write.primitive, (changed, elements, *index), write.static, write.where)
