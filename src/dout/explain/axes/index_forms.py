"""The element of a node at symbolic indices, as a formula of elements of the values that have names."""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from math import isfinite, prod
from typing import Any

import numpy as np

from dout.explain.axes.axis_classes import selecting_rows
from dout.explain.axes.axis_letters import JOIN, Letters, axis_letters, index_name, lengths_of
from dout.explain.axes.element_rules import number_term, rule_of
from dout.explain.axes.indices import (
    Digit,
    JoinedIndex,
    NotReadableError,
    exchanged,
    explicit,
    joined,
)
from dout.explain.terms.notation import COUNTER
from dout.explain.terms.terms import ONE, ZERO, Product, SumOver, Symbol, Term, negated, product
from dout.explain.terms.walk import names_in, parts_of
from dout.graph import CONSTANT, INPUT, Node

_LONGEST = 60  # terms in a formula that is still read


def index_form(
    name: str, node: Node, names: Mapping[Node, str], letters: Letters, values: Mapping[Node, Any]
) -> tuple[Symbol, Term] | None:
    """Both sides of the formula of one element of a node that is called `name`; None if there is no readable form.

    Where a reshape splits an axis of the node, the index along it stands there in parts: da[n, h·K + k].
    """
    try:
        indices = indices_of(node, names, letters)
        right = _written(node, indices, names, letters, values)
    except NotReadableError:
        return None
    left: Term = element_of(name, indices, letters[node])
    reader = _Reader(names, letters, {})
    for index in indices:
        digits = {p for p in parts_of(right) if isinstance(p, Digit) and p.index == index}
        if digits:
            places = _digit_places(digits, index, reader, names_in([left, right]))
            if places is None:
                return None
            left, right = exchanged(left, places), exchanged(right, places)
    readable = not any(isinstance(p, Digit | JoinedIndex) for p in parts_of(right))
    return (left, right) if readable and isinstance(left, Symbol) else None


def _written(
    node: Node, indices: Sequence[Term], names: Mapping[Node, str], letters: Letters, values: Mapping[Node, Any]
) -> Term:
    """The element of a node at these indices. The node itself is written out, though it has a name."""
    if any(n not in letters for n in (node, *node.inputs)):
        letters = axis_letters([node], names, values, known=letters)
    if not node.inputs and node in names:
        return element_of(names[node], indices, letters[node])
    reader = _Reader(names, letters, values)
    found = _View(reader, node, tuple(indices), frozenset()).element()
    if len(list(parts_of(found))) > _LONGEST:
        raise NotReadableError("too long to be read")
    return found


def indices_of(node: Node, names: Mapping[Node, str], letters: Letters) -> tuple[Term, ...]:
    """An index for each axis: (n, d) for (N, D); a second axis of one letter has another, one of length 1 has 0."""
    return fresh_indices(node, range(len(node.shape)), (), names, letters)


def fresh_indices(
    node: Node, axes: Iterable[int], besides: Sequence[Term], names: Mapping[Node, str], letters: Letters
) -> tuple[Term, ...]:
    """An unused index for each of some axes of a node."""
    view = _View(_Reader(names, letters, {}), node, (), frozenset())
    found: list[Term] = []
    for axis in axes:
        found.append(view.fresh(-1, axis, [*besides, *found]))
    return tuple(found)


def index_names(indices: Sequence[Term]) -> list[str]:
    """The names in some indices, in their order."""
    return [name for index in indices for name in _bound(index)]


def element_of(name: str, indices: Sequence[Term], letters: Sequence[str]) -> Symbol:
    """A named value at indices, without those of axes of length 1."""
    kept = tuple(explicit(i) for i, letter in zip(indices, letters, strict=True) if letter != "1")
    return Symbol(name, kept)


def _free_name(letter: str, used: Collection[str], others: Collection[str]) -> str:
    """The name of an index along an axis with this letter; another one where that is in use."""
    own = index_name(letter)
    free = [c for c in "kjilpqrsuvw" + string.ascii_lowercase if c not in others]
    return next(c for c in (own, *free, *(f"{own}{i}" for i in range(2, 99))) if c not in used)


def size_term(letter: str, length: int) -> Term:
    """The length of an axis as a term: N, C·H·W, or 1."""
    return ONE if length == 1 else product(*(Symbol(part) for part in letter.split(JOIN)))


class _Reader:
    """The context that all nodes of one formula share."""

    def __init__(self, names: Mapping[Node, str], letters: Letters, values: Mapping[Node, Any]) -> None:
        self.names, self.letters, self.values = names, letters, values
        self.others = {index_name(part) for own in letters.values() for letter in own for part in letter.split(JOIN)}
        self.called = set(names.values())
        self.lengths = lengths_of(letters)
        whole = {n: x for n, x in values.items() if names.get(n) == COUNTER.name and n.primitive is INPUT}
        self.counters = {n for n, x in whole.items() if np.array_equal(np.ravel(x), np.arange(np.size(x)))}
        self.steps = 0


