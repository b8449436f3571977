"""What a loop nest computes when it only multiplies and adds up elements: sums of products over counters.

`out[n, f, i, j] = np.sum(x[n, :, i : i + 3, j : j + 3] * W[f]) + b[f]` is, where k, l and m count the elements of a
window, `out[n, f, i, j] = Σ x[n, k, i + l, j + m] · W[f, k, l, m] + b[f]`: a contraction of two arrays, and a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from dout.engine.loop_source.loop_refusal import LoopRefusal

SMALLEST, LARGEST = 1e-30, 1e30  # numbers that may be multiplied, or divided by, before anything else is
ELEMENTS = "k"  # the name of what counts elements along an axis


@dataclass(frozen=True, eq=False)
class Counter:
    """What counts the turns of a loop, or the elements along an axis: from 0 to its length."""

    name: str
    length: int


Renamed = Mapping[Counter, "AffineIndex"]


@dataclass(frozen=True)
class AffineIndex:
    """A whole number: a constant, and multiples of counters."""

    constant: int
    multiples: tuple[tuple[Counter, int], ...] = ()

    def plus(self, other: AffineIndex, times: int = 1) -> AffineIndex:
        """The sum with a multiple of another."""
        found = dict(self.multiples)
        for counter, factor in other.multiples:
            found[counter] = found.get(counter, 0) + times * factor
        multiples = tuple((counter, factor) for counter, factor in found.items() if factor)
        return AffineIndex(self.constant + times * other.constant, multiples)

    def times(self, other: AffineIndex) -> AffineIndex:
        """The product, one of which has to be a constant."""
        if self.multiples and other.multiples:
            raise LoopRefusal("an index is a product of two numbers that count turns")
        one, factor = (other, self.constant) if other.multiples else (self, other.constant)
        return AffineIndex(0).plus(one, factor)

    def with_counters(self, new: Renamed) -> AffineIndex:
        """The same number, with others in the place of some counters."""
        found = AffineIndex(self.constant)
        for counter, factor in self.multiples:
            found = found.plus(new.get(counter, AffineIndex(0, ((counter, 1),))), factor)
        return found

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the largest that it can be."""
        steps = [factor * max(0, counter.length - 1) for counter, factor in self.multiples]
        return self.constant + sum(min(0, one) for one in steps), self.constant + sum(max(0, one) for one in steps)


def counted(counter: Counter, begin: int = 0, step: int = 1) -> AffineIndex:
    """The number that a counter counts, from a first one, by steps."""
    return AffineIndex(begin, ((counter, step),))


class Axis(Enum):
    """What an index does with an axis as a whole."""

    ALL = 1
    NEW = 2


ALL, NEW_AXIS = Axis.ALL, Axis.NEW
Index = AffineIndex | tuple[AffineIndex, AffineIndex, int] | Axis


@dataclass(frozen=True)
class Elements:
    """Elements of an array: `at` for each of its axes, and the counters of the axes that are left, in their order."""

    place: str
    at: tuple[AffineIndex, ...]
    free: tuple[Counter, ...] = ()

    def with_counters(self, new: Renamed) -> Elements:
        """The same elements, counted by others."""
        return Elements(self.place, tuple(one.with_counters(new) for one in self.at), self.free)

    def part(self, index: Sequence[Index]) -> Elements:
        """What an index gives. For each axis it has a number, the ends and step of a slice, ALL or NEW_AXIS."""
        new: dict[Counter, AffineIndex] = {}
        free: list[Counter] = []
        left = iter(self.free)
        for one in index:
            old = Counter(ELEMENTS, 1) if one is NEW_AXIS else next(left, None)
            if old is None:
                raise LoopRefusal("it has too many indices")
            if one is NEW_AXIS or one is ALL:
                free.append(old)
            elif isinstance(one, AffineIndex):
                new[old] = _inside(one, old.length)
            elif isinstance(one, tuple):
                counter = _elements(*one, old.length)
                new[old] = one[0].plus(counted(counter, step=one[2]))
                free.append(counter)
        return replace(self.with_counters(new), free=(*free, *left))


def _inside(index: AffineIndex, length: int) -> AffineIndex:
    least, largest = index.ends
    if largest < 0:
        index, least, largest = index.plus(AffineIndex(length)), least + length, largest + length
    if least < 0 or largest >= length:
        raise LoopRefusal("an index is not always in range")
    return index


