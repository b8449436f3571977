"""A node of the user's backward in; the quantity of the derivation that it equals out, by its value alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TypeVar

import numpy as np

from dout.explain.beside.derived_quantities import DerivedQuantities
from dout.explain.beside.point_values import Numbers, PointValues, alike, is_zero, same
from dout.graph import CONSTANT, INPUT, Node
from dout.ops import primitives
from dout.trace.model.derived_gradients import Edge

_LEAST_RATIO = 1e-6
_MOST_PAIRS = 4000  # of values whose local derivative may be meant
_MOVES = primitives("reshape ravel flatten transpose getitem copy astype broadcast_to")
_SCALES = primitives("multiply divide negative")
_T = TypeVar("_T")


class MatchKind(Enum):
    """What a line of backward may be, in the order in which it is looked for."""

    GRADIENT = "the gradient of a value of forward"
    USE = "the gradient on one edge: what one use of a value gives to it"
    VALUE = "a value of forward, or the same computed again"
    LOCAL = "a local derivative"
    OPPOSITE = "a gradient with the other sign"
    TRANSPOSED = "a gradient that is transposed"
    PIECE = "elements of something that is known, or the same in another shape"
    PRODUCT = "a gradient times something, on the way to the next one"
    CONSTANT = "a number, or an array that is yet to be filled"


SETTLED = frozenset(MatchKind) - {MatchKind.PRODUCT}


@dataclass(frozen=True, eq=False)
class Match:
    """What a node equals: the gradients of `values`, or the values themselves; `edges` are uses with that gradient.

    For a local derivative `values` are what is differentiated, and by what.
    """

    kind: MatchKind
    values: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


class Matcher:
    """Finds the quantity that a node equals."""

    def __init__(self, quantities: DerivedQuantities) -> None:
        self.quantities = quantities
        self._found: dict[tuple[int, Node], Match | None] = {}

    def match(self, node: Node, values: PointValues) -> Match | None:
        """The quantity that a node equals under these values; None if it equals none that is known."""
        key = id(values), node
        if key not in self._found:
            self._found[key] = None  # a node is not made of itself
            self._found[key] = self._match(node, values)
        return self._found[key]

    def _match(self, node: Node, values: PointValues) -> Match | None:
        numbers = values[node]
        if numbers is None:
            return None
        of_dout = self.quantities.is_of_dout(node)
        if self._is_constant(node) or (not of_dout and is_zero(numbers)):
            return (None if of_dout else self._local(numbers)) or Match(MatchKind.CONSTANT)
        found = self._gradient(numbers) or self._use(numbers)
        found = found or (None if of_dout else self._value(numbers) or self._local(numbers))
        return found or self._turned(numbers) or self._piece(node, values) or self._product(node, numbers, values)

    def _is_constant(self, node: Node) -> bool:
        return node.primitive is not INPUT and all(n.primitive is not INPUT for n in self.quantities._above(node))

    # ------------------------------------------------------------------------------------------- by their numbers

    @cached_property
    def _gradients(self) -> tuple[tuple[Node, Numbers], ...]:
        return tuple(self._valued(self.quantities.of.items()))

    @cached_property
    def _uses(self) -> tuple[tuple[Edge, Numbers], ...]:
        return tuple(self._valued(self.quantities.edges.items()))

    @cached_property
    def _values(self) -> tuple[tuple[Node, Numbers], ...]:
        return tuple(self._valued((node, node) for node in self.quantities.forward))

    def _valued(self, pairs: Iterable[tuple[_T, Node]]) -> Iterator[tuple[_T, Numbers]]:
        for value, node in pairs:
            numbers = self.quantities.values[node]
            if numbers is not None:
                yield value, numbers

    def _gradient(self, numbers: Numbers) -> Match | None:
        equal = _equal(numbers, self._gradients)
        return Match(MatchKind.GRADIENT, equal) if equal else None

    def _use(self, numbers: Numbers) -> Match | None:
        equal = _equal(numbers, self._uses)
        return Match(MatchKind.USE, tuple(user.inputs[i] for user, i in equal), equal) if equal else None

    def _value(self, numbers: Numbers) -> Match | None:
        equal = _equal(numbers, self._values)
        return Match(MatchKind.VALUE, equal) if equal else None

    def _local(self, numbers: Numbers) -> Match | None:
        """∂y/∂c where each element of y depends on its own element of c: times ∂L/∂y it is ∂L/∂c."""
        pairs = 0
        for later, gradient in self._gradients:
            made = numbers.made(lambda a, b: a * b, gradient)
            for earlier, target in self._gradients:
                pairs += 1
                if pairs > _MOST_PAIRS:
                    return None
                if earlier is not later and same(made, target) and self.quantities.leads(later, earlier):
                    return Match(MatchKind.LOCAL, (later, earlier))
        return None

    def _turned(self, numbers: Numbers) -> Match | None:
        for kind, turned in (
            (MatchKind.OPPOSITE, numbers.made(lambda x: -x)),
            (MatchKind.TRANSPOSED, numbers.made(np.transpose) if len(numbers.shape) > 1 else None),
        ):
            found = turned and (self._gradient(turned) or self._use(turned) or self._value(turned))
            if found:
                return replace(found, kind=kind)
        return None

    # --------------------------------------------------------------------------------------------- by what made it

    def _piece(self, node: Node, values: PointValues) -> Match | None:
        whole = self.match(node.inputs[0], values) if node.primitive in _MOVES else None
        return replace(whole, kind=MatchKind.PIECE) if whole is not None else None

    def _product(self, node: Node, numbers: Numbers, values: PointValues) -> Match | None:
        if not (self.quantities.is_of_dout(node) or self.quantities.ignores_dout):
            return None
        if any(_is_multiple(numbers, gradient) for _, gradient in self._gradients):  # (y − t), before it is over N
            return Match(MatchKind.PRODUCT)
        if node.primitive in _SCALES:
            parts = [i for i in node.inputs if self.quantities.is_of_dout(i)]
            known = [self.match(i, values) for i in parts]
            if len(parts) == 1 and known[0] is not None:
                return replace(known[0], kind=MatchKind.PRODUCT)
        for on_the_way in self.quantities.gradients.nodes:
            if on_the_way.primitive is not CONSTANT and alike(numbers, self.quantities.values[on_the_way]):
                return Match(MatchKind.PRODUCT)
        return None


def _equal(numbers: Numbers, known: Iterable[tuple[_T, Numbers]]) -> tuple[_T, ...]:
    """What is the same as some numbers; else what is alike."""
    found = tuple(one for one, other in known if same(numbers, other))
    return found or tuple(one for one, other in known if alike(numbers, other))


def _is_multiple(one: Numbers, other: Numbers) -> bool:
    """Whether one is a whole number of times another, or the other of it."""
    if one.shape != other.shape or not one.near.size or not np.any(other.near):
        return False
    at = int(np.argmax(np.abs(other.near)))
    with np.errstate(all="ignore"):
        ratio = float(one.near.flat[at] / other.near.flat[at])
    if not np.isfinite(ratio) or abs(ratio) < _LEAST_RATIO:
        return False
    up, down = round(ratio), round(1 / ratio)
    return (abs(up) > 1 and same(one, other.made(lambda x: x * up))) or (
        abs(down) > 1 and same(one.made(lambda x: x * down), other)
    )
