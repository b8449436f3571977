"""The numbers in the key of a step: the places along axes that may differ from turn to turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.graph import Node
from dout.ops import PRIMITIVES, primitives

PLACED = primitives("getitem setitem add_at scatter")


@dataclass(frozen=True)
class TurnPlace:
    """A part of a key along an `axis`: `length` places from `start` on; `number` says where it stands in the key."""

    number: int
    axis: int
    start: int
    length: int
    is_slice: bool

    @property
    def form(self) -> tuple[int, int, bool]:
        """All but the start."""
        return self.axis, self.length, self.is_slice


def places_of(step: Node) -> tuple[TurnPlace, ...]:
    """The numbers of a key, and its slices that have both ends inside the array; none where a condition chooses."""
    if step.primitive not in PLACED or any(np.dtype(i.dtype) == np.dtype(bool) for i in _index(step)):
        return ()
    shape = step.static["shape"] if step.primitive is PRIMITIVES["scatter"] else step.inputs[0].shape
    return tuple(_places(parts_of(step.static["key"]), shape))


def parts_of(key: Any) -> tuple[Any, ...]:
    """The parts of a key."""
    return key if isinstance(key, tuple) else (key,)


def _index(step: Node) -> Sequence[Node]:
    return step.inputs[2:] if step.primitive in primitives("setitem add_at") else step.inputs[1:]


def _places(parts: tuple[Any, ...], shape: tuple[int, ...]) -> Iterator[TurnPlace]:
    axis = 0
    for number, part in enumerate(parts):
        if part is Ellipsis:
            axis = len(shape) - sum(later is not None for later in parts[number + 1 :])
            continue
        if part is None:
            continue
        if type(part) is int:
            yield TurnPlace(number, axis, part, 1, False)
        elif isinstance(part, slice) and _is_inside(part, shape[axis]):
            yield TurnPlace(number, axis, part.start, part.stop - part.start, True)
        axis += 1


def _is_inside(part: slice, length: int) -> bool:
    ends = type(part.start) is type(part.stop) is int
    return ends and part.step in (None, 1) and 0 <= part.start < part.stop <= length


def at_start(key: Any, moved: Sequence[TurnPlace]) -> Any:
    """The key, into the parts of an array that lie at these places."""
    parts = list(parts_of(key))
    for place in moved:
        parts[place.number] = slice(0, place.length) if place.is_slice else 0
    return tuple(parts)
