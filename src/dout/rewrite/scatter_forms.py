"""What is put into zeros and then summed, or added to something else: the zeros are never made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.graph import Graph, Node, rebuild, renewed
from dout.ops import PRIMITIVES
from dout.ops.operators import Slot
from dout.ops.reduce import axes_of
from dout.rewrite.node_facts import applied, users_of

_SCATTER, _SUM, _ADD, _SUBTRACT = (PRIMITIVES[name] for name in ("scatter", "sum", "add", "subtract"))


def scatter_sums(graph: Graph, counts: Mapping[Node, Any]) -> Graph:
    """Return the graph in which a sum over an axis with one element a row is replaced by that element.

    `counts` are whole numbers that forward makes itself, `np.arange(n)`, with their values: they choose the rows.
    """

    def summed(node: Node, new: Mapping[Node, Node]) -> Node:
        node = renewed(node, new)
        if node.primitive is not _SUM or len(node.inputs) != 1 or node.inputs[0].primitive is not _SCATTER:
            return node
        value, *index = node.inputs[0].inputs
        if not _one_in_each_row(node.inputs[0], node.static.get("axis"), index, counts):
            return node
        return applied(PRIMITIVES["reshape"], [value], {"shape": node.shape}, node.where)

    return rebuild(graph, summed)


def _one_in_each_row(scatter: Node, axis: Any, index: list[Node], counts: Mapping[Node, Any]) -> bool:
    """Whether the indices of all axes but those summed over are every row, once and in order."""
    key, shape, chosen = scatter.static["key"], scatter.shape, scatter.inputs[0].shape
    if not isinstance(key, tuple) or len(key) != len(shape) or not all(isinstance(part, Slot) for part in key):
        return False
    rows = [i for i in range(len(shape)) if i not in axes_of(axis, len(shape))]
    if tuple(shape[i] for i in rows) != chosen or any(index[key[i]] not in counts for i in rows):
        return False
    every = zip(rows, np.indices(chosen), strict=True)
    return all(np.array_equal(np.broadcast_to(counts[index[key[i]]], chosen), places) for i, places in every)


def scatter_additions(graph: Graph) -> Graph:
    """Return the graph in which what is put into zeros and added to another array is added to its elements."""
    users = users_of(graph)
    alone = {node for node in graph.nodes if node.primitive is _SCATTER and len(users.get(node, ())) == 1}

    def added(node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        if node.primitive not in (_ADD, _SUBTRACT) or node.inputs[0].shape != node.inputs[1].shape:
            return made
        place = next((i for i, one in enumerate(node.inputs) if one in alone), None)
        if place is None or made.inputs[place].dtype != node.dtype or made.inputs[1 - place].dtype != node.dtype:
            return made
        scatter, rest = made.inputs[place], made.inputs[1 - place]
        value, *index = scatter.inputs
        if node.primitive is _SUBTRACT:
            minus = applied(PRIMITIVES["negative"], [value if place else rest], {}, node.where)
            value, rest = (minus, rest) if place else (value, minus)
        static = {"key": scatter.static["key"], "selected": value.shape}
        return applied(PRIMITIVES["add_at"], [rest, value, *index], static, node.where)

    return rebuild(graph, added)
