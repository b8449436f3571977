"""Products of a value with itself as squares, and of two lines of numbers as sums: their derivatives are plain."""

from __future__ import annotations

from dout.graph import Node
from dout.ops import PRIMITIVES, primitives

_LINES = primitives("dot inner matmul")


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
