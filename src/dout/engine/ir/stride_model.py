"""How values will lie in memory, known from the graph alone: what is a view of what, and when a reshape has to copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dout.graph import INPUT, Node, Shape
from dout.ops import PRIMITIVES, primitives
from dout.ops.operators import is_basic

_VIEWS = primitives("transpose getitem windows broadcast_to")


class StrideModel:
    """For each array node an array of no memory with the strides that its value will have.

    `orders` says which inputs lie in another order than C: their axes, the outermost first.
    """

    def __init__(self, orders: Mapping[Node, tuple[int, ...]]) -> None:
        self.orders = orders
        self._known: dict[Node, Any] = {}

    def __getitem__(self, node: Node) -> Any:
        """Nodes are asked for in the order of the graph, or few in a row are unknown."""
        if node not in self._known:
            self._known[node] = self._lying(node)
        return self._known[node]

    def _lying(self, node: Node) -> Any:
        if node.primitive is INPUT and node in self.orders:
            axes = self.orders[node]
            turned = _in_order(tuple(node.shape[a] for a in axes), node.dtype)
            return turned.transpose(np.argsort(axes))
        alone = len(node.inputs) == 1 and isinstance(node.inputs[0].dtype, np.dtype)
        if alone and node.primitive in _VIEWS and is_basic(node.static.get("key")):
            return node.primitive.forward(self[node.inputs[0]], **node.static)
        view = self.reshaped(node) if alone else None
        return _in_order(node.shape, node.dtype) if view is None else view

    def reshaped(self, node: Node) -> Any:
        """What a reshape sees without a copy; None where it copies, and for other nodes."""
        if node.primitive is not PRIMITIVES["reshape"] or "order" in node.static:
            return None
        return viewed(self[node.inputs[0]], node.shape)


def viewed(array: Any, shape: Shape) -> Any:
    """The array in another shape; None where that is no view."""
    try:
        return np.reshape(array, shape, copy=False)
    except (ValueError, TypeError):  # NumPy 2.0 cannot say it
        return None


def _in_order(shape: Shape, dtype: Any) -> Any:
    """An array in C order, of which only the strides count."""
    kind = np.dtype(dtype)
    steps, step = [], kind.itemsize
    for length in reversed(shape):
        steps.append(step)
        step *= max(length, 1)
    return as_strided(np.empty(1, kind), shape, steps[::-1])
