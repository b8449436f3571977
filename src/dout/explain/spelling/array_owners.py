"""Whose memory a value is in: the caller's, the layer's, or new; and what of it may be given away without a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dout.explain.spelling.spelling_needs import Writing
from dout.graph import CONSTANT, Node, Shape
from dout.ops import PRIMITIVES, primitives
from dout.ops.operators import is_basic

Places = Sequence[Sequence[range]]  # the elements that are taken along each axis, in each recording
_VIEWS = primitives("reshape transpose broadcast_to getitem ravel flatten copy asarray positive")


class ArrayOwners:
    """What is known of the memory of values while a text is written.

    `given` was assigned to a target, and belongs to the caller now; `parts` are the parts of an array that do.
    """

    def __init__(self, values: Writing) -> None:
        self.values = values
        self.given: set[Node] = set()
        self.parts: dict[Node, list[Places]] = {}

    def may_alias(self, node: Node) -> bool:
        """Whether a value may be in memory that somebody else has."""
        node = self.values.same(node)
        if node in self.values.leaves:
            return node.primitive is not CONSTANT
        if node in self.values.texts:
            return node in self.given or bool(self.parts.get(node))
        if node.primitive is PRIMITIVES["getitem"]:
            return is_slice(node) and (node.shape != () or self.may_alias(node.inputs[0]))
        return node.primitive in _VIEWS and (
            node.primitive is PRIMITIVES["broadcast_to"] or self.may_alias(node.inputs[0])
        )

    def is_part(self, node: Node) -> bool:
        """Whether a value is a part of a new array of which the caller has no other part that overlaps with it."""
        if not is_slice(node) or not node.shape:
            return False
        base = self.values.same(node.inputs[0])
        places = [
            elements_of(*one) for one in zip(self.values.statics(node, "key"), self.values.shapes(base), strict=True)
        ]
        others = self.parts.setdefault(base, [])
        if base in self.given or not self._is_new(base) or not all(are_apart(other, places) for other in others):
            return False
        others.append(places)
        return True

    def _is_new(self, node: Node) -> bool:
        """Whether a value is in memory that backward made."""
        node = self.values.same(node)
        if node in self.values.leaves:
            return False
        if node.primitive in _VIEWS and (node.primitive is not PRIMITIVES["getitem"] or is_slice(node)):
            return self._is_new(node.inputs[0])
        return node.primitive is not PRIMITIVES["einsum"]  # which may give a view


def is_slice(node: Node) -> bool:
    """Whether a value is a part of an array in the memory of that array."""
    return node.primitive is PRIMITIVES["getitem"] and is_basic(node.static["key"])


def elements_of(key: Any, shape: Shape) -> list[range]:
    """The elements that slices take along each axis; all of them of an index with other parts."""
    parts = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(part, slice) for part in parts):
        return [range(n) for n in shape]
    return [range(n)[part] for n, part in zip(shape, parts, strict=False)]


def are_apart(one: Places, other: Places) -> bool:
    """Whether two parts have no element in common, in any recording.

    >>> are_apart([[range(3), range(2)]], [[range(3), range(2, 5)]])
    True
    """
    return all(
        any(set(a).isdisjoint(b) for a, b in zip(mine, theirs, strict=False))
        for mine, theirs in zip(one, other, strict=True)
    )
