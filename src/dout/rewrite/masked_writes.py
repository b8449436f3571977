"""Masked reads and writes as choices: `out[mask] = 0` is where(mask, 0, out), and no shape depends on a value any more.

What is computed between a masked read and the masked write of it, `x[m] = np.exp(x[m])`, is computed everywhere, and
chosen where the mask says. Every value keeps every bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.graph import Graph, Node, Primitive, rebuild, renewed
from dout.ops import by_primitive
from dout.ops.abstract import AbstractRecorder
from dout.ops.operators import Slot
from dout.ops.raising import may_raise, shaped_by_values, shaping_inputs
from dout.rewrite.identities import is_whole
from dout.rewrite.simplify import is_elementwise


def masked_write_to_select(graph: Graph) -> Graph:
    """Return the graph in which a write by a mask is a `where`, and a write over a whole array is the written value.

    Merge first, so that a mask written twice is one. A write stays as it is where the mask is not over the first axes,
    or where what is written has one element for each that is chosen and does not come from a read by the same mask.
    """
    return rebuild(graph, _Selection())


class _Selection:
    """Gives the node that replaces each node; `whole` has of a chosen value the mask, and the value of all elements."""

    def __init__(self) -> None:
        self.whole: dict[Node, tuple[Node, Node]] = {}  # the mask, and the value for all elements
        self.shaped: set[Node] = set()  # those whose shape depends on values

    def __call__(self, node: Node, new: Mapping[Node, Node]) -> Node:
        recorder = AbstractRecorder(node.where)
        if shaped_by_values(node) or not self.shaped.isdisjoint(shaping_inputs(node)):
            self.shaped.add(node)
        rule = _RULES.get(node.primitive)
        if rule is not None:
            made = rule(self, recorder, node, new)
            return renewed(node, new) if made is None else made.node
        if is_elementwise(node) and not may_raise(node):
            self._follow(recorder, node, new)
        return renewed(node, new)

    def _follow(self, recorder: AbstractRecorder, node: Node, new: Mapping[Node, Node]) -> None:
        """Compute a node of chosen elements for all elements, too."""
        masks = {self.whole[i][0] for i in node.inputs if i in self.whole}
        if len(masks) == 1:
            mask = masks.pop()
            operands = [self.all_of(recorder, i, mask, node.shape, new) for i in node.inputs]
            if all(operand is not None for operand in operands):
                self.whole[node] = mask, recorder.emit(node.primitive, tuple(operands), dict(node.static)).node

    def all_of(
        self, recorder: AbstractRecorder, value: Node, mask: Node, chosen: tuple[int, ...], new: Mapping[Node, Node]
    ) -> Any:
        """What `value` is for all elements, not only for those of shape `chosen` that the mask chooses; or None."""
        if value in self.whole and self.whole[value][0] is mask and len(value.shape) == len(chosen):
            return recorder.wrap(self.whole[value][1])
        return recorder.wrap(new[value]) if len(value.shape) < len(chosen) else None

    def read(self, recorder: AbstractRecorder, node: Node, new: Mapping[Node, Node]) -> None:
        """x[mask], which stays, and is x for all elements."""
        x, *index = node.inputs
        if (mask := _mask(node, index, x)) is not None:
            self.whole[node] = mask, new[x]

    def write(self, recorder: AbstractRecorder, node: Node, new: Mapping[Node, Node]) -> Any:
        """x[mask] = value, x[...] = value."""
        x, value, *index = node.inputs
        if isinstance(x.dtype, type) or not x.dtype.isnative or (value.kind == "c" and x.kind != "c"):
            return None
        whole = not index and is_whole(node.static["key"], x.shape) and x not in self.shaped
        if whole and len(value.shape) <= len(x.shape):
            written: Any = recorder.wrap(new[value])
            return np.broadcast_to(written.astype(x.dtype), x.shape)
        mask = _mask(node, index, x)
        chosen = None if mask is None else self.all_of(recorder, value, mask, node.static["selected"], new)
        if mask is None or chosen is None:
            return None
        return np.where(_over(recorder.wrap(new[mask]), x), chosen.astype(x.dtype), recorder.wrap(new[x]))

    def scatter(self, recorder: AbstractRecorder, node: Node, new: Mapping[Node, Node]) -> Any:
        """The gradient of x[mask]: the upstream gradient at the chosen places, and zero elsewhere."""
        value, *index = node.inputs
        mask = _mask(node, index, node)
        chosen = None if mask is None else self.all_of(recorder, value, mask, value.shape, new)
        if mask is None or chosen is None or value not in self.whole:
            return None
        # The row adds to zeros, so that −0 becomes 0.
        return np.where(_over(recorder.wrap(new[mask]), node), chosen.astype(node.dtype) + 0, 0)


_RULES: dict[Primitive, Any] = by_primitive(
    {"getitem": _Selection.read, "setitem": _Selection.write, "scatter": _Selection.scatter}
)


def _mask(node: Node, index: list[Node], x: Node) -> Node | None:
    """The mask that is the key of a read or write of `x`, over its first axes or all of them."""
    if node.static["key"] not in (Slot(0), (Slot(0),)) or len(index) != 1 or index[0].dtype != np.bool_:
        return None
    shape = index[0].shape
    return index[0] if shape and shape == x.shape[: len(shape)] else None


def _over(mask: Any, x: Node) -> Any:
    """A mask over the first axes, so that it broadcasts over the others."""
    return np.reshape(mask, (*mask.shape, *(1,) * (len(x.shape) - len(mask.shape))))
