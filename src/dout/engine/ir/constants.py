"""Numbers that are known before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.graph import CONSTANT, Node, Where
from dout.ops import PRIMITIVES, kind_of

_ALWAYS = {PRIMITIVES["zeros"]: 0, PRIMITIVES["ones"]: 1, PRIMITIVES["empty"]: 0}


def constant(value: Any, where: Where | None = None) -> Node:
    """A node that holds one number."""
    return Node(CONSTANT, (), {"value": value}, (), kind_of(value), where)


def number_of(node: Node) -> Any:
    """The one number that each element of the node's value is, known before anything runs; otherwise None."""
    if node.primitive is CONSTANT:
        return node.static["value"]
    if node.primitive in _ALWAYS:
        return np.full((), _ALWAYS[node.primitive], node.dtype)[()]
    if node.primitive is PRIMITIVES["full"] and node.inputs[0].primitive is CONSTANT:
        return np.full((), node.inputs[0].static["value"], node.dtype)[()]
    return None
