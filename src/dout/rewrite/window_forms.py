"""Windows as one step: a loop that copies shifted parts of an array, and every n-th window, are `windows`.

The loop is the one of im2col: it writes each place of new axes, `col[:, :, i, j] = x[:, :, i:i + n, j:j + m]`. As one
step it has the same shape of graph at every size of the window, and so has its gradient. Every value keeps every bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.graph import Graph, Node, Shape, rebuild, renewed
from dout.ops import PRIMITIVES
from dout.ops.operators import is_basic
from dout.rewrite.node_facts import applied, number_of

_Write = tuple[Shape, Node]  # the place that is written, and the value


def window_forms(graph: Graph, new: dict[Node, Node] | None = None) -> Graph:
    """Return the graph in which everything that takes windows is one `windows` step, whose gradient is one step, too.

    `new` is filled with what stands for each node.
    """
    replaced: dict[Node, Node] = {} if new is None else new
    writes: dict[Node, int] = {}  # in a row, up to each one: only the last of a loop is looked at

    def change(node: Node, made: Mapping[Node, Node]) -> Node:
        node, old = renewed(node, made), node
        if node.primitive is PRIMITIVES["setitem"]:
            writes[node] = writes.get(node.inputs[0], 0) + 1
        replaced[old] = _changed(node, writes.get(node, 0))
        return replaced[old]

    return rebuild(graph, change)


def _changed(node: Node, writes: int) -> Node:
    if node.primitive is PRIMITIVES["windows"] and "steps" not in node.static:
        return replace(node, static={**node.static, "steps": (1,) * len(node.static["axes"])})
    if node.primitive is PRIMITIVES["getitem"]:
        return _every_nth(node) or node
    if node.primitive is PRIMITIVES["setitem"]:
        return (_of_loop(node) if _places(node) == writes else None) or node
    return node


def _places(node: Node) -> int:
    """How many places there are along the axes of which a write chooses one."""
    key = basic_key(node.static["key"], node.shape) or ()
    return math.prod(node.shape[axis] for axis, part in enumerate(key) if isinstance(part, int))


def _every_nth(node: Node) -> Node | None:
    """`windows[:, ::2]` as windows with steps."""
    windows = node.inputs[0]
    if windows.primitive is not PRIMITIVES["windows"]:
        return None
    key, axes = slices_of(node.static["key"], windows.shape), windows.static["axes"]
    if key is None or len(set(axes)) != len(axes):
        return None
    stepped = {axis: part.step or 1 for axis, part in enumerate(key) if part != slice(None)}
    if not set(stepped) <= set(axes) or any(key[axis] != slice(None, None, step) for axis, step in stepped.items()):
        return None
    if any(step < 1 for step in stepped.values()):
        return None
    old = dict(zip(axes, windows.static.get("steps", (1,) * len(axes)), strict=True))
    steps = tuple(old[axis] * stepped.get(axis, 1) for axis in axes)
    return applied(windows.primitive, windows.inputs, {**windows.static, "steps": steps}, node.where)


# --- the loop of im2col -----------------------------------------------------------------------------------------------


def _of_loop(node: Node) -> Node | None:
    """What the last write of a loop leaves: windows of one array, with their axes in another order."""
    found = _writes(node)
    if found is None:
        return None
    axes, writes = found
    window = tuple(node.shape[axis] for axis in axes)
    if {place for place, _ in writes} != set(itertools.product(*map(range, window))):
        return None
    source = writes[0][1].inputs[0]
    rest = [axis for axis in range(len(node.shape)) if axis not in axes]
    if len(source.shape) != len(rest) or not isinstance(source.dtype, np.dtype):
        return None
    turned = _turned(source, window, writes)
    if turned is None:
        return None
    if source.dtype != node.dtype:  # a write casts
        source = applied(PRIMITIVES["astype"], (source,), {"dtype": node.dtype}, node.where)
    static = {"window": window, "axes": tuple(turned), "steps": tuple(turned.values())}
    windows = applied(PRIMITIVES["windows"], (source,), static, node.where)
    order = tuple(rest.index(a) if a in rest else len(rest) + axes.index(a) for a in range(len(node.shape)))
    made = applied(PRIMITIVES["transpose"], (windows,), {"axes": order}, node.where)
    return made if made.shape == node.shape else None


def _writes(node: Node) -> tuple[list[int], list[_Write]] | None:
    """The axes along which a loop writes, and its writes: one for each place, over an array of one number."""
    axes: list[int] | None = None
    writes: list[_Write] = []
    while node.primitive is PRIMITIVES["setitem"]:
        key = basic_key(node.static["key"], node.shape)
        if key is None:
            return None
        numbers = [axis for axis, part in enumerate(key) if isinstance(part, int)]
        value = node.inputs[1]
        plain = all(isinstance(part, int) or part == slice(None) for part in key)
        taken = value.primitive is PRIMITIVES["getitem"] and value.shape == node.static["selected"]
        if not plain or not taken or numbers != (axes or numbers) or not numbers:
            return None
        if writes and value.inputs[0] is not writes[0][1].inputs[0]:
            return None
        axes = numbers
        writes.append((tuple(key[axis] % node.shape[axis] for axis in numbers), value))
        node = node.inputs[0]
    if axes is None or number_of(node) is None or len({place for place, _ in writes}) != len(writes):
        return None
    return axes, writes


def _turned(source: Node, window: Shape, writes: Sequence[_Write]) -> dict[int, int] | None:
    """The axes along which the parts of an array are shifted, one for each axis of the window, with their steps."""
    keys = [(place, slices_of(value.static["key"], source.shape)) for place, value in writes]
    plain = [(place, key) for place, key in keys if key is not None]
    if len(plain) != len(keys):
        return None
    found: dict[int, int] = {}
    whole = [all(key[axis] == slice(None) for _, key in plain) for axis in range(len(source.shape))]
    for number, length in enumerate(window):
        for axis, n in enumerate(source.shape):
            if whole[axis] or axis in found:
                continue
            parts = [(place[number], range(n)[key[axis]]) for place, key in plain]
            step = parts[0][1].step
            count = math.ceil((n - length + 1) / step) if step > 0 else 0
            if count > 0 and all(part == range(at, at + count * step, step) for at, part in parts):
                found[axis] = step
                break
        else:
            return None
    return found if all(whole[axis] or axis in found for axis in range(len(source.shape))) else None


def basic_key(key: Any, shape: Shape) -> list[Any] | None:
    """The whole numbers and slices of an index, one an axis; None if it has other parts."""
    if not is_basic(key):
        return None
    parts = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    parts += [slice(None)] * (len(shape) - len(parts))
    return parts if all(isinstance(part, int | slice) for part in parts) and len(parts) == len(shape) else None


def slices_of(key: Any, shape: Shape) -> list[slice] | None:
    """The slices of an index, one an axis; None if it has other parts."""
    parts = basic_key(key, shape)
    return parts if parts is not None and all(isinstance(part, slice) for part in parts) else None
