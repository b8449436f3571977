"""Steps on the elements of a reshaped array stand before the reshape, where that was broadcast: one kernel holds both.

What is added to the rows of a product, and the Relu of images behind it; what pooling passes back, chosen for each
window and each place in it, and a mask of the image: a kernel runs over one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.ir.stride_model import StrideModel, viewed
from dout.engine.passes.untranspose import Axes
from dout.graph import Graph, Node, Shape, rebuild, renewed
from dout.rewrite.identities import cancelled
from dout.rewrite.node_facts import is_reshape, recorded_operands, standing_for, users_of
from dout.rewrite.simplify import is_elementwise


def before_reshape(graph: Graph, orders: Mapping[Node, Axes] = MappingProxyType({})) -> Graph:
    """Return the graph in which steps on elements come before the reshape of what was broadcast, if nothing is copied.

    `orders` says which inputs lie in another order than C, as `untranspose`.
    """
    users, lies = users_of(graph), StrideModel(orders)

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = cancelled(renewed(node, new))
        if not is_elementwise(node) or not node.shape:
            return made
        reshaped = (new[i] for i in node.inputs if all(user and is_elementwise(user) for user in users[i]))
        source = next((i.inputs[0] for i in reshaped if i.shape == node.shape and _is_broadcast(i)), None)
        return standing_for(made, _earlier(made, source.shape, lies) if source else None)

    return rebuild(graph, change)


def _is_broadcast(node: Node) -> bool:
    """Whether a node is the reshape of what a step makes of arrays of different shapes."""
    if not is_reshape(node) or not node.inputs[0].shape or not is_elementwise(node.inputs[0]):
        return False
    return any(i.shape not in ((), node.inputs[0].shape) for i in node.inputs[0].inputs)


def _earlier(node: Node, shape: Shape, lies: StrideModel) -> Node | None:
    """The step on arrays of another shape, reshaped; None where an operand would be copied, or is broadcast."""
    operands = list[Any]()
    for value, operand in zip(node.inputs, recorded_operands(node), strict=True):
        if value.shape and (value.shape != node.shape or viewed(lies[value], shape) is None):
            return None
        operands.append(np.reshape(operand, shape) if value.shape else operand)
    made: Any = np.reshape(node.primitive(*operands, **node.static), node.shape)
    return made.node  # type: ignore[no-any-return]
