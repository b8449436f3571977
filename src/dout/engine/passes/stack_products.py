"""A stack of products as one product: of all rows, of factors that lie side by side, or of a sum over the stack.

NumPy makes a product for each matrix of the stack. Each is small, and its BLAS lets threads wait in each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.ir.scalar_expressions import reduced_axes
from dout.engine.ir.stride_model import StrideModel, viewed
from dout.engine.passes.untranspose import Axes
from dout.graph import Graph, Node, rebuild, renewed, same_kind
from dout.ops import PRIMITIVES, primitives
from dout.rewrite.node_facts import recorded_operands, standing_for, users_of

_OF_TWO = primitives("matmul dot")
_ORDERS = ((0, 1), (1, 0))  # the axes of a stack before or behind one of each matrix
_LIKE = 4  # times as large as the other factor: then a copy of the other is cheap beside the products


def stack_products(graph: Graph, orders: Mapping[Node, Axes] = MappingProxyType({})) -> Graph:
    """Return the graph in which a stack of products is one product where that copies nothing large.

    `orders` says which inputs lie in another order than C, as `untranspose`.
    """
    users, lies = users_of(graph), StrideModel(orders)

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        result = None
        if node.primitive in _OF_TWO:
            result = _of_rows(made) or _side_by_side(made, lies)
        elif node.primitive is PRIMITIVES["sum"] and users.get(node.inputs[0]) == {node}:
            result = _added_up(node, new, lies)
        return standing_for(made, result)

    return rebuild(graph, change)


def _of_rows(node: Node) -> Node | None:
    """A stack of matrices times one matrix: all rows times that matrix."""
    if len(node.inputs[0].shape) < 3 or len(node.inputs[1].shape) != 2:
        return None
    stack, matrix = recorded_operands(node)
    *lengths, inner = node.inputs[0].shape
    product: Any = node.primitive(np.reshape(stack, (math.prod(lengths), inner)), matrix, **node.static)
    result: Any = np.reshape(product, node.shape)
    return result.node  # type: ignore[no-any-return]


def _side_by_side(node: Node, lies: StrideModel) -> Node | None:
    """A matrix times a stack of matrices whose columns lie side by side, as those of windows by index arrays do."""
    if node.primitive is not PRIMITIVES["matmul"] or [len(i.shape) for i in node.inputs] != [2, 3]:
        return None
    count, inner, columns = node.inputs[1].shape
    for order in _ORDERS:
        axes = (1, *(2 * k for k in order))
        if count > 1 and viewed(lies[node.inputs[1]].transpose(axes), (inner, count * columns)) is not None:
            matrix, stack = recorded_operands(node)
            whole: Any = np.matmul(matrix, np.reshape(np.transpose(stack, axes), (inner, count * columns)))
            lengths = [(count, columns)[k] for k in order]
            apart: Any = np.reshape(whole, (node.shape[1], *lengths))
            result: Any = np.transpose(apart, (1 + order.index(0), 0, 1 + order.index(1)))
            return result.node  # type: ignore[no-any-return]
    return None


def _added_up(node: Node, new: Mapping[Node, Node], lies: StrideModel) -> Node | None:
    """The sum of a stack of products, as one that adds up over the stack, too; the larger factor lies so already.

    The gradient of weights, summed over images: `(dout @ columns.transpose(0, 2, 1)).sum(axis=0)`.
    """
    (product,) = node.inputs
    if product.primitive is not PRIMITIVES["matmul"] or [len(i.shape) for i in product.inputs] != [3, 3]:
        return None
    if reduced_axes(node) != (0,) or node.static.keys() - {"axis"} or not same_kind(product.dtype, node.dtype):
        return None
    product = renewed(product, new)
    left, right = product.inputs
    large, small = (left, right) if math.prod(left.shape) > math.prod(right.shape) else (right, left)
    if left.shape[0] != right.shape[0] or math.prod(large.shape) < _LIKE * math.prod(small.shape):
        return None
    inner, (rows, columns) = left.shape[0] * left.shape[2], product.shape[1:]
    for order in _ORDERS:
        first, second = (*(2 * k for k in order), 1), (*order, 2)
        lying = lies[large].transpose(first if large is left else second)
        if viewed(lying, (inner, rows if large is left else columns)) is not None:
            one, two = recorded_operands(product)
            x: Any = np.transpose(np.reshape(np.transpose(one, first), (inner, rows)))
            y: Any = np.reshape(np.transpose(two, second), (inner, columns))
            result: Any = np.matmul(x, y)
            return result.node  # type: ignore[no-any-return]
    return None
