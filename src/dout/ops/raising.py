"""Which rows may raise, or give another shape, by the values they are given and not by shapes and dtypes alone."""

from __future__ import annotations

import numpy as np

from dout.graph import Node

_FACTORED = frozenset(["inv", "solve", "det"])
_DIVIDING = frozenset(["divide", "floor_divide", "mod", "pow", "round", "left_shift", "right_shift"])  # plain numbers


def may_raise(node: Node) -> bool:
    """Whether it depends on values whether a row gives anything: a place that is not there, a division by zero."""
    name = node.primitive.name
    if name in ("getitem", "setitem", "add_at"):
        first = 1 if name == "getitem" else 2
        return any(np.dtype(i.dtype).kind in "iu" for i in node.inputs[first:])
    if name in ("pow", "power") and np.dtype(node.dtype).kind in "iu":
        return True  # of whole numbers there are no negative powers
    plain = all(isinstance(i.dtype, type) for i in (node, *node.inputs))
    return name in _FACTORED or name.startswith("math_") or (plain and name in _DIVIDING)


def shaped_by_values(node: Node) -> bool:
    """Whether the shape of what a row gives depends on the values it is given."""
    name = node.primitive.name
    if name == "places":
        return node.static["function"] in ("bincount", "repeat", "unique")
    return name == "nonzero" or (name == "getitem" and any(np.dtype(i.dtype) == np.bool_ for i in node.inputs[1:]))
