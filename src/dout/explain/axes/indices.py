"""Symbolic indices: joining and splitting by a reshape, and substitution of indices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dout.errors import ShapeError
from dout.explain.terms.terms import ZERO, Number, Term, product, total
from dout.explain.terms.walk import substituted
from dout.ops.shape import axis_groups


@dataclass(frozen=True)
class JoinedIndex(Term):
    """The index of an axis that a reshape made of several: an index each, and how long they are."""

    parts: tuple[Term, ...]
    lengths: tuple[int, ...]
    sizes: tuple[Term, ...]  # the lengths as letters


@dataclass(frozen=True)
class Digit(Term):
    """One of the indices into which a reshape splits an index: index // inner % length."""

    index: Term
    inner: int
    length: int
    size: Term


def joined(parts: Sequence[Term], lengths: Sequence[int], sizes: Sequence[Term]) -> Term:
    """The index of several axes read in one line, the last one fastest."""
    flat = list(_flat(parts, lengths, sizes))
    if not flat:
        return ZERO
    if len(flat) == 1:
        return flat[0][0]
    if all(isinstance(part, Number) for part, _, _ in flat):
        place = 0
        for part, length, _ in flat:
            place = place * length + int(part.value)  # type: ignore[attr-defined]
        return Number(place)
    first = flat[0][0]
    if isinstance(first, Digit) and _all_digits([(p, n) for p, n, _ in flat], first.index):
        return first.index
    return JoinedIndex(*zip(*flat, strict=True))


def _flat(parts: Sequence[Term], lengths: Sequence[int], sizes: Sequence[Term]) -> Iterator[tuple[Term, int, Term]]:
    for part, length, size in zip(parts, lengths, sizes, strict=True):
        if isinstance(part, JoinedIndex):
            yield from zip(part.parts, part.lengths, part.sizes, strict=True)
        elif length != 1:
            yield part, length, size


def _all_digits(parts: list[tuple[Term, int]], index: Term) -> bool:
    """Whether the parts are all digits of one index, so that joining them gives the index back."""
    inner = 1
    for part, length in reversed(parts):
        if not (isinstance(part, Digit) and part.index == index and part.inner == inner and part.length == length):
            return False
        inner *= length
    return True


def split(index: Term, lengths: Sequence[int], sizes: Sequence[Term]) -> tuple[Term, ...]:
    """The indices of axes of these lengths, of which a reshape made the axis that has this index."""
    if isinstance(index, Number):
        places = []
        rest = int(index.value)
        for length in reversed(lengths):
            places.append(Number(rest % length))
            rest //= length
        return tuple(places[::-1])
    if sum(length != 1 for length in lengths) <= 1:
        return tuple(ZERO if length == 1 else index for length in lengths)
    if isinstance(index, JoinedIndex):
        return _regrouped(index, lengths, sizes)
    inner = math.prod(lengths)
    found: list[Term] = []
    for length, size in zip(lengths, sizes, strict=True):
        inner //= length
        found.append(ZERO if length == 1 else Digit(index, inner, length, size))
    return tuple(found)


def _regrouped(index: JoinedIndex, lengths: Sequence[int], sizes: Sequence[Term]) -> tuple[Term, ...]:
    found: list[Term] = []
    for ours, theirs in groups(index.lengths, lengths):
        part = joined([index.parts[i] for i in ours], [index.lengths[i] for i in ours], [index.sizes[i] for i in ours])
        if isinstance(part, JoinedIndex) and len(theirs) > 1:
            raise NotReadableError("a reshape cuts an axis in another way than it was joined")
        found += split(part, [lengths[i] for i in theirs], [sizes[i] for i in theirs])
    return tuple(found)


class NotReadableError(Exception):
    """There is no index form that a person would want to read."""


def groups(one: Sequence[int], other: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """As `axis_groups`. Raises NotReadableError for an empty array."""
    try:
        return axis_groups(one, other)
    except ShapeError as error:
        raise NotReadableError(str(error)) from None


def explicit(index: Term) -> Term:
    """A joined index as arithmetic: (c·H + h)·W + w as c·H·W + h·W + w."""
    if not isinstance(index, JoinedIndex):
        return index
    return total(*(product(part, *index.sizes[i + 1 :]) for i, part in enumerate(index.parts)))


def exchanged(term: Term, places: Mapping[Term, Term]) -> Term:
    """The term with some of its parts in the place of others."""
    return substituted(term, places.get)
