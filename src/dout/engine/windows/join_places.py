"""The places of a kernel at once: what a loop over a kernel does for each place alone is one product for all of them.

The loop is `out += W[:, :, i, j] @ x[…, i : i + n, j : j + m]`, and on the way back `dW[:, :, i, j] = …` and
`dx[…, i : i + n, j : j + m] += …`. The steps of its turns are the same but for the elements that they take of W, by
whole numbers, and of x, by slices that move with these. So they are done once, with the places as axes: of W as it
lies, and of the windows of x. What was added up is the same product with longer sums. Results agree within rounding.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.engine.ir.scalar_expressions import reduced_axes
from dout.graph import Graph, Node, Shape, rebuild, renewed
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.node_facts import is_reshape, number_of, standing_for
from dout.rewrite.window_forms import basic_key

_ADD, _SETITEM, _GETITEM, _MATMUL, _DOT = (PRIMITIVES[name] for name in ("add", "setitem", "getitem", "matmul", "dot"))
_MOST = 1 << 26  # bytes of the elements of all places, which the loop has never in memory at once

Turns = Sequence[Node]  # what each turn has of one step
Place = tuple[int, ...]


def join_places(graph: Graph) -> Graph:
    """Return the graph in which products of the places of a kernel, one for each, are one product."""
    long: dict[Node, int] = {}  # how many additions, or writes, end in each

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        if made.primitive is not _ADD and made.primitive is not _SETITEM:
            return made
        long[made] = long.get(made.inputs[0], 0) + 1
        found = _sum(made, long[made]) if made.primitive is _ADD else _written(made, long[made])
        return standing_for(made, found)

    return rebuild(graph, change)


@dataclass(frozen=True)
class PlacedValue:
    """A value with the axes of the window in it, which begin at axis `at`; none where no turn differs."""

    value: Any
    at: int | None

    def moved(self, to: int, many: int) -> Any:
        """The value with the axes of the window before axis `to` of the others."""
        assert self.at is not None
        rest = [axis for axis in range(len(self.value.shape)) if not self.at <= axis < self.at + many]
        return np.transpose(self.value, (*rest[:to], *range(self.at, self.at + many), *rest[to:]))


@dataclass(frozen=True)
class Places:
    """The places of all turns, one for each, in a window."""

    window: Shape
    each: Sequence[Place]

    def join(self, turns: Turns, wish: int) -> PlacedValue | None:
        """The step of all turns, with the window before axis `wish` where that can be; None for other steps."""
        first = turns[0]
        if all(turn is first for turn in turns):
            return PlacedValue(AbstractRecorder(first.where).wrap(first), None)
        if any(turn.primitive is not first.primitive or turn.shape != first.shape for turn in turns):
            return None
        if math.prod(first.shape) * len(turns) * np.dtype(first.dtype).itemsize > _MOST:
            return None
        if first.primitive is _GETITEM:
            return self._taken(turns, wish)
        if any(turn.static != first.static for turn in turns):
            return None
        if first.primitive is _MATMUL or (first.primitive is _DOT and [len(i.shape) for i in first.inputs] == [2, 2]):
            return self._multiplied(turns)
        return self._rearranged(turns, wish)

    def _taken(self, turns: Turns, wish: int) -> PlacedValue | None:
        """Elements of one array, by whole numbers that are the place, or by slices that move with it."""
        base = turns[0].inputs[0]
        keys = [basic_key(turn.static["key"], base.shape) for turn in turns]
        if any(key is None or turn.inputs != (base,) for key, turn in zip(keys, turns, strict=True)):
            return None
        own = list(zip(*(key for key in keys if key is not None), strict=True))  # the keys of each axis
        source: Any = AbstractRecorder(turns[0].where).wrap(base)
        if (numbers := numbered(turns[0], base)) is not None:
            rest = [axis for axis in range(len(base.shape)) if axis not in numbers]
            is_place = all(
                tuple(key[axis] % base.shape[axis] for axis in numbers) == place
                for key, place in zip((k for k in keys if k), self.each, strict=True)
            )
            whole = all(set(map(repr, own[axis])) == {repr(slice(None))} for axis in rest)
            lengths = tuple(base.shape[axis] for axis in numbers)
            if not is_place or not whole or lengths != self.window:
                return None
            return PlacedValue(np.transpose(source, (*rest[:wish], *numbers, *rest[wish:])), wish)
        return self._windows(source, base.shape, own, wish)

    def _windows(self, source: Any, shape: Shape, keys: Sequence[Sequence[Any]], wish: int) -> PlacedValue | None:
        axes: dict[int, tuple[int, int, int]] = {}  # by axis of the window: which axis moves, its step, and how far
        cut = [slice(None)] * len(shape)
        for axis, (n, own) in enumerate(zip(shape, keys, strict=True)):
            parts = [range(n)[key] for key in own]
            if all(part == range(n) for part in parts):
                continue
            if all(part == parts[0] for part in parts):
                cut[axis] = own[0]
                continue
            moved = next((d for d in range(len(self.window)) if d not in axes and self._far(parts, d)), None)
            if moved is None:
                return None
            axes[moved] = axis, parts[0].step, self._far(parts, moved)
            begin, end = min(part.start for part in parts), max(part[-1] for part in parts) + 1
            cut[axis] = slice(None) if (begin, end) == (0, n) else slice(begin, end)
        if any(n > 1 for d, n in enumerate(self.window) if d not in axes):
            return None
        value = source if cut == [slice(None)] * len(shape) else source[tuple(cut)]
        found = [axes[d] for d in range(len(self.window)) if d in axes]
        spans = tuple(axes[d][2] * (n - 1) + 1 for d, n in enumerate(self.window) if d in axes)
        how = {"axes": tuple(axis for axis, _, _ in found), "steps": tuple(step for _, step, _ in found)}
        value = PRIMITIVES["windows"](value, window=spans, **how)
        if spans != self.window:  # spread, or of one element
            value = value[
                (..., *(slice(None, None, axes[d][2]) if d in axes else None for d in range(len(self.window))))
            ]
        joined = PlacedValue(value, len(shape))
        return PlacedValue(joined.moved(wish, len(self.window)), wish)

    def _far(self, parts: Sequence[range], number: int) -> int:
        """How far slices move from place to place along one axis of the window, if with nothing else; otherwise 0."""
        begins = {place[number]: part.start for part, place in zip(parts, self.each, strict=True)}
        far, length, step = begins.get(1, begins[0]) - begins[0], len(parts[0]), parts[0].step
        if far < 1 or step < 1 or not length:
            return 0
        ats = [begins[0] + far * place[number] for place in self.each]
        moves = all(part == range(at, at + step * length, step) for part, at in zip(parts, ats, strict=True))
        return far if moves else 0

    def _rearranged(self, turns: Turns, wish: int) -> PlacedValue | None:
        """Other shapes and orders, and sums over other axes."""
        first, many = turns[0], len(self.window)
        if len(first.inputs) != 1:
            return None
        (given,) = first.inputs
        rank, old = len(given.shape), [turn.inputs[0] for turn in turns]
        if first.primitive is PRIMITIVES["transpose"]:
            axes = first.static["axes"]
            found = self.join(old, axes[wish - 1] + 1 if wish else 0)
            if found is None or found.at is None:
                return None
            at = axes.index(found.at - 1) + 1 if found.at else 0
            wide = [axis + many * (axis >= found.at) for axis in axes]
            wide[at:at] = range(found.at, found.at + many)
            return PlacedValue(np.transpose(found.value, wide), at)
        if is_reshape(first):
            places = [k for k in range(rank + 1) if math.prod(given.shape[:k]) == math.prod(first.shape[:wish])]
            found = self.join(old, places[-1] if places else rank)
            if found is None or found.at is None:
                return None
            before = math.prod(given.shape[: found.at])
            ends = [k for k in range(len(first.shape) + 1) if math.prod(first.shape[:k]) == before]
            at = wish if wish in ends else ends[-1] if ends else len(first.shape)
            value = found.value if ends else found.moved(rank, many)
            return PlacedValue(np.reshape(value, (*first.shape[:at], *self.window, *first.shape[at:])), at)
        if first.primitive is PRIMITIVES["sum"] and first.static.keys() <= {"axis"}:
            out = reduced_axes(first)
            kept = [axis for axis in range(rank) if axis not in out]
            found = self.join(old, kept[wish - 1] + 1 if wish else 0)
            if found is None or found.at is None:
                return None
            at = sum(axis < found.at for axis in kept)
            return PlacedValue(np.sum(found.value, axis=tuple(a + many * (a >= found.at) for a in out)), at)
        return None

    def _multiplied(self, turns: Turns) -> PlacedValue | None:
        """Products of which one factor is the same in all turns: rows, or columns, for each place."""
        first, many, every = turns[0], len(self.window), math.prod(self.window)
        left = self.join([turn.inputs[0] for turn in turns], len(first.inputs[0].shape) - 1)
        right = self.join([turn.inputs[1] for turn in turns], len(first.inputs[1].shape))
        if left is None or right is None or (left.at is None) == (right.at is None):
            return None
        *lead, rows, columns = first.shape
        if left.at is not None:
            x = left.moved(len(first.inputs[0].shape) - 1, many)
            x = np.reshape(x, (*first.inputs[0].shape[:-2], rows * every, x.shape[-1]))
            return PlacedValue(np.reshape(x @ right.value, (*lead, rows, *self.window, columns)), len(first.shape) - 1)
        y = right.moved(len(first.inputs[1].shape), many)
        y = np.reshape(y, (*first.inputs[1].shape[:-1], columns * every))
        return PlacedValue(np.reshape(left.value @ y, (*lead, rows, columns, *self.window)), len(first.shape))

    def summed(self, turns: Turns) -> Any | None:
        """The sum of products of which both factors differ: one product with longer sums."""
        first = turns[0]
        if any(turn.primitive is not first.primitive or turn.static != first.static for turn in turns):
            return None
        if first.primitive is PRIMITIVES["transpose"] or is_reshape(first):
            value = self.summed([turn.inputs[0] for turn in turns])
            if value is None:
                return None
            return np.reshape(value, first.shape) if is_reshape(first) else np.transpose(value, first.static["axes"])
        if first.primitive is not _MATMUL or min(len(i.shape) for i in first.inputs) < 2:
            return None
        (a, b), many, every = (i.shape for i in first.inputs), len(self.window), math.prod(self.window)
        left = self.join([turn.inputs[0] for turn in turns], len(a))
        right = self.join([turn.inputs[1] for turn in turns], len(b) - 1)
        if left is None or right is None or left.at is None or right.at is None:
            return None
        x = np.reshape(left.moved(len(a), many), (*a[:-1], a[-1] * every))
        y = np.reshape(right.moved(len(b) - 1, many), (*b[:-2], b[-2] * every, b[-1]))
        return x @ y


def numbered(turn: Node, base: Node) -> tuple[int, ...] | None:
    """The axes along which one element is taken; None where there is none."""
    key = basic_key(turn.static["key"], base.shape) or ()
    return tuple(axis for axis, part in enumerate(key) if isinstance(part, int)) or None


def places_in(turns: Turns) -> Places | None:
    """The places that turns take elements of some array at, which is as large as the window along these axes."""
    waiting: list[Turns] = [turns]
    while waiting:
        now = waiting.pop()
        first = now[0]
        if all(turn is first for turn in now):
            continue
        if any(turn.primitive is not first.primitive or len(turn.inputs) != len(first.inputs) for turn in now):
            return None
        if first.primitive is _GETITEM and (axes := numbered(first, first.inputs[0])):
            window = tuple(first.inputs[0].shape[axis] for axis in axes)
            each = [basic_key(turn.static["key"], turn.inputs[0].shape) for turn in now]
            found = [
                tuple(int(key[a]) % n for a, n in zip(axes, window, strict=True))
                for key in each
                if key and _at(key, axes)
            ]
            whole = len(now) == math.prod(window) and set(found) == {*itertools.product(*map(range, window))}
            return Places(window, found) if whole else None
        waiting += zip(*(turn.inputs for turn in now), strict=True)
    return None


def _at(key: Sequence[Any] | None, axes: Sequence[int]) -> bool:
    return key is not None and all(isinstance(key[axis], int) for axis in axes)


def _number_of_places(turn: Node) -> int:
    """How many places there are, by the first array of which a turn takes elements at a place; 0 where none is seen."""
    waiting = deque([turn])
    for _ in range(8):  # the nearest steps: a turn is short, and its array may come from a long way
        if not waiting:
            return 0
        node = waiting.popleft()
        if node.primitive is _GETITEM and (axes := numbered(node, node.inputs[0])):
            return math.prod(node.inputs[0].shape[axis] for axis in axes)
        waiting += node.inputs
    return 0


def _sum(node: Node, long: int) -> Node | None:
    """What stands for an addition that ends a loop over all places."""
    many = _number_of_places(node.inputs[1])
    if many < 2 or long < many - 1:
        return None
    turns, rest = list[Node](), node
    while len(turns) < many and rest.primitive is _ADD:
        turns.append(rest.inputs[1])
        rest = rest.inputs[0]
    zero = number_of(rest)
    if len(turns) == many - 1:
        turns.append(rest)
        zero = 0
    places = places_in(turns) if len(turns) == many else None
    value = None if places is None else places.summed(turns)
    if value is None:
        return None
    whole: Any = value if zero is not None and zero == 0 else AbstractRecorder(node.where).wrap(rest) + value
    return whole.node  # type: ignore[no-any-return]


def _written(node: Node, long: int) -> Node | None:
    """What stands for a write that ends a loop over all places, each of which it fills with what its turn made."""
    axes = numbered(node, node)
    window = tuple(node.shape[axis] for axis in axes or ())
    if axes is None or math.prod(window) < 2 or long < math.prod(window):
        return None
    turns, each, now = list[Node](), list[Place](), node
    for _ in range(math.prod(window)):
        key = basic_key(now.static["key"], node.shape) if now.primitive is _SETITEM and len(now.inputs) == 2 else None
        if not _at(key, axes) or key is None or now.inputs[1].dtype != node.dtype:
            return None
        if now.inputs[1].primitive is _GETITEM:  # a copy, and no product
            return None
        if now.inputs[1].shape != now.static["selected"] or any(
            part != slice(None) for axis, part in enumerate(key) if axis not in axes
        ):
            return None
        turns.append(now.inputs[1])
        each.append(tuple(key[axis] % node.shape[axis] for axis in axes))
        now = now.inputs[0]
    if {*each} != {*itertools.product(*map(range, window))}:
        return None
    found = Places(window, each).join(turns, len(node.shape) - len(axes))
    if found is None or found.at is None:
        return None
    rest = [axis for axis in range(len(node.shape)) if axis not in axes]
    order = [*rest, *axes]
    last = found.moved(len(rest), len(window))
    return np.transpose(last, [order.index(axis) for axis in range(len(order))]).node  # type: ignore[attr-defined,no-any-return]
