"""Copies that a reshape makes, as steps of their own: a kernel makes them, into memory that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dout.engine.passes.untranspose import Axes, inverse
from dout.graph import INPUT, Graph, Node, Shape, rebuild, renewed, with_inputs
from dout.ops import PRIMITIVES, primitives
from dout.ops.operators import is_basic
from dout.rewrite.node_facts import applied

_VIEWS = primitives("transpose getitem windows broadcast_to")


def plain_copies(graph: Graph, orders: Mapping[Node, Axes] = MappingProxyType({})) -> Graph:
    """Return the graph in which a reshape that cannot be a view is a copy in C order, and a view of that.

    `orders` says which inputs lie in another order than C, as `untranspose`.
    """
    lies: dict[Node, Any] = {}

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        if made.primitive is PRIMITIVES["reshape"] and "order" not in made.static and node.inputs[0] in lies:
            view = _viewed(lies[node.inputs[0]], made.shape)
            if view is None:
                made = with_inputs(made, [applied(PRIMITIVES["copy"], made.inputs, {"order": "C"}, node.where)])
            lies[node] = _in_order(node) if view is None else view
        elif isinstance(node.dtype, np.dtype):
            lies[node] = _lying(node, lies, orders)
        return made

    for node in graph.inputs.values():
        lies[node] = _lying(node, lies, orders)
    return rebuild(graph, change)


def _lying(node: Node, lies: Mapping[Node, Any], orders: Mapping[Node, Axes]) -> Any:
    """An array of no memory with the strides that a value has."""
    if node.primitive is INPUT:
        axes = orders.get(node, tuple(range(len(node.shape))))
        return _strided(tuple(node.shape[a] for a in axes), node.dtype).transpose(inverse(axes))
    view = node.primitive in _VIEWS and len(node.inputs) == 1 and node.inputs[0] in lies
    if view and is_basic(node.static.get("key")):
        return node.primitive.forward(lies[node.inputs[0]], **node.static)
    return _in_order(node)


def _in_order(node: Node) -> Any:
    return _strided(node.shape, node.dtype)


def _strided(shape: Shape, dtype: Any) -> Any:
    """An array in C order, of which only the strides count."""
    kind = np.dtype(dtype)
    steps, step = [], kind.itemsize
    for length in reversed(shape):
        steps.append(step)
        step *= max(length, 1)
    return as_strided(np.empty(1, kind), shape, steps[::-1])


def _viewed(array: Any, shape: Shape) -> Any:
    """The array in another shape; None where that is no view."""
    try:
        return np.reshape(array, shape, copy=False)
    except (ValueError, TypeError):  # NumPy 2.0 cannot say it
        return None
