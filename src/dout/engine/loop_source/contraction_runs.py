"""Contractions, done by products of matrices: windows are copied into the rows of a matrix, piece by piece."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dout.engine.loop_source.contraction_reader import contractions
from dout.engine.loop_source.contraction_terms import AffineIndex, Contraction, Counter, Elements, ProductTerm, counted
from dout.engine.loop_source.liveness import Loop
from dout.engine.loop_source.loop_refusal import LoopRefusal
from dout.engine.runtime import shared_products

Array = np.ndarray[Any, Any]
_PIECE = 1 << 22  # bytes of a factor that is copied, as a rule: they stay in a cache
_SCATTERED = 1 << 7  # places of a window that are added one after the other, at most
EVERY = (1 << 63) - 1  # turns of a loop
_KEPT = 32  # sizes, and numbers of turns, for which everything is settled


class ContractedLoop:
    """A loop as contractions. It is called as a kernel is: with numbers and arrays, and the most turns of each loop.

    `text` says what it computes, `written` are the places of arrays that it writes into, and `rounds` is the letter of
    the least precise numbers. LoopRefusal where the loop, with what is `given` at a call, is something else.
    """

    def __init__(self, loop: Loop, given: Mapping[str, Any]) -> None:
        self.loop = loop
        self.known = {place: item for place, item in given.items() if item is None or callable(item)}
        self.tuples = {place for place, item in given.items() if type(item) is tuple}
        self.names = [place for place in given if place not in self.known]
        self.settled: dict[Any, tuple[list[_Routine], int]] = {}
        self.calls = self.misses = 0  # and how many of the calls were of another kind than those before
        found, _ = self._read(given, EVERY)
        places = {place for one in found for place in (one.target.place, *(f.place for f in one.term.factors))}
        self.rounds = "f" if any(given[place].dtype.char == "f" for place in places) else "d"
        self.written = frozenset(one.target.place for one in found)
        self.text = "".join(f"{one}\n" for one in found)
        self(*(given[place].copy() if place in self.written else given[place] for place in self.names), EVERY)

    def __call__(self, *given: Any) -> tuple[int, int]:
        """Whether it came to the end, and how many turns the loop has. Of a new size everything is settled first."""
        *told, most = given
        items = dict(zip(self.names, told, strict=True))
        items |= {place: tuple(map(int, items[place])) for place in self.tuples}
        key = most, *((one.shape, one.dtype) if type(one) is np.ndarray else one for one in items.values())
        settled = self.settled.get(key)
        self.calls += 1
        if settled is None:
            try:
                found, turns = self._read({**self.known, **items}, most)
            except LoopRefusal:
                return 0, 0
            self.misses += 1
            if len(self.settled) >= _KEPT:
                self.settled.clear()
            settled = [_Routine(part, items) for one in found for part in _pieces(one, items)], turns
            self.settled[key] = settled
        routines, turns = settled
        for routine in routines:
            routine.run(items)
        return 1, turns

    @property
    def restless(self) -> bool:
        """Whether most calls are of another kind than those before, so that a kernel does better."""
        return self.misses > 2 * _KEPT and 2 * self.misses > self.calls

    def _read(self, given: Mapping[str, Any], most: int) -> tuple[list[Contraction], int]:
        found, turns = contractions(self.loop, given, most)
        if any(math.prod(counter.length for counter in _stepped(one.target)) > _SCATTERED for one in found):
            raise LoopRefusal("it adds to too many places of a window")
        return found, turns


class _Routine:
    """A contraction of arrays of some shapes and dtypes: what does not depend on where they lie is settled."""

    def __init__(self, one: Contraction, arrays: Mapping[str, Array]) -> None:
        own, factors = _counters(one.target), one.term.factors
        summed = dict.fromkeys((*one.counters, *one.term.over))
        counts = [_counters(factor) for factor in factors]
        if len(factors) == 2 and own and own[-1] in counts[0] and own[-1] not in counts[1]:
            factors, counts = factors[::-1], counts[::-1]  # the target's last axis is one of the second factor
        anywhere = list(dict.fromkeys(counter for count in counts for counter in count))
        inner = [c for c in anywhere if c in summed and c not in own]
        self.number = one.term.number * math.prod(c.length for c in summed if c not in own and c not in anywhere)
        self.dtype = np.result_type(arrays[one.target.place].dtype, *(arrays[factor.place].dtype for factor in factors))
        shared = [all(c in count for count in counts) for c in own]
        self.stack = [c for c, both in zip(own, shared, strict=True) if both] if len(factors) == 2 else []
        lines = [[c for c in own if c in count and c not in self.stack] for count in counts]
        sums = [c for c in inner if all(c in count for count in counts)] if len(factors) == 2 else []
        self.factors = [
            _Factor(factor, self.stack, line, sums, [c for c in inner if c in count and c not in sums])
            for factor, line, count in zip(factors, lines, counts, strict=True)
        ]
        self.axes = [*self.stack, *itertools.chain(*lines)]
        self.sums = sums
        self.target = _Target(one, own, self.axes)
        self.product = shared_products.stacked() if self.stack else shared_products.together((np.dot,))

    def run(self, arrays: Mapping[str, Array]) -> None:
        """Write the contraction into its target."""
        value = self._value(arrays)
        if not (type(self.number) is int and self.number == 1):
            value = value * self.number
        self.target.store(value, arrays)

    def _value(self, arrays: Mapping[str, Array]) -> Any:
        """The elements before a number multiplies them, with an axis for each of the `axes`."""
        match self.factors:
            case []:
                return 1
            case [one]:
                return one.elements(arrays, self.dtype)
        if not self.sums:
            left, right = (one.elements(arrays, self.dtype) for one in self.factors)
            before = len(self.stack)
            apart = [*left.shape, *[1] * (right.ndim - before)]
            return left.reshape(apart) * right.reshape(
                [*right.shape[:before], *[1] * (left.ndim - before), *right.shape[before:]]
            )
        left, right = (one.matrix(arrays, self.dtype) for one in self.factors)
        right = right.swapaxes(-1, -2)
        out = np.empty((*left.shape[:-1], right.shape[-1]), self.dtype)
        if left.shape[-2] == right.shape[-1] == 1:  # numbers, each the sum of a row
            np.einsum("...k,...k->...", left[..., 0, :], right[..., 0], out=out[..., 0, 0])
        elif out.size and left.size:
            self.product(left, right, out)
        else:
            out[...] = 0
        return out.reshape([c.length for c in self.axes])


class _Factor:
    """The elements of an array that go into a contraction: in stacks of matrices, with `lines` and `sums`.

    `alone` are the counters over which they are added up before anything is multiplied.
    """

    def __init__(
        self, one: Elements, stack: list[Counter], lines: list[Counter], sums: list[Counter], alone: list[Counter]
    ) -> None:
        self.view = _View(one, [*stack, *lines, *sums, *alone])
        self.ends = len(stack), len(stack) + len(lines), len(stack) + len(lines) + len(sums)
        self.first = [c.length for c in stack]
        self.many, self.inner = (math.prod(c.length for c in part) for part in (lines, sums))

    def elements(self, arrays: Mapping[str, Array], dtype: Any) -> Array:
        """With an axis for each counter but those in `alone`."""
        found = self.view.of(arrays)
        alone = tuple(range(self.ends[-1], found.ndim))
        return found.sum(axis=alone, dtype=dtype) if alone else found

    def matrix(self, arrays: Mapping[str, Array], dtype: Any) -> Array:
        """A row for each of the lines; laid out so that what lies side by side in memory is copied as it lies."""
        found = self.elements(arrays, dtype)
        stack, lines, end = self.ends
        near = min(range(stack, end), key=lambda i: (abs(found.strides[i]) or _PIECE, -found.shape[i]), default=end)
        if near >= lines:
            return found.reshape(*self.first, self.many, self.inner).astype(dtype, copy=False)
        turned = found.transpose(*range(stack), *range(lines, end), *range(stack, lines))
        turned = turned.reshape(*self.first, self.inner, self.many).astype(dtype, copy=False)
        return turned.swapaxes(-1, -2)


class _Target:
    """Where a contraction writes. Of two counters that move along one axis one goes step by step."""

    def __init__(self, one: Contraction, own: list[Counter], axes: list[Counter]) -> None:
        self.adds = one.adds
        self.order = [axes.index(c) for c in own if c in axes]
        stepped = _stepped(one.target)
        moving = [c for c in own if c not in stepped]
        self.parts = []
        for place in itertools.product(*(range(c.length) for c in stepped)):
            at = dict(zip(stepped, place, strict=True))
            target = one.target.with_counters({c: AffineIndex(number) for c, number in at.items()})
            index = [at.get(c, slice(None)) if c in axes else None for c in own if c in axes or c not in at]
            self.parts.append((_View(target, moving, writeable=True), tuple(index)))

    def store(self, value: Any, arrays: Mapping[str, Array]) -> None:
        """Write elements, or add them."""
        value = value.transpose(self.order) if self.order else value
        for view, index in self.parts:
            target = view.of(arrays)
            part = value[index] if self.order else value
            if self.adds:
                np.add(target, part, out=target, casting="same_kind")
            else:
                target[...] = part


class _View:
    """Elements of an array as a view, with an axis for each of some counters."""

    def __init__(self, one: Elements, axes: Sequence[Counter], *, writeable: bool = False) -> None:
        self.place, self.writeable = one.place, writeable
        self.begin = tuple(slice(index.constant, None) for index in one.at)
        self.shape = [counter.length for counter in axes]
        steps = [dict(index.multiples) for index in one.at]
        self.steps = [[(axis, step[c]) for axis, step in enumerate(steps) if c in step] for c in axes]

    def of(self, arrays: Mapping[str, Array]) -> Array:
        """The view."""
        array = arrays[self.place]
        if 0 in self.shape:
            return np.empty(self.shape, array.dtype)
        strides = array.strides
        return as_strided(
            array[self.begin],
            self.shape,
            [sum(factor * strides[axis] for axis, factor in steps) for steps in self.steps],
            writeable=self.writeable,
        )


def _pieces(one: Contraction, arrays: Mapping[str, Array]) -> Iterator[Contraction]:
    """A contraction in pieces along one counter, where a factor has many windows."""
    if any(counter.length == 0 for counter in one.counters):
        return
    if any(counter.length == 0 for counter in one.term.over):  # a sum of nothing, whatever stands in the arrays
        if not one.adds:
            yield replace(one, term=ProductTerm(0, (), one.target.free))
        return
    sizes = [
        arrays[factor.place].itemsize * math.prod(c.length for c in _counters(factor)) for factor in one.term.factors
    ]
    large = max(sizes, default=0)
    if large <= _PIECE:
        yield one
        return
    own = _counters(one.target)
    counter = max(
        _counters(one.term.factors[sizes.index(large)]), key=lambda c: (c in one.counters, c in own, c.length)
    )
    count = min(counter.length, -(-large // _PIECE))
    for begin, end in itertools.pairwise(counter.length * i // count for i in range(count + 1)):
        yield _restricted(one, counter, begin, end, adds=one.adds or (begin > 0 and counter not in own))


def _restricted(one: Contraction, counter: Counter, begin: int, end: int, *, adds: bool) -> Contraction:
    """A contraction with some of the numbers that a counter counts."""
    fewer = Counter(counter.name, end - begin)
    new = {counter: counted(fewer, begin)}
    term = replace(
        one.term,
        factors=tuple(factor.with_counters(new) for factor in one.term.factors),
        over=frozenset(fewer if c is counter else c for c in one.term.over),
    )
    counters = tuple(fewer if c is counter else c for c in one.counters)
    return Contraction(one.target.with_counters(new), term, adds, counters)


def _counters(one: Elements) -> list[Counter]:
    """What counts some elements, in the order of the axes."""
    return list(dict.fromkeys(counter for index in one.at for counter, _ in index.multiples))


def _stepped(target: Elements) -> list[Counter]:
    """Of the counters that move along one axis, as a window does over an image, all but the longest."""
    found: dict[Counter, None] = {}
    for index in target.at:
        several = sorted((counter for counter, _ in index.multiples), key=lambda counter: counter.length)
        found |= dict.fromkeys(several[:-1])
    return list(found)
