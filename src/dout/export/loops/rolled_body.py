"""The turns of a loop in; one step that does them all out, with what it leaves for others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from dout.export.loops.loop_rows import LEFT, LOOP, PART, WITH_PART
from dout.export.loops.repeated_turns import LoopTurns, Wire
from dout.export.loops.turn_places import TurnPlace, at_start, places_of
from dout.graph import CONSTANT, INPUT, Graph, Node, same_kind, topological, with_inputs
from dout.ops import PRIMITIVES
from dout.ops.operators import Slot
from dout.rewrite.node_facts import applied

_ARRAY, _GETITEM, _SCATTER = (PRIMITIVES[name] for name in ("array", "getitem", "scatter"))
_TURN = np.dtype(np.int64)


class RolledBody:
    """The body of a loop, its states and what it reads; `read` are the steps of turns that others read afterwards."""

    def __init__(self, found: LoopTurns, read: Collection[Node]) -> None:
        self.found, self.turns = found, found.turns
        self.place_of = {node: (i, k) for i, turn in enumerate(self.turns) for k, node in enumerate(turn)}
        self.turn = Node(INPUT, (), {}, (), _TURN)
        self.before: list[Node] = []  # steps that are made for the loop, in front of it
        self.outer: dict[Node, Node] = {}  # what the body reads from outside, and what stands for it there
        self.states = {wire: _input_like(self.turns[0][wire.place]) for wire in self._first_values}
        last = len(self.turns) - 1
        places = dict.fromkeys(self.place_of[node] for node in read)
        self.each = sorted({k for i, k in places if i != last or Wire(1, k) not in self.states})

    @cached_property
    def _first_values(self) -> dict[Wire, Node]:
        """What each state begins with: what the first turns read from outside the loop."""
        found: dict[Wire, Node] = {}
        for number, _, read, wire in self.found.read():
            if wire.before > number:
                found.setdefault(Wire(wire.before - number, wire.place), read)
        return dict(sorted(found.items(), key=lambda item: (item[0].place, item[0].before)))

    @cached_property
    def loop(self) -> Node:
        """The step."""
        made = self._body()
        states = {f"state{i}": made[wire.place] if wire.before == 1 else self.states[Wire(wire.before - 1, wire.place)]
                  for i, wire in enumerate(self.states)}  # fmt: skip
        outputs = states | {f"each{k}": made[k] for k in self.each}
        inputs = {"turn": self.turn} | {f"state{i}": node for i, node in enumerate(self.states.values())}
        inputs |= {f"outer{i}": node for i, node in enumerate(self.outer.values())}
        body = Graph(topological([*inputs.values(), *outputs.values()]), inputs, outputs)
        given = [self._as_state(wire, read) for wire, read in self._first_values.items()]
        static = {"body": body, "turns": len(self.turns), "states": len(states)}
        return Node(LOOP, (*given, *self.outer), static, (), int, self.turns[0][0].where)

    def _as_state(self, wire: Wire, read: Node) -> Node:
        """What a state begins with, as wide as the state: a number stands for an array of it."""
        state = self.states[wire]
        if read.shape == state.shape and np.dtype(read.dtype) == np.dtype(state.dtype):
            return read
        row, dtype = PRIMITIVES["full"], np.dtype(state.dtype)
        self.before.append(Node(row, (read,), {"shape": state.shape, "dtype": dtype}, state.shape, state.dtype))
        return self.before[-1]

    def left(self, node: Node) -> list[Node]:
        """What stands for a step of a turn after the loop, the last of these steps."""
        turn, k = self.place_of[node]
        if turn == len(self.turns) - 1 and Wire(1, k) in self.states:
            place = list(self.states).index(Wire(1, k))
            return [replace(node, primitive=LEFT, inputs=(self.loop,), static={"place": place})]
        return [self.all_turns[k], _item(self.all_turns[k], turn, node)]

    @cached_property
    def all_turns(self) -> dict[int, Node]:
        """For the steps that others read, the values of all turns."""
        return {
            k: Node(LEFT, (self.loop,), {"place": len(self.states) + i}, (len(self.turns), *node.shape), node.dtype)
            for i, (k, node) in enumerate((k, self.turns[0][k]) for k in self.each)
        }

    # --- the steps of a turn -----------------------------------------------------------------------------------------

    def _body(self) -> list[Node]:
        made: list[Node] = []
        for steps, wires in zip(zip(*self.turns, strict=True), self.found.wires, strict=True):
            made.append(self._step(steps, wires, made))
        return made

    def _step(self, steps: Sequence[Node], wires: Sequence[Wire], made: Sequence[Node]) -> Node:
        """What does in the body what these steps do, one of each turn."""
        inputs = []
        for wire, *reads in zip(wires, *(step.inputs for step in steps), strict=True):
            if wire.parts:
                inputs.append(self._step(reads, wire.parts, made))
            elif wire.before < 0:
                inputs.append(self._from_outside(reads))
            else:
                inputs.append(made[wire.place] if wire.before == 0 else self.states[Wire(wire.before, wire.place)])
        return self._placed(steps[0], steps[1], inputs)

    def _from_outside(self, reads: Sequence[Node]) -> Node:
        if reads[0].primitive is not CONSTANT:
            return self._outer(reads[0])
        numbers = [read.static["value"] for read in reads]
        if all(np.array_equal(number, numbers[0], equal_nan=reads[0].kind in "fc") for number in numbers):
            return reads[0]
        table = np.array(numbers, np.dtype(reads[0].dtype))
        held = self._outer(Node(CONSTANT, (), {"value": table}, table.shape, table.dtype))
        return replace(self._part(held, 0, 0, 1, None), dtype=reads[0].dtype)

    def _outer(self, node: Node) -> Node:
        return self.outer.setdefault(node, _input_like(node))

    def _part(self, x: Node, axis: int, start: int, step: int, length: int | None) -> Node:
        shape = (*x.shape[:axis], *([] if length is None else [length]), *x.shape[axis + 1 :])
        static = {"axis": axis, "start": start, "step": step, "length": length}
        return Node(PART, (x, self.turn), static, shape, x.dtype)

    def _placed(self, step: Node, after: Node, inputs: Sequence[Node]) -> Node:
        """A step with what stands for its inputs; the parts of arrays that it reads and writes follow the turn."""
        moved = [
            (one, other.start - one.start)
            for one, other in zip(places_of(step), places_of(after), strict=True)
            if other.start != one.start
        ][::-1]
        if not moved:
            return with_inputs(step, inputs)
        if step.primitive is _GETITEM:
            return self._read(step, moved, inputs)
        base, rest = inputs[0], list(inputs[1:])
        if step.primitive is _SCATTER:
            zeros = applied(PRIMITIVES["zeros"], (), {"shape": step.shape, "dtype": np.dtype(step.dtype)})
            base, rest = zeros, list(inputs)
        parts = [base]
        for place, grows in moved:
            parts.append(self._part(parts[-1], place.axis, place.start, grows, place.length))
        static = {**step.static, "key": at_start(step.static["key"], [place for place, _ in moved])}
        given = rest if step.primitive is _SCATTER else [parts[-1], *rest]
        static |= {"shape": parts[-1].shape} if step.primitive is _SCATTER else {}
        made = replace(step, inputs=tuple(given), static=static, shape=parts[-1].shape)
        for whole, part in zip(parts[-2::-1], parts[:0:-1], strict=True):
            made = replace(part, primitive=WITH_PART, inputs=(whole, made, self.turn), shape=whole.shape)
        return made

    def _read(self, step: Node, moved: Sequence[tuple[TurnPlace, int]], inputs: Sequence[Node]) -> Node:
        key, found = at_start(step.static["key"], [place for place, _ in moved]), inputs[0]
        alone = not any(isinstance(part, Slot) for part in key)  # a number beside index arrays is one of them
        for place, grows in moved:
            goes = alone and not place.is_slice
            found = self._part(found, place.axis, place.start, grows, None if goes else place.length)
        gone = {place.number for place, _ in moved if alone and not place.is_slice}
        key = tuple(part for i, part in enumerate(key) if i not in gone)
        if found.shape == step.shape and all(isinstance(part, slice) and part.step in (None, 1) for part in key):
            return replace(found, where=step.where)
        return replace(step, inputs=(found, *inputs[1:]), static={**step.static, "key": key})


def _input_like(node: Node) -> Node:
    return Node(INPUT, (), {}, node.shape, node.dtype)


def _item(array: Node, place: int, node: Node) -> Node:
    """One place along the first axis of an array, as `node` had it."""
    return Node(_GETITEM, (array,), {"key": (place,)}, node.shape, node.dtype, node.where)


def joined_turns(node: Node) -> Iterator[Node]:
    """The steps that join the turns of a loop as `concatenate` or `array` joins them, each turn being a part."""
    is_array = node.primitive is _ARRAY
    if is_array:
        if not all(same_kind(part.dtype, node.dtype) for part in node.inputs):
            return
        node = _concatenation(node)
    axis = node.static.get("axis", 0) % len(node.shape)
    pieces: list[Any] = []
    for part in node.inputs:
        whole, turn = _turn_of(part)
        if whole is not None and pieces and pieces[-1][0] is whole and part.shape == pieces[-1][3].shape:
            first, last = pieces[-1][1:3]
            step = turn - last
            if abs(step) == 1 and (last == first or (last > first) == (step > 0)):
                pieces[-1][2] = turn
                continue
        pieces.append([whole, turn, turn, part])
    if len(pieces) == len(node.inputs):
        return
    made: list[Node] = [part for _, first, last, part in pieces if is_array and first == last]
    ends = []
    for whole, first, last, part in pieces:
        if first != last:
            made += _side_by_side(whole, first, last, part.shape, axis)
        ends.append(made[-1] if first != last else part)
    yield from made
    if len(ends) > 1:
        yield with_inputs(node, ends)


def _concatenation(array: Node) -> Node:
    """What `array` does, as a `concatenate` of rows."""
    rows = (applied(PRIMITIVES["reshape"], (part,), {"shape": (1, *part.shape)}) for part in array.inputs)
    return replace(array, primitive=PRIMITIVES["concatenate"], inputs=tuple(rows), static={"axis": 0})


def _turn_of(part: Node) -> tuple[Node | None, int]:
    """The array of all turns that a part is a turn of, perhaps in another shape, and which; else None."""
    inner = part.inputs[0] if part.primitive is PRIMITIVES["reshape"] and "order" not in part.static else part
    if inner.primitive is _GETITEM and _is_of_turns(inner.inputs[0]) and same_kind(inner.dtype, part.dtype):
        match inner.static["key"]:
            case (int(place),) if place >= 0:
                return inner.inputs[0], place
    return None, 0


def _is_of_turns(node: Node) -> bool:
    """Whether a step is the values of all turns, and no last state."""
    return node.primitive is LEFT and node.static["place"] >= node.inputs[0].static["states"]


def _side_by_side(whole: Node, first: int, last: int, shape: tuple[int, ...], axis: int) -> list[Node]:
    count, made = abs(last - first) + 1, [whole]

    def add(name: str, **static: Any) -> None:
        made.append(applied(PRIMITIVES[name], (made[-1],), static))

    if first > last or count < whole.shape[0]:
        key = slice(first, last + 1) if first < last else slice(first, last - 1 if last else None, -1)
        add("getitem", key=(key,))
    if whole.shape[1:] != shape:
        add("reshape", shape=(count, *shape))
    if axis:
        add("transpose", axes=(*range(1, axis + 1), 0, *range(axis + 1, len(shape) + 1)))
    add("reshape", shape=(*shape[:axis], count * shape[axis], *shape[axis + 1 :]))
    return made[1:]
