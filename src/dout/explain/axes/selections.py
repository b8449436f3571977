"""Index keys on indices: where a key takes an element from, and which element it puts in a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dout.explain.axes.element_arithmetic import condition
from dout.explain.axes.indices import NotReadableError, exchanged
from dout.explain.terms.length_numbers import Length, length_term
from dout.explain.terms.terms import ZERO, Cases, Compare, Number, Symbol, Term, between, negated, product, total
from dout.ops.operators import Slot


@dataclass(frozen=True)
class KeyPlace:
    """Where along one axis a key takes an element from: start + step · at, among `count` places of `length`."""

    at: Term
    start: int = 0
    step: int = 1
    count: int = 0
    length: int = 0
    stop: int | None = None  # as it is written, where that is the length of an axis

    @property
    def index(self) -> Term:
        """The index along the axis."""
        moved = product(Number(self.step), self.at) if self.step > 0 else negated(product(Number(-self.step), self.at))
        return total(moved, length_term(self.start))


def places_of(view: Any, key: Any, shape: Sequence[int], at: Sequence[Term], first: int) -> list[KeyPlace]:
    """For each axis of an array, the place from which a key takes the element that has the indices `at`.

    The arrays in the key are the inputs of `view` from the number `first` on.
    """
    parts = _whole(key, len(shape))
    arrays = {p: view.node.inputs[first + p] for p in parts if isinstance(p, Slot)}
    if any(a.kind not in "iu" for a in arrays.values()):
        raise NotReadableError("a mask selects: how many elements depends on values")
    counted = any(isinstance(p, range) for p in parts)
    wide = max([*(len(a.shape) for a in arrays.values()), int(counted)], default=0)
    chosen = [i for i, p in enumerate(parts) if isinstance(p, Slot | range) or ((arrays or counted) and type(p) is int)]
    adjacent = not chosen or chosen == list(range(chosen[0], chosen[-1] + 1))
    left = list(at)
    together = [left.pop(0) for _ in range(wide)] if wide and not adjacent else []
    found: list[KeyPlace] = []
    lengths = iter(shape)
    for i, part in enumerate(parts):
        if wide and adjacent and i == chosen[0]:
            together = [left.pop(0) for _ in range(wide)]
        if part is None:
            left.pop(0)
            continue
        length = next(lengths)
        if isinstance(part, slice):
            start, stop, step = part.indices(length)
            count = len(range(start, stop, step))
            start = part.start if isinstance(part.start, Length) and part.start == start else start
            end = part.stop if isinstance(part.stop, Length) and part.stop == stop and step == 1 else None
            found.append(KeyPlace(left.pop(0) if count != 1 else _dropped(left), start, step, count, length, end))
        elif isinstance(part, Slot):
            array = arrays[part].shape
            own = [ZERO if n == 1 else x for n, x in zip(array, together[wide - len(array) :], strict=True)]
            found.append(KeyPlace(view.read(first + part, own)))
        elif isinstance(part, range):
            counter = ZERO if len(part) == 1 else together[-1]
            found.append(KeyPlace(total(product(Number(part.step), counter), Number(part.start))))
        else:
            found.append(KeyPlace(Number(int(part) % length)))
    return found


def _dropped(left: list[Term]) -> Term:
    """An axis of length 1 has one place."""
    left.pop(0)
    return ZERO


def _whole(key: Any, ndim: int) -> list[Any]:
    """A key with one part for each axis of the array, and None for each new one."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(isinstance(p, bool | np.ndarray | list) for p in parts):
        raise NotReadableError("a mask selects")
    taken = sum(p is not None and p is not Ellipsis for p in parts)
    rest = [slice(None)] * (ndim - taken)
    where = next((i for i, p in enumerate(parts) if p is Ellipsis), None)
    return parts + rest if where is None else parts[:where] + rest + parts[where + 1 :]


def solved(
    new: Sequence[Term], places: Sequence[KeyPlace], view: Any
) -> tuple[tuple[Term, ...], list[Term], list[Term]]:
    """The element that a key puts in the place of `view`: its indices, the indices to sum over, and the conditions.

    An index that is itself a place along an axis is known; a condition says where a place is one of those chosen.
    """
    known: dict[Term, Term] = {}
    conditions: list[Term] = []
    for place, target in zip(places, view.at, strict=True):
        at = exchanged(place.at, known)
        moved = replace(place, at=at)
        if isinstance(at, Symbol) and at in new and at not in known and place.step in (1, -1):
            start = negated(length_term(place.start))
            known[at] = total(target, start) if place.step > 0 else _turned(target, place.start)
            conditions += _within(target, place)
        elif moved.index != target:
            conditions.append(Compare(target, "=", moved.index))
    left: list[Term] = [index for index in new if isinstance(index, Symbol) and index not in known]
    return tuple(exchanged(index, known) for index in new), left, conditions


def _turned(target: Term, start: int) -> Term:
    return total(Number(start), negated(target))


def _within(target: Term, place: KeyPlace) -> list[Term]:
    """The conditions under which an index is among those of a slice."""
    if place.length == 0:  # an array of places: every one
        return []
    first, last = sorted((place.start, place.start + place.step * (place.count - 1)))
    begins = Compare(length_term(first), "≤", target) if first > 0 else None
    ends = Compare(target, "≤", Number(last)) if last < place.length - 1 else None
    if ends is not None and (place.stop is not None or place.step == 1):
        ends = Compare(target, "<", Number(last + 1) if place.stop is None else length_term(place.stop))
    if begins is not None and ends is not None and ends.symbol == "<":
        return [between(begins.left, target, ends.right, below="≤")]
    return [condition for condition in (begins, ends) if condition is not None]


def place_conditions(term: Term, conditions: Sequence[Term], otherwise: Term) -> Term:
    """The term where conditions hold."""
    if not conditions or term == otherwise:
        return term
    return Cases(((term, condition(conditions)),), otherwise)
