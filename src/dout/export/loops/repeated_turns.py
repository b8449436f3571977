"""Steps in the order of a run; the turns of a loop among them out: alike steps, wired alike.

A step of one turn reads what the others read, or the same turn, or one of the turns before it, or a number that changes
from turn to turn. The places at which it reads or writes an array move by one number a turn.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.clock import check_time
from dout.export.loops.loop_rows import PART
from dout.export.loops.turn_places import PLACED, parts_of, places_of
from dout.graph import CONSTANT, Node, same_kind
from dout.ops import PRIMITIVES

FEWEST_TURNS, FEWEST_STEPS = 4, 12  # of a loop: fewer are written one by one
_MODEL = 2  # the turn that others are compared with: a value is kept for two turns at most
_DEEPEST = 4  # parts of parts
_GETITEM = PRIMITIVES["getitem"]
_LOOKS = 3_000_000  # steps that are compared, in all


@dataclass(frozen=True)
class Wire:
    """Where an argument of a step comes from: from step `place` of the turn so many `before` this one.

    -1 turns before: from outside, the same in all turns. With `parts`, it is a part of an array: where what it is read
    from comes from.
    """

    before: int
    place: int = 0
    parts: tuple[Wire, ...] = ()


@dataclass(frozen=True, eq=False)
class LoopTurns:
    """The turns of a loop, each with as many steps as the others in the same order; `wires` of the steps of a turn."""

    turns: tuple[tuple[Node, ...], ...]
    wires: list[list[Wire]]

    def read(self) -> Iterator[tuple[int, Node, Node, Wire]]:
        """What steps read from a place of their own, not as a part: the turn, the step, what it reads, and its wire."""
        for number, turn in enumerate(self.turns):
            for step, wires in zip(turn, self.wires, strict=True):
                yield from ((number, *found) for found in _reads(step, wires))


def _reads(step: Node, wires: Sequence[Wire]) -> Iterator[tuple[Node, Node, Wire]]:
    for read, wire in zip(step.inputs, wires, strict=True):
        if wire.parts:
            yield from _reads(read, wire.parts)
        else:
            yield step, read, wire


class TurnSearch:
    """Looks for loops among steps; what it looks at has a limit, after which there are no more."""

    def __init__(self) -> None:
        self._left = _LOOKS
        self._forms: dict[Hashable, int] = {}

    def next(self, steps: Sequence[Node], begin: int) -> tuple[int, LoopTurns] | None:
        """The first loop from a place on, and where it begins: of several there, the one that covers most."""
        forms = np.array([self._forms.setdefault(form_of(node), len(self._forms)) for node in steps])
        after, at = _alike_after(forms.tolist()), {node: i for i, node in enumerate(steps)}
        for start in range(begin, len(steps)):
            check_time()
            ways = self._ways(steps, at, forms, after, start)
            best = max(ways, key=lambda way: (way.covered, -way.length), default=None)
            if best is not None:
                return start + best.first * best.length, best.turns
        return None

    def _ways(
        self, steps: Sequence[Node], at: Mapping[Node, int], forms: Any, after: Sequence[int], start: int
    ) -> Iterator[_Wiring]:
        """Loops that begin at a place or a little later, of which none lies inside another."""
        other, covered = after[start], start
        while other >= 0 and start + FEWEST_TURNS * (length := other - start) <= len(forms) and self._left > 0:
            self._left -= 1
            if other >= covered and np.array_equal(forms[start:other], forms[other : other + length]):
                same = forms[start:-length] == forms[other:]
                count = (len(same) if same.all() else int(np.argmin(same))) // length + 1
                self._left -= len(same) + length * count
                if count >= FEWEST_TURNS and count * length >= FEWEST_STEPS:
                    wiring = _Wiring(steps, at, start, length)
                    wiring.find(count)
                    if wiring.last - wiring.first >= FEWEST_TURNS and wiring.covered >= FEWEST_STEPS:
                        covered = start + wiring.last * length
                        yield wiring
            other = after[other]


class _Wiring:
    """How the steps of one turn are wired, and which turns are wired so: from the `first` to the one before `last`."""

    def __init__(self, steps: Sequence[Node], at: Mapping[Node, int], start: int, length: int) -> None:
        self.steps, self.at, self.start, self.length = steps, at, start, length
        self.first = self.last = _MODEL
        self.model, self.after = self.turn(_MODEL), self.turn(_MODEL + 1)
        self.wires = [
            [self._wire(read, later) for read, later in zip(step.inputs, other.inputs, strict=True)]
            for step, other in zip(self.model, self.after, strict=True)
        ]
        self.longest = max((wire.before for *_, wire in LoopTurns((tuple(self.model),), self.wires).read()), default=0)

    def turn(self, number: int) -> Sequence[Node]:
        """The steps of a turn."""
        return self.steps[self.start + number * self.length : self.start + (number + 1) * self.length]

    def _wire(self, read: Node, later: Node) -> Wire:
        if is_part(read) and is_part(later) and len(read.inputs) == len(later.inputs):
            pairs = zip(read.inputs, later.inputs, strict=True)
            return Wire(0, parts=tuple(self._wire(one, other) for one, other in pairs))
        place = self.at.get(read, -1) - self.start
        if read is later or place < 0:
            return Wire(-1)
        turn, step = divmod(place, self.length)
        return Wire(_MODEL - turn, step)

    @property
    def covered(self) -> int:
        """How many steps the turns are."""
        return (self.last - self.first) * self.length

    @property
    def turns(self) -> LoopTurns:
        """The turns that are wired alike."""
        return LoopTurns(tuple(tuple(self.turn(number)) for number in range(self.first, self.last)), self.wires)

    def find(self, count: int) -> None:
        """Look which of so many turns are wired alike."""
        first = last = _MODEL
        while last < count and self._fits(last):
            last += 1
        while first > 0 and self._fits(first - 1):
            first -= 1
        early = max(0, first - self.longest)  # the first turns read from outside what others read from a turn before
        while first > early and self._fits(first - 1, from_outside=True):
            first -= 1
        while first < last and not self._begins(first):
            first += 1
        self.first, self.last = first, last

    def _fits(self, number: int, from_outside: bool = False) -> bool:
        """Whether a turn is wired as the model; or, where that reads a turn before, from anywhere."""
        pairs = zip(self.turn(number), self.model, self.after, self.wires, strict=True)
        return all(self._alike(*pair, number, from_outside) for pair in pairs)

    def _alike(
        self, step: Node, model: Node, after: Node, wires: Sequence[Wire], number: int, from_outside: bool
    ) -> bool:
        """Whether a step, or a part of an array, is that of the model, moved by as many turns."""
        if form_of(step) != form_of(model):
            return False
        moved = [
            one.start + (number - _MODEL) * (other.start - one.start)
            for one, other in zip(places_of(model), places_of(after), strict=True)
        ]
        if [place.start for place in places_of(step)] != moved:
            return False
        for read, wanted, later, wire in zip(step.inputs, model.inputs, after.inputs, wires, strict=True):
            if wire.parts:
                fits = self._alike(read, wanted, later, wire.parts, number, from_outside)
            elif wire.before < 0:
                numbers = read.primitive is wanted.primitive is CONSTANT and same_kind(read.dtype, wanted.dtype)
                fits = read is wanted or (numbers and read.shape == wanted.shape)
            else:
                place = self.start + (number - wire.before) * self.length + wire.place
                fits = self.at.get(read) == place or (from_outside and wire.before > 0)
            if not fits:
                return False
        return True

    def _begins(self, first: int) -> bool:
        """Whether the loop may begin with a turn: what is read from outside is made before, and states are alike."""
        edge, given = self.start + first * self.length, dict[Wire, Node]()
        turns = LoopTurns(tuple(tuple(self.turn(first + i)) for i in range(max(self.longest, 1))), self.wires)
        for number, step, read, wire in turns.read():
            if 0 <= wire.before <= number:
                continue
            if any(self.at.get(base, -1) >= edge for base in bases(read)):
                return False
            if wire.before > 0:
                first_read = given.setdefault(Wire(wire.before - number, wire.place), read)
                if not (_stands_for(read, self.model[wire.place], step) and _same(first_read, read)):
                    return False
        return True


def is_part(node: Node) -> bool:
    """Whether a node only reads a part of an array: it has no place among the steps, each of which reads for itself."""
    deep = 0
    while node.primitive is PART or (node.primitive is _GETITEM and places_of(node)):
        node, deep = node.inputs[0], deep + 1
    return deep % (_DEEPEST + 1) > 0


def bases(node: Node) -> Iterator[Node]:
    """The steps that a node is a part of, or itself."""
    if is_part(node):
        for read in node.inputs:
            yield from bases(read)
    else:
        yield node


def _stands_for(read: Node, source: Node, step: Node) -> bool:
    """Whether a value from outside may begin a state: it is as wide, or one number, which elements meet alike."""
    same = read.shape == source.shape and np.dtype(read.dtype) == np.dtype(source.dtype)
    return same or (read.primitive is CONSTANT and step.primitive.kernel is not None and source.shape == step.shape)


def _same(one: Node, other: Node) -> bool:
    """Whether two values that begin a state are one; two numbers may be equal."""
    numbers = one.primitive is other.primitive is CONSTANT and one.shape == other.shape
    return one is other or (numbers and bool(np.all(one.static["value"] == other.static["value"])))


def form_of(node: Node) -> Hashable:
    """What is the same in every turn: the step, its line, the shape that it makes, and its key but for the places."""
    fixed: dict[str, Any] = dict(node.static)
    if node.primitive in PLACED:
        parts: list[Any] = list(parts_of(fixed["key"]))
        for place in places_of(node):
            parts[place.number] = place.form
        fixed["key"] = parts
    return node.primitive, node.where, node.shape, node.dtype, repr(sorted(fixed.items())), len(node.inputs)


def _alike_after(forms: Sequence[int]) -> list[int]:
    """For each step the next one of its form, or -1."""
    after, latest = [-1] * len(forms), dict[int, int]()
    for i in reversed(range(len(forms))):
        after[i] = latest.get(forms[i], -1)
        latest[forms[i]] = i
    return after
