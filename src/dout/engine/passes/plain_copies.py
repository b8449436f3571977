"""Copies that a reshape makes, as steps of their own: a kernel makes them, into memory that is there already."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dout.engine.ir.iteration_space import LARGE, SIDE
from dout.engine.ir.stride_model import StrideModel
from dout.engine.passes.untranspose import Axes, inverse
from dout.graph import Graph, Node, rebuild, renewed, with_inputs
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import applied
from dout.rewrite.simplify import is_elementwise

_SMALL = 1 << 12  # elements, below which a kernel more costs as much
_LESS = 4  # times as many elements has a copy of windows: then one more of what they look into is cheap


def plain_copies(graph: Graph, orders: Mapping[Node, Axes] = MappingProxyType({})) -> Graph:
    """Return the graph in which a reshape that cannot be a view is a copy in C order, and a view of that.

    What windows look into is first copied into their order, if they are copied in another one than it has, and so is
    what a step on elements reads several times. `orders` says which inputs lie in another order than C, as
    `untranspose`.
    """
    lies, copies = StrideModel(orders), dict[Node, Node]()

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        if is_elementwise(made):
            return with_inputs(made, [_in_rows(made, i, lies) for i in made.inputs])
        if made.primitive is not PRIMITIVES["reshape"] or "order" in made.static or lies.reshaped(made) is not None:
            return made
        (source,) = made.inputs
        if source not in copies:
            copies[source] = applied(PRIMITIVES["copy"], (_along_rows(source, lies),), {"order": "C"}, node.where)
        return with_inputs(made, [copies[source]])

    return rebuild(graph, change)


def _along_rows(node: Node, lies: StrideModel) -> Node:
    """The windows over an array whose elements lie as those of the windows' copy will: then it goes along rows."""
    windows = node.inputs[0] if node.primitive is PRIMITIVES["transpose"] else node
    if windows.primitive is not PRIMITIVES["windows"]:
        return node
    (base,), placed = windows.inputs, windows.static["axes"]
    axes = node.static["axes"] if node is not windows else range(len(node.shape))
    rank = len(base.shape)
    inward = [a if a < rank else placed[a - rank] for a in axes if node.shape[tuple(axes).index(a)] > 1]
    order = tuple(dict.fromkeys(inward[::-1]))[::-1]
    order = (*(a for a in range(rank) if a not in order), *order)
    few = math.prod(base.shape) * _LESS <= math.prod(node.shape)
    if not few or not inward or lies[base].strides[order[-1]] == lies[base].itemsize:
        return node
    lying = applied(PRIMITIVES["copy"], (_turned(base, order),), {"order": "C"}, node.where)
    made = with_inputs(windows, [_turned(lying, inverse(order))])
    return made if node is windows else with_inputs(node, [made])


def _in_rows(user: Node, operand: Node, lies: StrideModel) -> Node:
    """What a step on elements reads: a copy if it is read several times, and its rows do not lie along memory."""
    if math.prod(operand.shape) < _SMALL:
        return operand
    lying = lies[operand]
    steps = [step for step, length in zip(lying.strides, lying.shape, strict=True) if length > 1]
    several = math.prod(operand.shape) * _LESS <= math.prod(user.shape)
    if steps[-1] == lying.itemsize or not (several or _are_columns(operand, lying)):
        return operand
    return applied(PRIMITIVES["copy"], (operand,), {"order": "C"}, user.where)


def _are_columns(node: Node, lying: Any) -> bool:
    """Whether rows of an array lie like columns in memory: then it is worth a copy that goes by squares."""
    along = next((n for n, step in zip(lying.shape, lying.strides, strict=True) if step == lying.itemsize and n > 1), 0)
    return math.prod(node.shape) >= LARGE and min(along, node.shape[-1]) >= SIDE


def _turned(node: Node, axes: Axes) -> Node:
    if axes == tuple(sorted(axes)):
        return node
    return applied(PRIMITIVES["transpose"], (node,), {"axes": axes}, node.where)
