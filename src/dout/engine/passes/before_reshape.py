"""Steps on the elements of a reshaped array stand before the reshape, where that was broadcast: one kernel holds both.

What is added to the rows of a product, and the Relu of images behind it; what pooling passes back, chosen for each
window and each place in it, and a mask of the image: a kernel runs over one shape. So do sums of what a step makes:
the gradient of a bias, over samples and time, `dh.reshape(-1, 100).sum(axis=0)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.ir.scalar_expressions import REDUCTIONS, reduced_axes
from dout.engine.ir.stride_model import StrideModel, viewed
from dout.engine.passes.untranspose import Axes
from dout.graph import Graph, Node, Shape, rebuild, renewed
from dout.ops.abstract import AbstractRecorder
from dout.ops.shape import axis_groups
from dout.rewrite.identities import cancelled
from dout.rewrite.node_facts import is_reshape, standing_for, users_of
from dout.rewrite.simplify import is_elementwise

_SHORT = 16  # elements of a row, fewer than a register holds or two
_TOGETHER = (16, 8, 4)  # rows that become one
_SMALL = 1 << 16  # elements, below which the longer rows cost as much as they gain


def before_reshape(graph: Graph, orders: Mapping[Node, Axes] = MappingProxyType({})) -> Graph:
    """Return the graph in which steps on elements come before the reshape of what was broadcast, if nothing is copied.

    `orders` says which inputs lie in another order than C, as `untranspose`.
    """
    users, lies = users_of(graph), StrideModel(orders)

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = cancelled(renewed(node, new))
        if made.primitive in REDUCTIONS:
            return standing_for(made, _reduced_earlier(made))
        if not is_elementwise(node) or not node.shape:
            return made
        if (wider := _in_long_rows(made, lies)) is not None:
            return standing_for(made, wider)
        reshaped = (new[i] for i in node.inputs if all(user and is_elementwise(user) for user in users[i]))
        source = next((i.inputs[0] for i in reshaped if i.shape == node.shape and _is_broadcast(i)), None)
        return standing_for(made, _earlier(made, source.shape, lies) if source else None)

    return rebuild(graph, change)


def _in_long_rows(node: Node, lies: StrideModel) -> Node | None:
    """A step that meets each short row with the same row, on rows of several; None where nothing is gained.

    A loop over a few elements takes none of them side by side: six channels with what is added to each.
    """
    short = {i for i in node.inputs if i.shape not in ((), node.shape)}
    rows = math.prod(node.shape[:-1])
    many = next((k for k in _TOGETHER if rows % k == 0), 0)
    (row, *others) = short or [node]
    alone = not others and row.shape[-1] == math.prod(row.shape) == node.shape[-1]
    if not many or not alone or not 1 < node.shape[-1] < _SHORT or math.prod(node.shape) < _SMALL:
        return None
    width = node.shape[-1]
    several: Any = np.broadcast_to(np.reshape(AbstractRecorder(node.where).wrap(row), (1, width)), (many, width))
    beside: Any = np.reshape(several, many * width)
    return _earlier(node, (rows // many, many * width), lies, {row: beside.node})


def _is_broadcast(node: Node) -> bool:
    """Whether a node is the reshape of what a step makes of arrays of different shapes."""
    if not is_reshape(node) or not node.inputs[0].shape or not is_elementwise(node.inputs[0]):
        return False
    return any(i.shape not in ((), node.inputs[0].shape) for i in node.inputs[0].inputs)


def _reduced_earlier(node: Node) -> Node | None:
    """The reduction of what a step makes, before it is reshaped; None where that is another one.

    Each group of axes that the reshape keeps together is reduced as a whole, or left.
    """
    (reshaped, *others) = node.inputs
    if others or not is_reshape(reshaped) or not is_elementwise(reshaped.inputs[0]) or 0 in reshaped.shape:
        return None
    (source,) = reshaped.inputs
    gone, axes = set(reduced_axes(node)), list[int]()
    for before, after in axis_groups(source.shape, reshaped.shape):
        long = {axis for axis in after if reshaped.shape[axis] > 1}
        if gone >= long:
            axes += before
        elif not gone.isdisjoint(long):
            return None
    if not axes:
        return None
    static = {**node.static, "axis": tuple(axes), "keepdims": False}
    made: Any = node.primitive(AbstractRecorder(node.where).wrap(source), **static)
    whole: Any = np.reshape(made, node.shape)
    return whole.node  # type: ignore[no-any-return]


def _earlier(
    node: Node, shape: Shape, lies: StrideModel, instead: Mapping[Node, Node] = MappingProxyType({})
) -> Node | None:
    """The step on arrays of another shape, reshaped; None where an operand would be copied, or is broadcast.

    Some operands have others `instead`, which are as they should be.
    """
    operands = list[Any]()
    record = AbstractRecorder(node.where).wrap
    for value in node.inputs:
        operand: Any = record(instead.get(value, value))
        if value in instead:
            operands.append(operand)
            continue
        if value.shape and (value.shape != node.shape or viewed(lies[value], shape) is None):
            return None
        operands.append(np.reshape(operand, shape) if value.shape else operand)
    made: Any = np.reshape(node.primitive(*operands, **node.static), node.shape)
    return made.node  # type: ignore[no-any-return]
