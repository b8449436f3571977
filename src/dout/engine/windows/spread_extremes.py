"""The way back through pooling: what arrives at a window goes to the place of its extreme, in one pass over the image.

It is written as zeros, a row for each window, a write at the place of the extreme in each row, and a sum of windows.
Where the windows lie side by side, each element of the image is what arrived, or zero: a choice, which a kernel makes
along memory. The place is that of an extreme of just such a row, so it is in range. Every value keeps every bit, but
the sign of a zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from dout.engine.ir.scalar_expressions import reduced_axes
from dout.graph import Graph, Node, Shape, rebuild, renewed
from dout.ops import PRIMITIVES, primitives
from dout.ops.operators import Slot
from dout.rewrite.identities import cancelled
from dout.rewrite.node_facts import is_reshape, made_by, number_of, standing_for

_PLACES = primitives("argmax argmin")
_SAME_ORDER = primitives("reshape copy ravel")
_SMALL = 1 << 12  # elements, below which a kernel more costs as much


def spread_extremes(graph: Graph, known: Mapping[Node, Any]) -> Graph:
    """Return the graph in which each element of an image chooses what its window got, if it is the extreme there.

    `known` are inputs that are the same at each call.
    """

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = cancelled(renewed(node, new))
        return standing_for(made, _chosen(made, known) if made.primitive is PRIMITIVES["fold"] else None)

    return rebuild(graph, change) if known else graph


def _chosen(fold: Node, known: Mapping[Node, Any]) -> Node | None:
    """The choice that stands for a sum of windows side by side; None for other sums."""
    (windows,), rank, window = fold.inputs, len(fold.shape), fold.static["window"]
    split = windows.inputs[0] if windows.primitive is PRIMITIVES["transpose"] else windows
    order = windows.static["axes"] if split is not windows else tuple(range(len(windows.shape)))
    rows = split
    while is_reshape(rows):
        (rows,) = rows.inputs
    lead, many = split.shape[:rank], math.prod(window)
    beside = order[rank:] == tuple(range(rank, len(order))) and set(fold.static["axes"]) == {*fold.static["axes"]}
    given = _written(rows, known) if beside and rows.shape == (math.prod(lead), many) else None
    factors = dict(zip(fold.static["axes"], window, strict=True))
    whole = all(windows.shape[a] * factors.get(a, 1) == n for a, n in enumerate(fold.shape))
    if given is None or fold.static["steps"] != window or not whole or math.prod(fold.shape) < _SMALL:
        return None
    value, counted, place = given
    lying = order[:rank]  # of each axis of the image, which one of the rows it is
    parts = [factors.get(lying.index(axis), 0) for axis in range(rank)]  # the window along each axis of the rows
    chosen = made_by(
        _choice, value, counted, place, lead, parts, [lying[a] for a in fold.static["axes"]], where=fold.where
    )
    return made_by(lambda x: np.transpose(x, lying), chosen, where=fold.where)  # type: ignore[no-any-return]


def _choice(value: Any, counted: Any, place: Any, lead: Shape, parts: Sequence[int], along: Sequence[int]) -> Any:
    """The image, its axes in the order of the rows; `parts` are the lengths of windows along them, or 0.

    `along` are the axes of the rows along which the axes of the window go.
    """
    many = math.prod(filter(None, parts))
    wide = [n for length, part in zip(lead, parts, strict=True) for n in ((length, 1) if part else (length,))]
    window = [parts[axis] for axis in along]
    begins = list(accumulate((1 + bool(part) for part in parts), initial=0))
    ranks = sorted(range(len(along)), key=along.__getitem__)
    ones = [1] * len(wide)
    for axis in along:
        ones[begins[axis] + 1] = parts[axis]
    numbers = np.reshape(np.transpose(np.reshape(counted[:many], window), ranks), ones)
    chosen = np.where(np.equal(np.reshape(place, wide), numbers), np.reshape(value, wide), 0)
    return np.reshape(chosen, [length * (part or 1) for length, part in zip(lead, parts, strict=True)])


def _written(rows: Node, known: Mapping[Node, Any]) -> tuple[Node, Node, Node] | None:
    """What is written, the numbers of the rows, and its places, where each row of zeros gets one element in range."""
    if rows.primitive is not PRIMITIVES["setitem"] or len(rows.inputs) != 4 or len(rows.shape) != 2:
        return None
    zeros, value, counted, place = rows.inputs
    key, zero = rows.static["key"], number_of(zeros)
    slots = isinstance(key, tuple) and [int(part) for part in key if isinstance(part, Slot)]
    every = known.get(counted)
    extreme = place
    while extreme.primitive in _SAME_ORDER and len(extreme.inputs) == 1 and "order" not in extreme.static:
        (extreme,) = extreme.inputs
    if zero is None or zero != 0 or math.copysign(1, zero) < 0 or slots != [0, 1] or len(key) != 2 or every is None:
        return None
    if value.shape != rows.shape[:1] or value.dtype != rows.dtype or extreme.primitive not in _PLACES:
        return None
    shape = extreme.inputs[0].shape
    in_range = shape[-1:] == rows.shape[1:] and reduced_axes(extreme) == (len(shape) - 1,)
    counts = rows.shape[0] >= rows.shape[1] and np.array_equal(every, np.arange(rows.shape[0]))
    return (value, counted, place) if in_range and counts else None
