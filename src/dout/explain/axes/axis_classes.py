"""Which axes of which nodes agree: union-find, over what the rules of elements read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.explain.axes.element_rules import rule_of
from dout.explain.axes.indices import Digit, JoinedIndex, NotReadableError
from dout.explain.terms.terms import ONE, Symbol, Term
from dout.explain.terms.walk import names_in
from dout.graph import INPUT, Node
from dout.ops import primitives

Axis = tuple[Node, int]
_CHOOSING = primitives("getitem scatter setitem add_at")
_RUNNING = primitives("cumsum cumprod")
_OF_SQUARES = primitives("inv solve det")  # of matrices with as many rows as columns


class AxisClasses:
    """Axes that have to agree, as one class; `joins` are the classes that a reshape made of several."""

    def __init__(
        self,
        nodes: Sequence[Node],
        names: Mapping[Node, str],
        values: Mapping[Node, Any],
        alike: Iterable[tuple[Node, Node]],
        same: Iterable[tuple[Axis, Axis]] = (),
    ) -> None:
        self.parent: dict[Axis, Axis] = {}
        self.joined: list[tuple[Axis, tuple[Axis, ...]]] = []
        for node in nodes:
            for view in (node, *node.inputs):
                for axis in range(len(view.shape)):
                    self.parent.setdefault((view, axis), (view, axis))
        running = [(node.inputs[0], node) for node in nodes if node.primitive in _RUNNING]
        for one, other in (*alike, *running):
            for axis in range(len(one.shape)) if one.shape == other.shape else ():
                for view in (one, other):
                    self.parent.setdefault((view, axis), (view, axis))
                self.agree((one, axis), (other, axis))
        for node in nodes:
            if node.inputs:
                _Probe(node, self, names, values).look()
            if node.primitive in _OF_SQUARES:
                rows, columns = range(len(node.inputs[0].shape))[-2:]
                self.agree((node.inputs[0], rows), (node.inputs[0], columns))
        for pair in same:
            self.agree(*pair)
        self._match_parts()

    def _match_parts(self) -> None:
        """Of one axis that is split in two places into parts of equal lengths, the parts agree."""
        first: dict[tuple[Axis, tuple[int, ...]], list[Axis]] = {}
        for whole, parts in self.joined:
            long = [part for part in parts if length(part) != 1]
            same = first.setdefault((self.of(whole), tuple(map(length, long))), long)
            for one, other in zip(same, long, strict=True):
                self.agree(one, other)

    def of(self, axis: Axis) -> Axis:
        """The axis that stands for the class."""
        while self.parent[axis] != axis:
            self.parent[axis] = axis = self.parent[self.parent[axis]]
        return axis

    def agree(self, one: Axis, other: Axis) -> None:
        """Put two axes of one length into one class."""
        if length(one) == length(other):
            self.parent[self.of(other)] = self.of(one)

    def parts(self, axis: Axis) -> tuple[Axis, ...] | None:
        """The classes of which a reshape made this one."""
        this = self.of(axis)
        return next((tuple(map(self.of, parts)) for whole, parts in self.joined if self.of(whole) == this), None)

    def known_whole(self, parts: tuple[Axis, ...], given: Mapping[Axis, str]) -> str:
        """The letter of another axis that was split into these parts; "" where there is none with a letter."""
        wholes = (self.of(whole) for whole, theirs in self.joined if tuple(map(self.of, theirs)) == parts)
        return next((given[whole] for whole in wholes if given.get(whole, "").isalnum()), "")

    def axes(self) -> Iterator[Axis]:
        """Every axis there is."""
        return iter(self.parent)


def length(axis: Axis) -> int:
    """The length of an axis."""
    return axis[0].shape[axis[1]]


class _Probe:
    """Looks at a node with an index of its own for each axis: axes that are read with one index agree."""

    def __init__(self, node: Node, classes: AxisClasses, names: Mapping[Node, str], values: Mapping[Node, Any]) -> None:
        self.node = node
        self.classes = classes
        self.names = names
        self.values = values
        self.at: tuple[Term, ...] = tuple(Symbol(f"·{axis}") for axis in range(len(node.shape)))
        self.seen: dict[str, Axis] = {f"·{axis}": (node, axis) for axis in range(len(node.shape))}
        self.made = 0

    def look(self) -> None:
        """Note what the node reads."""
        try:
            rule_of(self.node)(self)
        except NotReadableError:
            return

    def read(self, argument: int, indices: Sequence[Term]) -> Term:
        """Note which indices belong to which axes of an input."""
        source = self.node.inputs[argument]
        split: dict[Term, list[Axis]] = {}
        for axis, index in enumerate(indices):
            if isinstance(index, JoinedIndex):
                parts = [self.seen[name] for part in index.parts for name in names_in(part) if name in self.seen]
                if len(parts) == len(index.parts):
                    self.classes.joined.append(((source, axis), tuple(parts)))
            elif isinstance(index, Digit):
                split.setdefault(index.index, []).append((source, axis))
            else:
                self._same(index, (source, axis))
        for index, axes in split.items():
            self._split(index, axes)
        rows = selecting_rows(self.node, argument, indices, self.names, self.values)
        return Symbol("·") if rows is None else rows

    def _same(self, index: Term, axis: Axis) -> None:
        within = names_in(index)
        if len(within) == 1:
            (name,) = within
            if name in self.seen:
                self.classes.agree(self.seen[name], axis)
            else:
                self.seen[name] = axis

    def _split(self, index: Term, axes: list[Axis]) -> None:
        for name in names_in(index):
            if name in self.seen:
                self.classes.joined.append((self.seen[name], tuple(axes)))

    def fresh(self, argument: int, axis: int, besides: Sequence[Term] = ()) -> Term:
        """Another index."""
        self.made += 1
        name = f"·{len(self.at) + self.made}"
        if argument >= 0:
            self.seen[name] = (self.node.inputs[argument], axis)
        return Symbol(name)

    def size(self, argument: int, axis: int) -> Term:
        """Sizes do not matter here."""
        return ONE

    def over(self, indices: Sequence[Term], make: Callable[[], Term], symbol: str = "Σ") -> Term:
        """Sums do not matter here."""
        return make()


def selecting_rows(
    node: Node, argument: int, indices: Sequence[Term], names: Mapping[Node, str], values: Mapping[Node, Any]
) -> Term | None:
    """The index that an array of places is: `rows` in x[rows, t] is 0, 1, 2, …, so that its element n is n.

    An array that the user named is one only beside another: alone, it may be an input that happens to count.
    """
    source = node.inputs[argument]
    if source.primitive is not INPUT or node.primitive not in _CHOOSING or len(indices) != 1:
        return None
    alone = sum(i.kind in "iu" for i in node.inputs) < 2
    value = values.get(source)
    if value is None or (source in names and alone) or not np.array_equal(value, np.arange(len(value))):
        return None
    return indices[0]
