"""Nodes in; their values at generic points out, compared there in exact arithmetic where that does not take long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dout.graph import Node, Primitive, computed_from, topological
from dout.judge.ball_numbers import exact, is_exact, middle
from dout.judge.ball_values import Balls
from dout.judge.exact_judge import relation
from dout.judge.float_judge import computed, in_float64
from dout.judge.outcomes import NoRuleError, Point, Word

_CLOSE = 1e-8  # relative to the largest element
_FAILURES = (NoRuleError, ArithmeticError, ValueError, TypeError, IndexError, AttributeError)


@dataclass(frozen=True, eq=False)
class Numbers:
    """What a node, or something computed from nodes, is at each point."""

    values: tuple[Any, ...]

    @cached_property
    def near(self) -> np.ndarray[Any, Any]:
        """The first value in float64. Most different arrays already differ here."""
        return np.asarray(middle(self.values[0]), dtype=float)

    @cached_property
    def mean_and_largest(self) -> tuple[float, float]:
        """Two numbers that reshaping and repeating preserve. Most different arrays differ in their mean."""
        with np.errstate(all="ignore"):
            return (float(self.near.mean()), float(np.abs(self.near).max())) if self.near.size else (0.0, 0.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape at the first point."""
        return tuple(self.near.shape)

    def made(self, function: Callable[..., Any], *others: Numbers) -> Numbers | None:
        """A function of this and others at each point; None where it does not fit."""
        try:
            with np.errstate(all="ignore"):
                return Numbers(
                    tuple(_array(function(*row)) for row in zip(self.values, *(o.values for o in others), strict=True))
                )
        except _FAILURES:
            return None


def same(one: Numbers | None, other: Numbers | None) -> bool:
    """Whether two are equal at every point, to the last bit that exact arithmetic tells; their shapes too."""
    if one is None or other is None or one.shape != other.shape or not _may_be(one, other):
        return False
    if not _is_close(one.near, other.near):
        return False
    return all(_are_equal(a, b) for a, b in zip(one.values, other.values, strict=True))


def alike(one: Numbers | None, other: Numbers | None) -> bool:
    """Whether two are equal up to axes of length 1, another shape of as many elements, or repeated elements."""
    if one is None or other is None or not _may_be(one, other):
        return False
    if one.shape == other.shape:
        return same(one, other)
    fit: Callable[..., Any] = np.reshape
    if one.near.size == other.near.size:
        small, large = one, other
    else:
        small, large = sorted((one, other), key=lambda numbers: numbers.near.size)
        fit = np.broadcast_to
    with suppress(ValueError):
        if small.near.size > 1 or fit is np.reshape:
            close = _is_close(fit(small.near, large.shape), large.near)
            return close and same(small.made(lambda x: fit(x, large.shape)), large)
    return False


def is_zero(numbers: Numbers) -> bool:
    """Whether all elements are 0 at every point."""
    return same(numbers, numbers.made(lambda x: x * 0))


def _array(value: Any) -> Any:
    """Floats or balls as an array; conditions and whole numbers count as such."""
    array = np.asarray(value, dtype=object if is_exact(value) else None)
    return array if array.dtype == object else array.astype(float)


def _may_be(one: Numbers, other: Numbers) -> bool:
    """Whether two may be equal up to their shapes, by their means; True where these are no finite numbers."""
    (mean, _), (right, largest) = one.mean_and_largest, other.mean_and_largest
    return not abs(mean - right) > 2 * _CLOSE * largest


def _is_close(one: Any, other: Any) -> bool:
    with np.errstate(all="ignore"):
        known = np.isfinite(other)
        size = np.max(np.abs(other), initial=0.0, where=known)
        return bool(np.all(np.abs(one - other)[known] <= _CLOSE * size)) and bool(known.any() or not known.size)


def _are_equal(one: Any, other: Any) -> bool:
    if one.dtype != object and other.dtype != object:
        return _is_close(one, other)
    return relation(exact(other), exact(one))[0] in (Word.EXACT, Word.ROUNDED)


class PointValues:
    """The values of nodes at several points, from those `given` there; `exactly` says whether they are balls."""

    def __init__(
        self, given: Sequence[Point], points: Sequence[Mapping[Node, Any]], nodes: Sequence[Node], exactly: bool
    ) -> None:
        self.given, self.points, self.nodes, self.exactly = given, points, nodes, exactly
        self._known: dict[Node, Numbers | None] = {}

    @classmethod
    def of(cls, points: Sequence[Point], wanted: Iterable[Node], *, exactly: bool) -> PointValues:
        """Compute nodes, from the values of inputs at each point. Raises what their rules raise."""
        nodes = topological(wanted, known=points[0].keys())
        return cls(points, [_computed(nodes, point, exactly) for point in points], nodes, exactly)

    def __getitem__(self, node: Node) -> Numbers | None:
        """The values of a node; None if they are unknown or no numbers."""
        if node not in self._known:
            try:
                found: Numbers | None = Numbers(tuple(_array(values[node]) for values in self.points))
            except (KeyError, TypeError, ValueError):
                found = None
            self._known[node] = found
        return self._known[node]

    def changed(self, instead: Mapping[Node, Numbers]) -> PointValues:
        """The values with some nodes replaced, and everything that depends on them computed again."""
        moved = computed_from(self.nodes, instead)
        later = [node for node in self.nodes if node in moved and node not in instead]
        points = []
        for at, values in enumerate(self.points):
            given = {node: value for node, value in values.items() if node not in moved}
            given |= {node: numbers.values[at][()] for node, numbers in instead.items()}
            points.append(_computed(later, given, self.exactly, leniently=True))
        return PointValues(self.given, points, self.nodes, self.exactly)

    def rewritten(self, result: Node, rows: Mapping[Node, Primitive]) -> Numbers | None:
        """The value of a node if some nodes had other primitives; None if it cannot be computed."""
        new: dict[Node, Node] = {}
        for node in topological([result]):
            if node in rows or any(i in new for i in node.inputs):
                row = rows.get(node, node.primitive)
                new[node] = replace(node, primitive=row, inputs=tuple(new.get(i, i) for i in node.inputs))
        made = list(new.values())
        try:
            found = [_computed(made, {n: x for n, x in at.items() if n not in new}, self.exactly) for at in self.points]
            return Numbers(tuple(_array(values[new[result]]) for values in found))
        except (*_FAILURES, KeyError):
            return None

    def applied(self, node: Node, inputs: Sequence[Node], **static: Any) -> Numbers | None:
        """The value of a node with other inputs or other options; None if it cannot be computed."""
        made = Node(node.primitive, tuple(inputs), {**node.static, **static}, node.shape, node.dtype)
        try:
            found = [_computed([made], {i: values[i] for i in inputs}, self.exactly)[made] for values in self.points]
            return Numbers(tuple(map(_array, found)))
        except (*_FAILURES, KeyError):
            return None


def _computed(
    nodes: Sequence[Node], given: Mapping[Node, Any], exactly: bool, *, leniently: bool = False
) -> dict[Node, Any]:
    """Compute nodes; `leniently` those are left out that cannot be computed, with all that is computed from them."""
    balls = Balls(given) if exactly else None
    values = in_float64((), given) if balls is None else balls.values
    for node in nodes:
        if leniently and any(i not in values for i in node.inputs):
            continue
        try:
            if balls is not None:
                balls.compute([node])
            else:
                computed([node], values)
        except _FAILURES:
            if not leniently:
                raise
    return values