def _elements(begin: AffineIndex, end: AffineIndex, step: int, length: int) -> Counter:
    """What counts the elements of a slice."""
    extent = end.plus(begin, -1)
    if extent.multiples or step < 1:
        raise LoopRefusal("a slice is not always as long")
    if begin.ends[0] < 0 or end.ends[0] < 0 or end.ends[1] > length:
        raise LoopRefusal("a slice is not always in range")
    return Counter(ELEMENTS, max(0, -(-extent.constant // step)))


@dataclass(frozen=True)
class ProductTerm:
    """A number times the elements of one or two arrays, added up over some counters; `free` are the axes it has."""

    number: Any
    factors: tuple[Elements, ...]
    free: tuple[Counter, ...] = ()
    over: frozenset[Counter] = frozenset()

    def scaled(self, number: Any) -> ProductTerm:
        """The term times a number. LoopRefusal where numbers together come to what neither of them is."""
        product = self.number * number
        usual = SMALLEST < abs(product) < LARGEST
        if not usual and 0 not in (self.number, number) and 1 not in (self.number, number):
            raise LoopRefusal("it multiplies numbers that are very large or small")
        return replace(self, number=product)

    def times(self, other: ProductTerm) -> ProductTerm:
        """The product of two terms."""
        if not other.factors and not other.over:
            return self.scaled(other.number)
        if self.over or other.over or len(self.factors) + len(other.factors) > 2:
            raise LoopRefusal("it multiplies more than two arrays, or sums")
        mine, theirs = broadcast([self, other])
        return replace(mine, factors=mine.factors + theirs.factors).scaled(other.number)

    def along(self, axes: tuple[Counter, ...]) -> ProductTerm:
        """The term along other axes, from the last on."""
        new: dict[Counter, AffineIndex] = {}
        for mine, axis in zip(reversed(self.free), reversed(axes), strict=False):
            if mine.length not in (1, axis.length):
                raise LoopRefusal("it computes with arrays of shapes that do not fit")
            new[mine] = counted(axis) if mine.length == axis.length else AffineIndex(0)
        if len(self.free) > len(axes):
            raise LoopRefusal("it computes with arrays of shapes that do not fit")
        return replace(self, factors=tuple(one.with_counters(new) for one in self.factors), free=axes)

    def added_up(self, axes: Sequence[int] | None = None, *, keeps: bool = False) -> ProductTerm:
        """The sum over some axes, or all; of each of them one element may be kept."""
        count = len(self.free)
        if axes is not None and any(not -count <= one < count for one in axes):
            raise LoopRefusal("it adds up along an axis that is not there")
        gone = {self.free[one] for one in (range(count) if axes is None else axes)}
        free = [Counter(ELEMENTS, 1) if one in gone else one for one in self.free if keeps or one not in gone]
        return replace(self, free=tuple(free), over=self.over | gone)

    def dot(self, other: ProductTerm, pairs: Sequence[tuple[int, int]]) -> ProductTerm:
        """The product, added up over pairs of axes; then come the other axes of the first, and those of the second."""
        if self.over or other.over or len(self.factors) + len(other.factors) > 2:
            raise LoopRefusal("it multiplies more than two arrays, or sums")
        other = other.along(tuple(Counter(ELEMENTS, one.length) for one in other.free))
        ours, theirs = [[self.free[i] for i, _ in pairs], [other.free[k] for _, k in pairs]]
        if [one.length for one in ours] != [one.length for one in theirs]:
            raise LoopRefusal("it multiplies arrays of different shapes")
        new = {old: counted(counter) for old, counter in zip(theirs, ours, strict=True)}
        factors = (*self.factors, *(one.with_counters(new) for one in other.factors))
        free = (*(one for one in self.free if one not in ours), *(one for one in other.free if one not in theirs))
        return ProductTerm(self.number, factors, free, frozenset(ours)).scaled(other.number)


def broadcast(terms: Sequence[ProductTerm]) -> list[ProductTerm]:
    """The terms with the same axes, as NumPy finds them: from the last on, one element is as long as any others."""
    width = max((len(one.free) for one in terms), default=0)
    columns = [[one.free[-i] for one in terms if len(one.free) >= i] for i in range(width, 0, -1)]
    axes = tuple(max(column, key=lambda counter: counter.length) for column in columns)
    return [one.along(axes) for one in terms]


@dataclass(frozen=True)
class Contraction:
    """`target` is set to a term, or the term is added to it; `counters` are those of the loops around it."""

    target: Elements
    term: ProductTerm
    adds: bool
    counters: tuple[Counter, ...]

    def __str__(self) -> str:
        """As it is written by hand: elements are counted by k1, k2, …"""
        everything = [self.target, *self.term.factors]
        counters = dict.fromkeys(counter for one in everything for at in one.at for counter, _ in at.multiples)
        elements = [one for one in counters if one.name == ELEMENTS]
        names = {one: one.name for one in counters} | {one: f"{ELEMENTS}{i}" for i, one in enumerate(elements, 1)}
        target, *factors = (_written(one, names) for one in everything)
        own = {counter for at in self.target.at for counter, _ in at.multiples}
        total = "Σ " if {*self.counters, *self.term.over} - own else ""
        number = [] if factors and self.term.number == 1 else [str(self.term.number)]
        return f"{target} {'+=' if self.adds else '='} {total}{' · '.join([*number, *factors])}"


def _written(one: Elements, names: Mapping[Counter, str]) -> str:
    indices = []
    for at in one.at:
        parts = [names[counter] if factor == 1 else f"{factor} * {names[counter]}" for counter, factor in at.multiples]
        indices.append(" + ".join(parts + [str(at.constant)] * bool(at.constant or not parts)))
    return f"{one.place}[{', '.join(indices)}]"
