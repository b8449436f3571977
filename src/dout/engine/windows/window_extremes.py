"""Pooling: the largest or smallest element of each window, and its place, in one pass over the image.

Pooling as it is written copies each window into a row, and looks for the extreme of each row. Here the elements at one
place of all windows are compared with those at the next: slices of the image, which need no copy. Every value keeps
every bit, but the sign of a zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.engine.ir.scalar_expressions import reduced_axes
from dout.graph import Graph, Node, rebuild, renewed
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.identities import cancelled
from dout.rewrite.node_facts import is_reshape

_LONGEST = 16  # elements of a window: each is a slice of its own
_SMALL = 1 << 12  # windows, below which a view costs as much as a pass
_PICKED = by_primitive({"max": np.maximum, "min": np.minimum})
_BETTER = by_primitive({"argmax": np.greater, "argmin": np.less})
_OPTIONS = frozenset({"axis", "keepdims"})


def window_extremes(graph: Graph) -> Graph:
    """Return the graph in which an extreme of small windows, or its place, is chosen among slices of the image."""

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = cancelled(renewed(node, new))
        known = made.primitive in _PICKED or made.primitive in _BETTER
        return (_of_windows(made) if known else None) or made

    return rebuild(graph, change)


def _of_windows(node: Node) -> Node | None:
    rows = node.inputs[0]
    windows, order = _windows_in(rows)
    if windows is None or len(node.inputs) > 1 or node.static.keys() - _OPTIONS or math.prod(node.shape) < _SMALL:
        return None
    image, window, axes = windows.inputs[0], windows.static["window"], windows.static["axes"]
    few = rows.shape[-1] == math.prod(window) and 1 < rows.shape[-1] <= _LONGEST
    if not few or reduced_axes(node) != (len(rows.shape) - 1,) or len(set(axes)) != len(axes):
        return None
    places = tuple(range(len(image.shape), len(windows.shape)))
    if np.dtype(image.dtype).kind not in "fiu" or order[len(image.shape) :] != places:
        return None
    source: Any = AbstractRecorder(node.where).wrap(image)
    parts = []
    for place in itertools.product(*map(range, window)):
        key = [slice(None)] * len(image.shape)
        for axis, at, step in zip(axes, place, windows.static.get("steps", (1,) * len(axes)), strict=True):
            key[axis] = slice(at, at + step * (windows.shape[axis] - 1) + 1, step)
        parts.append(source[tuple(key)])
    found = np.transpose(_chosen(node, parts), order[: len(image.shape)])
    made: Any = np.reshape(found, node.shape)
    return made.node  # type: ignore[no-any-return]


def _windows_in(rows: Node) -> tuple[Node | None, tuple[int, ...]]:
    """The windows whose elements stand in rows, and the order of their axes there."""
    value = rows
    while is_reshape(value):
        (value,) = value.inputs
    order = tuple(range(len(value.shape)))
    if value.primitive is PRIMITIVES["transpose"]:
        order, (value,) = value.static["axes"], value.inputs
    return (value, order) if value.primitive in primitives("windows") else (None, ())


def _chosen(node: Node, parts: list[Any]) -> Any:
    """Element by element the extreme of some arrays, or the number of the first array that it stands in."""
    best: Any = parts[0]
    place: Any = 0
    for number, part in enumerate(parts[1:], 1):
        if node.primitive in _PICKED:
            best = _PICKED[node.primitive](best, part)
            continue
        takes = _BETTER[node.primitive](part, best)
        if np.dtype(part.dtype).kind == "f":  # the first NaN is the extreme
            takes = takes | (np.not_equal(part, part) & np.equal(best, best))
        place = np.where(takes, number, place)
        best = np.where(takes, part, best)
    return best if node.primitive in _PICKED else place
