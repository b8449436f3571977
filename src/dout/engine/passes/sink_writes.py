"""Writes of a few elements after what is done to all: in `dx[rows, t] -= 1; return dx / n` the division comes first.

So it is computed from what dx was copied from, by one kernel that makes the array that is written into.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from dout.engine.passes.simplify import is_elementwise
from dout.graph import Graph, Node, rebuild, renewed, same_kind
from dout.ops import PRIMITIVES
from dout.ops.abstract import Abstract, AbstractRecorder
from dout.ops.raising import may_raise

FEW = 16  # the array has so many times as many elements as are written


def sink_writes(graph: Graph) -> Graph:
    """Return the graph in which an elementwise step, of numbers beside one array, comes before a write into that array.

    Of the elements that are written it is computed apart. Nothing else may need the array. Every value keeps every bit.
    """
    users = Counter(graph.outputs.values())
    for node in graph.nodes:
        users.update(dict.fromkeys(node.inputs, 1))

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        for i in node.inputs:
            if new[i].primitive is PRIMITIVES["setitem"] and users[i] == 1 and _may_follow(new[i], i, node):
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
    recorder = AbstractRecorder(node.where)
    array, value = (recorder.wrap(i) for i in write.inputs[:2])
    if not same_kind(value.dtype, array.dtype):
        value = recorder.emit(PRIMITIVES["astype"], (value,), {"dtype": array.dtype})

    def done(of: Abstract) -> Any:
        operands = tuple(of if i is written else recorder.wrap(new[i]) for i in node.inputs)
        return recorder.emit(node.primitive, operands, dict(node.static))

    changed, elements = done(array), done(value)
    if not (same_kind(elements.dtype, changed.dtype) and same_kind(changed.dtype, node.dtype)):
        return None
    put = AbstractRecorder(write.where)
    inputs = (changed.node, elements.node, *write.inputs[2:])
    return put.emit(write.primitive, tuple(map(put.wrap, inputs)), dict(write.static)).node  # type: ignore[no-any-return]
