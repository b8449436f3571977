"""Sums of overlapping parts as one step: the loop of col2im, which adds shifted parts to zeros, is `fold`.

The loop is `img[:, :, y : y + s * h : s, x : x + s * w : s] += col[:, :, y, x]`, for every place of a window. Every
value keeps every bit: the parts are added in the order of the loop.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dout.engine.windows.join_places import places_in
from dout.graph import Graph, Node, rebuild, renewed
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import applied, number_of
from dout.rewrite.window_forms import basic_key

_SETITEM, _GETITEM, _ADD = (PRIMITIVES[name] for name in ("setitem", "getitem", "add"))


def fold_forms(graph: Graph) -> Graph:
    """Return the graph in which a loop that adds parts of one array to shifted places of zeros is `fold`."""
    return rebuild(graph, lambda node, new: _folded(renewed(node, new)))


@dataclass(frozen=True)
class _Addition:
    """One turn of the loop: the slices that it adds to, and the part that is added, with its place in a window."""

    slices: Sequence[slice]
    part: Node
    place: tuple[int, ...]
    axes: tuple[int, ...]  # of the array of parts, along which the places lie; none where each part is made alone


def _folded(node: Node) -> Node:
    if node.primitive is not _SETITEM:
        return node
    turns: list[_Addition] = []
    base = node
    while (turn := _addition(base)) is not None:
        turns.append(turn)
        base = base.inputs[0]
    turns.reverse()
    return (_made(node, turns) if turns and _is_zero(base) else None) or node


def _made(node: Node, turns: Sequence[_Addition]) -> Node | None:
    if not turns[0].axes:
        turns = _joined(node, turns)
    if not all(turn.axes for turn in turns):
        return None
    parts, along = turns[0].part.inputs[0], turns[0].axes
    window = tuple(parts.shape[axis] for axis in along)
    if [turn.place for turn in turns] != list(itertools.product(*map(range, window))):
        return None
    if any(turn.part.inputs[0] is not parts or turn.axes != along for turn in turns):
        return None
    rest = [axis for axis in range(len(parts.shape)) if axis not in along]
    if len(rest) != len(node.shape) or not np.can_cast(parts.dtype, node.dtype):
        return None
    steps = _steps(node, window, turns, [parts.shape[axis] for axis in rest])
    if steps is None:
        return None
    if parts.dtype != node.dtype:
        parts = applied(PRIMITIVES["astype"], (parts,), {"dtype": node.dtype}, node.where)
    turned = applied(PRIMITIVES["transpose"], (parts,), {"axes": (*rest, *along)}, node.where)
    static = {"window": window, "axes": tuple(steps), "steps": tuple(steps.values()), "shape": node.shape}
    return applied(PRIMITIVES["fold"], (turned,), static, node.where)


def _joined(node: Node, turns: Sequence[_Addition]) -> Sequence[_Addition]:
    """The turns, whose parts are taken from one array, if they can be made together."""
    places = places_in([turn.part for turn in turns])
    found = places.join([turn.part for turn in turns], len(node.shape)) if places else None
    if places is None or found is None or found.at is None:
        return turns
    rank, many = len(node.shape), len(places.window)
    value, axes = found.moved(rank, many), tuple(range(rank, rank + many))
    return [
        replace(turn, part=value[(..., *place)].node, place=place, axes=axes)
        for turn, place in zip(turns, places.each, strict=True)
    ]


def _steps(node: Node, window: tuple[int, ...], turns: Sequence[_Addition], counts: list[int]) -> dict[int, int] | None:
    """The axes along which the places of a window shift the parts, one for each axis of it, with their steps."""
    found: dict[int, int] = {}
    for number in range(len(window)):
        for axis, length in enumerate(node.shape):
            if axis in found:
                continue
            spans = [(turn.place[number], range(length)[turn.slices[axis]]) for turn in turns]
            step, count = spans[0][1].step, counts[axis]
            if step > 0 and count and all(span == range(at, at + count * step, step) for at, span in spans):
                found[axis] = step
                break
        else:
            return None
    whole = (range(n)[turn.slices[a]] == range(n) for turn in turns for a, n in enumerate(node.shape) if a not in found)
    return found if all(whole) else None


def _addition(node: Node) -> _Addition | None:
    """What a write adds to some elements, where it does nothing else."""
    if node.primitive is not _SETITEM or len(node.inputs) != 2:
        return None
    array, value = node.inputs
    key = basic_key(node.static["key"], node.shape)
    if key is None or not all(isinstance(part, slice) for part in key) or value.primitive is not _ADD:
        return None
    part = next((two for one, two in (value.inputs, value.inputs[::-1]) if _is_taken(one, array, key)), None)
    if part is None or value.shape != node.static["selected"] or value.dtype != node.dtype:
        return None
    if part.shape != value.shape:
        return None
    if part.primitive is not _GETITEM or len(part.inputs) != 1:
        return _Addition(key, part, (), ())  # made by a turn of its own
    place = basic_key(part.static["key"], part.inputs[0].shape)
    if place is None or not all(isinstance(one, int) or one == slice(None) for one in place):
        return None
    axes = tuple(axis for axis, one in enumerate(place) if isinstance(one, int))
    at = tuple(place[axis] % part.inputs[0].shape[axis] for axis in axes)
    return _Addition(key, part, at, axes) if axes else None


def _is_taken(before: Node, array: Node, key: Sequence[slice]) -> bool:
    """Whether a value is what stands at these elements of an array."""
    if before.primitive is _GETITEM:
        return before.inputs == (array,) and basic_key(before.static["key"], array.shape) == key
    return _is_zero(before) and _is_zero(array)


def _is_zero(node: Node) -> bool:
    number = number_of(node)
    return number is not None and number == 0 and math.copysign(1, number) > 0
