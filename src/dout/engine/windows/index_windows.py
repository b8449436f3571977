"""Index arrays that pick windows are `windows`, and sums at such places are `fold`: `x[:, k, i, j]` and `np.add.at`.

That the places are windows is proved by the numbers themselves, which are the same at each call: arrays that the code
makes of plain numbers. A copy of strided windows costs a fraction of one that looks up each place. Every value keeps
every bit, but where the places of windows come before those in a window: there `fold` adds up in another order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dout.graph import CONSTANT, Graph, Node, Shape, rebuild, renewed
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder
from dout.ops.operators import Slot
from dout.rewrite.node_facts import number_of

_LARGEST = 1 << 22  # numbers of an index that are looked at
_SMALL = 1 << 12  # elements, below which a copy by index arrays costs as much as a view

Array = np.ndarray[Any, Any]


class _Digit(NamedTuple):
    """A counter within an axis of the result: how many values it has, and how far a step goes along an axis of `x`."""

    length: int
    axis: int
    step: int


@dataclass(frozen=True)
class _Places:
    """Index arrays as counters: `before` and `after` are the axes beside them, `digits` go from the outermost."""

    axes: Sequence[int]  # of `x`, with an index array each
    first: Sequence[int]  # the places that counters of zeros choose
    digits: Sequence[_Digit]


def index_windows(graph: Graph, known: Mapping[Node, Any]) -> Graph:
    """Return the graph without index arrays that pick windows; `known` are inputs that are the same at each call."""
    values = dict(known)
    change = {PRIMITIVES["getitem"]: _picked, PRIMITIVES["add_at"]: _added}

    def changed(node: Node, new: Mapping[Node, Node]) -> Node:
        _learn(node, values)
        made = renewed(node, new)
        rule = change.get(node.primitive)
        operands = node.inputs[1 if node.primitive is PRIMITIVES["getitem"] else 2 :]
        if rule is None or not operands or math.prod(node.shape) < _SMALL or not all(i in values for i in operands):
            return made
        places = _places(node.static["key"], made.inputs[0].shape, [values[i] for i in operands])
        return (places and rule(made, places)) or made

    return rebuild(graph, changed) if values else graph


def _learn(node: Node, values: dict[Node, Any]) -> None:
    """Compute the whole numbers that follow from known arrays and constants alone."""
    if node.primitive is CONSTANT or not any(i in values for i in node.inputs):
        return
    if not isinstance(node.dtype, np.dtype) or node.dtype.kind not in "iu" or math.prod(node.shape) > _LARGEST:
        return
    operands = [i.static["value"] if i.primitive is CONSTANT else values.get(i) for i in node.inputs]
    if all(operand is not None for operand in operands):
        try:
            values[node] = node.primitive.apply(operands, node.static)
        except Exception:  # the run will raise it, in its own time and place
            return


# --- what index arrays choose -----------------------------------------------------------------------------------------


def _places(key: Any, shape: Shape, index: Sequence[Array]) -> _Places | None:
    """The counters of index arrays that stand side by side among whole axes; None where they choose other places."""
    parts = [*key] if isinstance(key, tuple) else [key]
    parts += [slice(None)] * (len(shape) - len(parts))
    axes = [axis for axis, part in enumerate(parts) if isinstance(part, Slot)]
    whole = all(isinstance(part, Slot) or (isinstance(part, slice) and part == slice(None)) for part in parts)
    if len(parts) != len(shape) or not whole or axes != list(range(axes[0], axes[0] + len(index))):
        return None
    if [int(parts[axis]) for axis in axes] != list(range(len(index))) or any(i.dtype.kind not in "iu" for i in index):
        return None
    lengths = [shape[axis] for axis in axes]
    tables = np.stack(np.broadcast_arrays(*index), axis=-1).astype(np.int64)
    tables = np.where(tables < 0, tables + lengths, tables)
    if not tables.size or (tables < 0).any() or (tables >= lengths).any():
        return None
    corner: Any = (0,) * (tables.ndim - 1)
    total, digits = tables[corner], list[_Digit]()
    for along in range(tables.ndim - 1):
        line = np.moveaxis(tables, along, 0)[(slice(None), *corner[1:])] - tables[corner]
        found = _digits(line, axes)
        if found is None:
            return None
        digits += found
        total = total + line.reshape(*(-1 if a == along else 1 for a in range(tables.ndim - 1)), len(axes))
    return _Places(axes, tables[corner].tolist(), digits) if np.array_equal(total, tables) else None


def _digits(line: Array, axes: Sequence[int]) -> list[_Digit] | None:
    """The counters, from the outermost, that a line of places counts with; each goes along one axis."""
    found: list[_Digit] = []
    while len(line) > 1:
        (moving,) = np.nonzero(line[1])
        if len(moving) != 1 or line[1, moving[0]] < 1:
            return None
        even = (line == np.arange(len(line))[:, None] * line[1]).all(axis=1)
        count = len(line) if even.all() else int(np.argmin(even))
        rows = line.reshape(-1, count, line.shape[1]) if len(line) % count == 0 else None
        if rows is None or not (rows == rows[:, :1] + rows[0]).all():
            return None
        found.append(_Digit(count, axes[moving[0]], int(line[1, moving[0]])))
        line = rows[:, 0]
    return found[::-1]


class _Windows(NamedTuple):
    """Places as windows of a part of `x`: what is cut out, and where each counter stands among the windows' axes."""

    cut: tuple[slice, ...]
    window: Shape
    axes: tuple[int, ...]
    steps: tuple[int, ...]
    order: list[int]


