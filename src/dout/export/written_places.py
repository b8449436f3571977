"""Arrays that are written place by place: a place is read where it was made, and the whole is what was written, joined.

So a loop over time steps that fills an array becomes its steps and one join, in place of a write a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dout.graph import Graph, Node, rebuild, renewed, same_kind
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import applied

_SETITEM, _GETITEM = PRIMITIVES["setitem"], PRIMITIVES["getitem"]


def written_places(graph: Graph) -> Graph:
    """Return the graph in which no array is written that is filled place by place along one axis."""
    return rebuild(graph, _changed)


def _changed(node: Node, new: Mapping[Node, Node]) -> Node:
    node = renewed(node, new)
    if node.primitive is _GETITEM and len(node.inputs) == 1:
        return _read_where_made(node)
    return _joined(node) if node.primitive is _SETITEM else node


def _read_where_made(node: Node) -> Node:
    """The value that was written at the place that is read, or what the array was before other places were written."""
    place, base = _place(node.static["key"], len(node.inputs[0].shape)), node.inputs[0]
    while place is not None and base.primitive is _SETITEM and len(base.inputs) == 2:
        other = _place(base.static["key"], len(base.shape))
        if other is None or other[0] != place[0] or min(place[1], other[1]) < 0:
            break
        value = base.inputs[1]
        if other == place:
            fits = value.shape == node.shape and same_kind(value.dtype, node.dtype)
            return value if fits else node
        base = base.inputs[0]
    return node if base is node.inputs[0] else replace(node, inputs=(base,))


def _joined(node: Node) -> Node:
    """The values of all places, side by side, where each was written."""
    first = _place(node.static["key"], len(node.shape))
    if first is None:
        return node
    axis, count = first[0], node.shape[first[0]]
    found: dict[int, Node] = {}
    at = node
    while at.primitive is _SETITEM and len(at.inputs) == 2 and len(found) < count:
        place = _place(at.static["key"], len(at.shape))
        if place is None or place[0] != axis:
            return node
        found.setdefault(place[1] % count, at.inputs[1])
        at = at.inputs[0]
    shape = (*node.shape[:axis], 1, *node.shape[axis + 1 :])
    inner = (*node.shape[:axis], *node.shape[axis + 1 :])
    if len(found) < count or count < 2:
        return node
    parts = [found[i] for i in range(count)]
    if any(part.shape != inner or not same_kind(part.dtype, node.dtype) for part in parts):
        return node
    wide = [applied(PRIMITIVES["reshape"], (part,), {"shape": shape}, node.where) for part in parts]
    return applied(PRIMITIVES["concatenate"], wide, {"axis": axis}, node.where)


def _place(key: Any, ndim: int) -> tuple[int, int] | None:
    """The axis and the place of a key that chooses one along one axis, and all along the others."""
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = parts[:-1] if parts and parts[-1] is Ellipsis else parts
    numbers = [axis for axis, part in enumerate(parts) if type(part) is int]
    if len(numbers) != 1 or any(part != slice(None) for part in parts if type(part) is not int) or len(parts) > ndim:
        return None
    return numbers[0], parts[numbers[0]]
