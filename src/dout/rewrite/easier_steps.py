"""Steps in the forms of which the derivatives are plain: squares, sums of products, and switches for a maximum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dout.graph import CONSTANT, INPUT, Graph, Node, rebuild, renewed, topological
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.plain_math import OF_ARRAYS

_LINES = primitives("dot inner matmul")
_ITEMS = primitives("item float")


def with_easier_steps(graph: Graph) -> Graph:
    """The graph with its products, maxima and minima in these forms."""
    beside = _beside_maximum(graph)

    def easier(node: Node, new: Mapping[Node, Node]) -> Node:
        made = with_squares(renewed(node, new))
        return _as_switch(made, node in beside) if made.primitive in _LIMITS and made.shape else made

    return rebuild(graph, easier)


def with_squares(node: Node) -> Node:
    """X · x as x², the product of two lines as the sum of their products; any other step as it is."""
    one, other = (*node.inputs, None, None)[:2]
    if node.primitive is PRIMITIVES["multiply"] and one is other and one is not None:
        return Node(PRIMITIVES["square"], (one,), {}, node.shape, node.dtype, node.where)
    if node.primitive not in _LINES or one is None or other is None:
        return node
    if not len(one.shape) == len(other.shape) == 1 or one.dtype != node.dtype or other.dtype != node.dtype:
        return node
    row, inputs = PRIMITIVES["multiply"], node.inputs
    if one is other:
        row, inputs = PRIMITIVES["square"], (one.inputs if one.primitive in primitives("ravel reshape") else (one,))
    product = Node(row, inputs, {}, inputs[0].shape, node.dtype, node.where)
    return Node(PRIMITIVES["sum"], (product,), {"axis": None}, (), node.dtype, node.where)


def of_plain_numbers(graph: Graph) -> Graph:
    """The graph with NumPy's functions for those of `math`, and no step from an array to the number in it."""
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        made = renewed(node, new) if node.inputs else node
        is_item = node.primitive in _ITEMS and not node.inputs[0].shape
        row = OF_ARRAYS.get(node.primitive) if len(node.inputs) == 1 else None
        new[node] = made.inputs[0] if is_item else replace(made, primitive=row) if row else made
    outputs = {name: new[node] for name, node in graph.outputs.items()}
    given = (node for node in graph.nodes if node.primitive is INPUT)
    return Graph(tuple(dict.fromkeys((*given, *topological(outputs.values())))), graph.inputs, outputs)


def _beside_maximum(graph: Graph) -> set[Node]:
    """The minima beside a maximum: max(x, 0) + a * min(x, 0). Where x is 0, one of the two has to pass dout on."""
    limits = {node: set(topological([node])) for node in graph.nodes if node.primitive in _LIMITS}
    return {
        node
        for node, before in limits.items()
        for other, others in limits.items()
        if node.primitive is _MINIMUM and other.primitive is not _MINIMUM and node not in others and other not in before
    }


_MINIMUM = PRIMITIVES["minimum"]
_LIMITS = by_primitive({"maximum": PRIMITIVES["greater"], "minimum": PRIMITIVES["less"]})


def _as_switch(node: Node, is_beside_maximum: bool) -> Node:
    """A maximum as a switch; that with a number the result itself tells: of `h = max(u, 0)` it is h > 0."""
    number = next((i for i in node.inputs if i.primitive is CONSTANT), None)
    sides = node.inputs  # of two equal ones, the second gets the gradient
    tested, test = sides, _LIMITS[node.primitive]
    if number is not None:
        sides = (next(i for i in node.inputs if i is not number), number)
        tested = (sides[0], number) if is_beside_maximum else (node, number)
        test = PRIMITIVES["less_equal"] if is_beside_maximum else test
    on = Node(test, tested, {}, node.shape, np.dtype(bool), node.where)
    return Node(PRIMITIVES["where"], (on, *sides), {}, node.shape, node.dtype, node.where)