def _windows(places: _Places, shape: Shape) -> _Windows | None:
    """The windows that counters choose: along an axis one goes from window to window, and another within one."""
    cut, order = [slice(0, n, 1) for n in shape], [0] * len(places.digits)
    inner: list[tuple[int, int, int]] = []  # which counter goes within a window, its axis, and the step of the other
    for axis, first in zip(places.axes, places.first, strict=True):
        own = [k for k, digit in enumerate(places.digits) if digit.axis == axis]
        own.sort(key=lambda k: (places.digits[k].step, places.digits[k].length))
        steps, last = [places.digits[k].step for k in own], first
        last += sum((places.digits[k].length - 1) * places.digits[k].step for k in own)
        if len(own) > 2 or (len(own) == 2 and steps[0] != 1):
            return None
        cut[axis] = slice(first, last + 1, steps[0] if len(own) == 1 else 1)
        if own:
            order[own[-1]] = axis
        if len(own) == 2:
            inner.append((own[0], axis, steps[1]))
    inner.sort()  # as they come, so that sums add up in the order of the places
    for at, (k, _, _) in enumerate(inner):
        order[k] = len(shape) + at
    window = tuple(places.digits[k].length for k, _, _ in inner)
    axes, taken = (tuple(one[at] for one in inner) for at in (1, 2))
    return _Windows(tuple(cut), window, axes, taken, order) if inner else None


def _arranged(places: _Places, found: _Windows, rank: int) -> list[int]:
    """The axes of the windows as the index arrays name them: those before, the counters, those behind.

    An axis without a counter has one place, and may stand anywhere.
    """
    before = [axis for axis in range(rank) if axis < places.axes[0]]
    behind = [axis for axis in range(rank) if axis > places.axes[-1]]
    still = [axis for axis in places.axes if axis not in found.order]
    return [*before, *still, *found.order, *behind]


# --- the two steps ----------------------------------------------------------------------------------------------------


def _picked(node: Node, places: _Places) -> Node | None:
    """A copy of windows. As NumPy does it, the axes beside the index arrays lie innermost."""
    x, lead, many = node.inputs[0], places.axes[0], len(places.axes)
    rest = [axis for axis in range(len(x.shape)) if axis not in places.axes]
    first = _Places(range(many), places.first, [digit._replace(axis=digit.axis - lead) for digit in places.digits])
    found = _windows(first, tuple(x.shape[axis] for axis in (*places.axes, *rest)))
    if found is None or len(node.inputs) != many + 1:
        return None
    source: Any = np.transpose(AbstractRecorder(node.where).wrap(x), (*places.axes, *rest))
    whole = found.cut == tuple(slice(0, n, 1) for n in source.shape)
    source = source if whole else source[found.cut]
    windows = PRIMITIVES["windows"](source, window=found.window, axes=found.axes, steps=found.steps)
    own = len(node.shape) - len(rest)
    lying = (*node.shape[lead : lead + own], *(x.shape[axis] for axis in rest))
    value: Any = np.reshape(np.transpose(windows, _arranged(first, found, len(x.shape))), lying)
    made: Any = np.transpose(value, (*range(own, own + lead), *range(own), *range(own + lead, len(lying))))
    return made.node  # type: ignore[no-any-return]


def _added(node: Node, places: _Places) -> Node | None:
    x, value = node.inputs[:2]
    found, zero = _windows(places, x.shape), number_of(x)
    if found is None or zero is None or zero != 0 or math.copysign(1, zero) < 0:
        return None
    begins = all(part.start == 0 and part.step == 1 for part in found.cut)
    rest = [axis for axis in range(len(x.shape)) if axis not in found.axes]
    ends = all(found.cut[axis].stop == x.shape[axis] for axis in rest)
    if not (begins and ends) or value.shape != node.static["selected"] or value.dtype != node.dtype:
        return None
    arranged = _arranged(places, found, len(x.shape))
    counts = {at: digit.length for at, digit in zip(found.order, places.digits, strict=True)}
    shape = [counts[axis] if axis in counts else x.shape[axis] for axis in arranged]
    turned = tuple(arranged.index(axis) for axis in range(len(arranged)))
    parts: Any = np.transpose(np.reshape(AbstractRecorder(node.where).wrap(value), shape), turned)
    static = {"window": found.window, "axes": found.axes, "steps": found.steps, "shape": node.shape}
    made: Any = PRIMITIVES["fold"](parts, **static)
    return made.node  # type: ignore[no-any-return]