class _View:
    """One node at the indices of one element."""

    def __init__(self, reader: _Reader, node: Node, at: tuple[Term, ...], scope: frozenset[str]) -> None:
        self.reader, self.node, self.at = reader, node, at
        self.scope = scope | names_in(at)

    def element(self) -> Term:
        """Its formula."""
        self.reader.steps += 1
        if self.reader.steps > 20 * _LONGEST:
            raise NotReadableError("a long formula")
        return rule_of(self.node)(self)

    def read(self, argument: int, indices: Sequence[Term]) -> Term:
        """The element of an input: by its name, as a number, or written out."""
        source, reader = self.node.inputs[argument], self.reader
        rows = selecting_rows(self.node, argument, indices, reader.names, reader.values)
        if rows is not None:
            return rows
        if source in reader.counters:
            return next((i for i, n in zip(indices, source.shape, strict=True) if n != 1), ZERO)
        if source in reader.names:
            return element_of(reader.names[source], indices, reader.letters[source])
        if source.primitive is CONSTANT:
            return constant_term(source)
        if not source.inputs and source.primitive.infer is None:
            raise NotReadableError("an input without a name")
        return _View(reader, source, tuple(indices), self.scope).element()

    def fresh(self, argument: int, axis: int, besides: Sequence[Term] = ()) -> Term:
        """A new index, or one for each axis that a reshape made this one of."""
        source = self.node if argument < 0 else self.node.inputs[argument]
        length, letter = source.shape[axis], self.reader.letters[source][axis]
        if length == 1:
            return ZERO
        used = self.scope | names_in(besides) | self.reader.called
        parts: list[Term] = []
        split = letter.split(JOIN)
        lengths = [self.reader.lengths[part] for part in split] if len(split) > 1 else [length]
        if prod(lengths) != length:
            raise NotReadableError("an axis of which only a part is taken")
        for part in split:
            parts.append(Symbol(_free_name(part, used, self.reader.others)))
            used = used | names_in(parts)
        return joined(parts, lengths, [Symbol(part) for part in split])

    def size(self, argument: int, axis: int) -> Term:
        """The length of an axis, as its letter."""
        source = self.node if argument < 0 else self.node.inputs[argument]
        return size_term(self.reader.letters[source][axis], source.shape[axis])

    def over(self, indices: Sequence[Term], make: Callable[[], Term], symbol: str = "Σ") -> Term:
        """The term inside a sum, with the indices of the sum."""
        names = index_names(indices)
        before, self.scope = self.scope, self.scope | set(names)
        body = make()
        for name in list(names):
            names, body = self._split(names, name, body)
        self.scope = before
        return gone_over_by(tuple(names), body, symbol) if names else body

    def _split(self, names: list[str], name: str, body: Term) -> tuple[list[str], Term]:
        """Indices for each axis in the place of the one that a reshape splits."""
        digits = {p for p in parts_of(body) if isinstance(p, Digit) and p.index == Symbol(name)}
        if not digits:
            return names, body
        places = _digit_places(digits, Symbol(name), self.reader, set(self.scope))
        if places is None:
            raise NotReadableError("an index of which only a part is used")
        new = [places[digit] for digit in sorted(digits, key=lambda digit: -digit.inner)]
        place = names.index(name)
        bound = [s.name for s in new if isinstance(s, Symbol)]
        return [*names[:place], *bound, *names[place + 1 :]], exchanged(body, places)


def _digit_places(digits: set[Digit], index: Term, reader: _Reader, used: set[str]) -> dict[Term, Term] | None:
    """An index of its own for each part of an index, and the whole of it in parts; None where a part is missing."""
    order = sorted(digits, key=lambda digit: -digit.inner)
    if any(a.inner != b.inner * b.length for a, b in pairwise(order)) or order[-1].inner != 1:
        return None
    new: list[Term] = []
    for digit in order:
        letter = digit.size.name if isinstance(digit.size, Symbol) else "K"
        new.append(Symbol(_free_name(letter, {*used, *reader.called, *names_in(new)}, reader.others)))
    whole = explicit(joined(new, [d.length for d in order], [d.size for d in order]))
    return {**dict(zip(order, new, strict=True)), index: whole}


def gone_over_by(names: tuple[str, ...], body: Term, symbol: str) -> Term:
    """The term added up over indices; what has none of them stands in front."""
    if isinstance(body, SumOver) and body.symbol == symbol:
        return SumOver((*names, *body.indices), body.term, symbol)
    if not isinstance(body, Product) or symbol != "Σ":
        return SumOver(names, body, symbol)
    inside, outside = _apart(body.factors, names)
    below, outside_below = _apart(body.over, names)
    if not (outside or outside_below or body.negative) or not (inside or below):
        return SumOver(names, body, symbol)
    whole = product(SumOver(names, product(*inside, over=below), symbol), *outside, over=outside_below)
    return negated(whole) if body.negative else whole


def _apart(factors: tuple[Term, ...], names: tuple[str, ...]) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """The factors that have one of the indices in them, and the others."""
    has = [not names_in(factor).isdisjoint(names) for factor in factors]
    return (
        tuple(f for f, within in zip(factors, has, strict=True) if within),
        tuple(f for f, within in zip(factors, has, strict=True) if not within),
    )


def _bound(index: Term) -> list[str]:
    """The names in a new index."""
    if isinstance(index, Symbol):
        return [index.name]
    return [name for part in index.parts for name in _bound(part)] if isinstance(index, JoinedIndex) else []


def constant_term(node: Node) -> Term:
    """A constant as a number of any sign. Raises NotReadableError for what is none."""
    value = node.static["value"]
    plain = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    if not isinstance(plain, int | float) or not isfinite(plain):
        raise NotReadableError("a constant that is no number")
    return number_term(int(plain) if isinstance(plain, bool) else plain)
