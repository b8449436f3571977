"""Which rows may raise, or give another shape, depending on values and not on shapes and dtypes alone."""

from __future__ import annotations

import numpy as np

from dout.graph import Node
from dout.ops.plain_math import MATH
from dout.ops.registry import PRIMITIVES, primitives

_FACTORED = primitives("inv solve det")
_DIVIDING = primitives("divide floor_divide mod pow round left_shift right_shift")  # plain numbers


def may_raise(node: Node) -> bool:
    """Whether it depends on values whether a row gives anything: a place that is not there, a division by zero."""
    row = node.primitive
    if not node.inputs:
        return False
    if row in primitives("getitem setitem add_at"):
        first = 1 if row is PRIMITIVES["getitem"] else 2
        return any(i.kind in "iu" for i in node.inputs[first:])
    if row in primitives("pow power") and node.kind in "iu":
        return True  # of whole numbers there are no negative powers
    plain = all(isinstance(i.dtype, type) for i in (node, *node.inputs))
    return row in _FACTORED or row in MATH or (plain and row in _DIVIDING)


def shaping_inputs(node: Node) -> tuple[Node, ...]:
    """The inputs whose shapes decide the shape of what a row gives."""
    if node.primitive in primitives("setitem add_at"):
        return node.inputs[:1]
    if node.primitive is PRIMITIVES["getitem"] and len(node.inputs) > 1 and len(node.inputs[0].shape) == 1:
        return node.inputs[1:]  # of one axis elements are taken: how many, the index says alone
    return node.inputs if node.shape else ()


def shaped_by_values(node: Node) -> bool:
    """Whether the shape of what a row gives depends on the values it is given."""
    row = node.primitive
    if row is PRIMITIVES["places"]:
        return node.static["function"] in ("bincount", "delete", "insert", "repeat", "unique")
    by_mask = row is PRIMITIVES["getitem"] and any(np.dtype(i.dtype) == np.bool_ for i in node.inputs[1:])
    return by_mask or row is PRIMITIVES["nonzero"]
