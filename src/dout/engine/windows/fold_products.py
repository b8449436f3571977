"""Products whose results are added up in windows, in the order in which the sums run along memory.

The patches of an image with a border of zeros, times a matrix, are such sums, too: each element of the image times the
matrix, added up in a window around its place. That is chosen where the image has more channels than the result: then
these products are fewer numbers than the patches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.engine.windows.patch_products import patches_in
from dout.graph import Graph, Node, rebuild, renewed
from dout.ops import PRIMITIVES, primitives
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.node_facts import is_reshape, recorded_operands, standing_for, users_of

_OF_TWO = primitives("matmul dot")
_VECTOR = 8  # channels along a line of a window from which on they are worth their own order
_FEWER = 2  # times as few numbers as patches

Users = Mapping[Node, set[Node | None]]


def fold_products(graph: Graph) -> Graph:
    """Return the graph in which windows of products add up as they lie, and stand for products of patches."""
    users = users_of(graph)

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        result = None
        if node.primitive is PRIMITIVES["fold"]:
            result = _channels_last(node, made, users)
        elif node.primitive in _OF_TWO and users[node.inputs[0]] == {node} and not patches_in(node.inputs[0]):
            result = _around_elements(made)
        return standing_for(made, result)

    return rebuild(graph, change)


def _channels_last(node: Node, made: Node, users: Users) -> Node | None:
    """The windows of a product, whose columns are put in order: places in a window before the channels."""
    chain = [node.inputs[0]]
    while chain[-1].primitive is PRIMITIVES["transpose"] or is_reshape(chain[-1]):
        chain.append(chain[-1].inputs[0])
    alone = len(chain) == 3 and chain[0].primitive is PRIMITIVES["transpose"] and is_reshape(chain[1])
    if not alone or chain[2].primitive not in _OF_TWO or any(len(users[one]) > 1 for one in chain):
        return None
    (turned,) = made.inputs
    (split,) = turned.inputs
    (product,) = split.inputs
    if [len(i.shape) for i in product.inputs] != [2, 2]:
        return None
    axes, shape, rest = turned.static["axes"], split.shape, len(node.shape)
    rows = next((k for k in range(len(shape)) if math.prod(shape[:k]) == product.shape[0] and k), len(shape))
    columns = range(rows, len(shape))
    channels = [a for a in axes[:rest] if a in columns]
    order = [a for a in axes[rest:] if a in columns] + channels
    inner, sound = product.inputs[1].shape[0], math.prod(shape[rows:]) == product.shape[1]
    run = node.static["window"][-1] * math.prod(shape[a] for a in channels)
    few = run < _VECTOR or inner * _FEWER > product.shape[0]
    if not sound or few or order == list(columns):
        return None
    left, right = recorded_operands(product)
    parts = np.transpose(np.reshape(right, (inner, *shape[rows:])), (0, *(1 + a - rows for a in order)))
    whole: Any = product.primitive(left, np.reshape(parts, product.inputs[1].shape), **product.static)
    lying = [*range(rows), *order]
    value = np.reshape(whole, tuple(shape[a] for a in lying))
    folded: Any = node.primitive(np.transpose(value, tuple(map(lying.index, axes))), **node.static)
    return folded.node  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Patches:
    """Rows of patches: windows over an array with a border, with their axes in this order, the first `rows` as rows."""

    windows: Node
    order: Sequence[int]
    rows: int


def _patches(node: Node) -> _Patches | None:
    """The windows of an array with a border of zeros that stand in the rows of a matrix."""
    if not is_reshape(node):
        return None
    (turned,) = node.inputs
    windows = turned.inputs[0] if turned.primitive is PRIMITIVES["transpose"] else turned
    if windows.primitive is not PRIMITIVES["windows"] or windows.inputs[0].primitive is not PRIMITIVES["pad"]:
        return None
    order = turned.static["axes"] if turned is not windows else tuple(range(len(turned.shape)))
    axes, rank = windows.static["axes"], len(windows.inputs[0].shape)
    rows = next((k for k in range(len(order)) if math.prod(turned.shape[:k]) == node.shape[0] and k), 0)
    inside = {*order[rows:]}
    apart = {*range(rank, len(order))} <= inside and not inside & {*axes} and len({*axes}) == len(axes)
    plain = set(windows.static.get("steps", (1,))) == {1} and windows.inputs[0].static.get("value", 0) == 0
    return _Patches(windows, order, rows) if rows and apart and plain else None


def _around_elements(node: Node) -> Node | None:
    """A product of patches as products of elements, added up in windows; None where these are not much fewer."""
    found = _patches(node.inputs[0]) if [len(i.shape) for i in node.inputs] == [2, 2] else None
    if found is None:
        return None
    padded, window, axes = found.windows.inputs[0], found.windows.static["window"], found.windows.static["axes"]
    (image,), width, rank = padded.inputs, padded.static["width"], len(padded.shape)
    beside = [a for a in range(rank) if a not in axes]
    cut = {a: (length - 1 - width[a][0], length - 1 - width[a][1]) for a, length in zip(axes, window, strict=True)}
    if any(width[a] != (0, 0) for a in beside) or any(min(ends) < 0 for ends in cut.values()):
        return None
    many, inner, results = found.order[: found.rows], found.order[found.rows :], node.shape[1]
    sums = math.prod(image.shape[a] for a in many) * math.prod(window) * results
    if sums * _FEWER > math.prod(found.windows.shape):
        return None
    stacks, places = [a for a in many if a not in axes], [a for a in many if a in axes]
    channels = [a for a in inner if a < rank]
    record = AbstractRecorder(node.where).wrap
    turned = tuple(slice(None, None, -1 if a >= rank else 1) for a in inner)
    matrix: Any = np.reshape(record(node.inputs[1]), (*(found.windows.shape[a] for a in inner), results))[turned]
    order = [len(inner), *(inner.index(a) for a in (*range(rank, rank + len(window)), *channels))]
    depth = math.prod(image.shape[a] for a in channels)
    rows = _nowhere_finite(np.reshape(np.transpose(matrix, order), (results, -1)), node)
    matrix = np.reshape(rows, (results * math.prod(window), depth))
    counts = [[image.shape[a] for a in some] for some in (stacks, places)]
    elements: Any = np.transpose(record(image), (*stacks, *channels, *places))
    each: Any = np.matmul(matrix, np.reshape(elements, (-1, depth, math.prod(counts[1]))))
    value = np.reshape(each, (*counts[0], results, *window, *counts[1]))
    first = len(stacks) + 1
    last = first + len(window)
    value = np.transpose(value, (*range(first), *range(last, last + len(places)), *range(first, last)))
    longer = [image.shape[a] + dict(zip(axes, window, strict=True))[a] - 1 for a in places]
    static = {"window": window, "axes": tuple(first + places.index(a) for a in axes), "steps": (1,) * len(window)}
    folded: Any = PRIMITIVES["fold"](value, **static, shape=(*counts[0], results, *longer))
    inside = [slice(cut[a][0], n - cut[a][1]) for a, n in zip(places, longer, strict=True)]
    lying = [*stacks, rank, *places]
    made: Any = np.transpose(folded[(..., *inside)], [lying.index(a) for a in (*many, rank)])
    result: Any = np.reshape(made, node.shape)
    return result.node  # type: ignore[no-any-return]


def _nowhere_finite(rows: Any, node: Node) -> Any:
    """The rows, of NaN wherever a row has an infinite element or NaN.

    In patches these meet the zeros of the border. So a result is finite where it is with patches.
    """
    return rows + np.sum(rows * 0, axis=1, keepdims=True) if np.dtype(node.dtype).kind in "fc" else rows
