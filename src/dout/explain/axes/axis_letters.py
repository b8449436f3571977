"""A letter for every axis, as a textbook would write it: N rows, D numbers in, M out, T steps, C channels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.explain.axes.axis_classes import Axis, AxisClasses, length
from dout.grad import Gradients
from dout.graph import INPUT, Node, topological, uses_of
from dout.ops import primitives

Letters = Mapping[Node, tuple[str, ...]]

JOIN = "·"
_PRODUCTS, _LOOKUPS = primitives("matmul dot inner einsum"), primitives("getitem")
_BY_NDIM = {1: "N", 2: "N D", 3: "N T D", 4: "N C H W", 5: "N C T H W"}  # of the first input, by its number of axes
_BATCHED = {4: "B H T D", 5: "N B H T D"}  # where its last axis is multiplied by a matrix
_WRITTEN = {
    "batch": "N", "batch_size": "N", "n": "N", "in": "D", "in_dim": "D", "input_size": "D", "input_dim": "D",
    "out": "M", "out_dim": "M", "output_size": "M", "output_dim": "M", "seq_len": "T", "time": "T", "steps": "T",
    "hidden": "H", "hidden_size": "H", "hidden_dim": "H", "channels": "C", "height": "H", "width": "W",
    "d_in": "D", "d_out": "M", "in_features": "D", "out_features": "M", "in_channels": "C", "out_channels": "F",
    "filters": "F", "classes": "C", "num_classes": "C", "vocab_size": "V",
}  # fmt: skip
_IMAGE = "NCHW"  # letters that everybody knows, though a matrix may be called W
_OUT, _KERNEL = ("M", "K", "P", "Q"), ("F", "C", "KH", "KW")
_OTHERS = "K P Q R S U V E F G I J L O X Y Z A B C D H M N T W"
_INDEX = {"KH": "p", "KW": "q", "FH": "p", "FW": "q", "OH": "i", "OW": "j"}


def axis_letters(
    nodes: Sequence[Node],
    names: Mapping[Node, str],
    values: Mapping[Node, Any],
    told: Mapping[str, Sequence[str]] | None = None,
    known: Letters | None = None,
    gradients: Gradients | None = None,
    same: Sequence[tuple[Axis, Axis]] = (),
) -> dict[Node, tuple[str, ...]]:
    """A letter for every axis of every node, and of all nodes that these are made of.

    Axes that have to agree share a letter, distinct ones have distinct letters; one of length 1 is "1", and one that a
    reshape made of several is their product: C·H·W. Letters `known` already come first, then those `told` for a named
    value, as `dout.adapt.source.shapes_for` reads them. Values of index arrays tell which of them count rows. A
    gradient has the axes of its value, and `same` are axes that agree besides.
    """
    alike = list(_of_values(gradients)) if gradients else []
    forward = topological([*(known or ()), *nodes])
    every = topological([*forward, *(node for pair in alike for node in pair)])
    classes = AxisClasses(every, names, values, alike, same)
    naming = _Naming(classes, forward, names, {gradient for _, gradient in alike})
    for node, letters in (known or {}).items():
        for axis, letter in enumerate(letters):
            naming.give((node, axis), letter, shared=True)
    naming.by_words(told or {})
    naming.by_position()
    return {node: tuple(naming.letter((node, axis)) for axis in range(len(node.shape))) for node in every}


def _of_values(gradients: Gradients) -> Iterator[tuple[Node, Node]]:
    """Each value, and each input of a step, with its gradient."""
    yield from gradients.of.items()
    yield from ((node.inputs[argument], gradient) for (node, argument), gradient in gradients.on.items())


def lengths_of(letters: Letters) -> dict[str, int]:
    """The length that each letter stands for."""
    return {letter: n for node, own in letters.items() for letter, n in zip(own, node.shape, strict=True)}


def index_name(letter: str) -> str:
    """The index that goes along an axis: n for N."""
    return _INDEX.get(letter, letter.lower())


def _letter_of(written: str) -> str:
    """The letter for an axis as it is written somewhere; "" for numbers, expressions and long words."""
    known = _WRITTEN.get(written.lower())
    if known is not None and len(written) > 1:
        return known
    return written.upper() if re.fullmatch(r"[A-Za-z][A-Z0-9']?", written) else ""


class _Naming:
    """Gives letters to classes of axes; each to one."""

    def __init__(
        self, classes: AxisClasses, nodes: Sequence[Node], names: Mapping[Node, str], gradients: Collection[Node]
    ) -> None:
        self.classes = classes
        self.named = [n for n in nodes if n in names and n not in gradients]
        self.inputs = [n for n in self.named if n.primitive is INPUT and n.shape]
        self.names = names
        self.images = False
        self.given: dict[Axis, str] = {}
        self.uses = uses_of(nodes)

    def give(self, axis: Axis, letter: str, *, shared: bool = False) -> None:
        """Give a class its letter, if it has none and no other class has that one."""
        this = self.classes.of(axis)
        if not letter or this in self.given or length(axis) == 1:
            return
        if shared or letter not in self.given.values():
            self.given[this] = letter

    def letter(self, axis: Axis) -> str:
        """The letter of an axis."""
        if length(axis) == 1:
            return "1"
        this = self.classes.of(axis)
        parts = None if this in self.given else self.classes.parts(this)
        if parts is not None and this not in parts:
            self.given[this] = self.classes.known_whole(parts, self.given) or JOIN.join(
                self.letter(part) for part in parts if length(part) != 1
            )
        if this not in self.given:
            self.given[this] = next(self._free(_OTHERS.split()))
        return self.given[this]

    def _free(self, wanted: Sequence[str]) -> Iterator[str]:
        given = set(self.given.values())
        taken = given | (set(self.names.values()) - set(_IMAGE if self.images else ""))
        indices = set(map(index_name, given))
        yield from (a for a in wanted if a not in taken and index_name(a) not in indices)
        yield from (f"{a}{i}" for i in range(2, 99) for a in "KPQ" if f"{a}{i}" not in taken)

    def _prefer(self, axis: Axis, *letters: str) -> None:
        self.give(axis, next(self._free([*letters, *_OTHERS.split()])))

    def by_words(self, told: Mapping[str, Sequence[str]]) -> None:
        """Letters that stand in the source: one letter means one size."""
        first: dict[str, Axis] = {}
        for node in self.named:
            for axis, written in enumerate(told.get(self.names[node], ())[: len(node.shape)]):
                letter = _letter_of(written)
                if letter and length((node, axis)) != 1:
                    self.classes.agree(first.setdefault(letter, (node, axis)), (node, axis))
        for letter, place in first.items():
            self.give(place, letter)

    def by_position(self) -> None:
        """Letters by the place of an axis: in the first input, in weights, in outputs, and in between."""
        for node in self.inputs:
            self._recurs(node)
        data = [n for n in self.inputs if not self._is_weight(n)]
        self.images = bool(data) and len(data[0].shape) == 4 and not self._is_multiplied(data[0])
        for node in data[:1]:
            for axis, letter in enumerate(self._of_first(node, data)):
                self._prefer((node, axis), letter)
        for node in self.inputs:
            self._weight(node)
        made = [n for n in self.named if n not in self.inputs]
        for node in reversed(made) if self.images else ():  # the output has them, and not what was padded
            open_ = [a for a in range(len(node.shape)) if self._is_open((node, a))]
            if len(node.shape) == 4 and len(open_) == 2:
                for axis, letter in zip(open_, ("OH", "OW"), strict=True):
                    self._prefer((node, axis), letter)
        for node in made:
            for axis in range(len(node.shape)):
                if self._is_open((node, axis)):
                    self._prefer((node, axis), *(("H",) if axis and node in self.uses else ()), *_OUT)

    def _is_open(self, axis: Axis) -> bool:
        """Whether an axis still needs a letter of its own."""
        return length(axis) != 1 and self.classes.of(axis) not in self.given and self.classes.parts(axis) is None

    def _recurs(self, node: Node) -> None:
        """The state of a recurrent cell has the axes that it has in the next step: h · Wh, with Wh (H, H)."""
        for user, i in self.uses.get(node, ()):
            if user.primitive in _PRODUCTS and i == 0 and self.names[node].startswith("h") and user.shape == node.shape:
                matrix = user.inputs[1]
                if matrix.primitive is INPUT and matrix.shape == node.shape[-1:] * 2:
                    self.classes.agree((matrix, 0), (matrix, 1))

    def _is_weight(self, node: Node) -> bool:
        """Whether a node reads it as weights: the right matrix of a product, or rows that are looked up."""
        return self._is_right_matrix(node) or self._is_looked_up(node)

    def _is_looked_up(self, node: Node) -> bool:
        return any(_first_is_index(user) and i == 0 for user, i in self.uses.get(node, ()))

    def _is_right_matrix(self, node: Node) -> bool:
        places = {i for user, i in self.uses.get(node, ()) if user.primitive in _PRODUCTS}
        return len(node.shape) == 2 and places == {1}

    def _is_multiplied(self, node: Node) -> bool:
        return any(user.primitive in _PRODUCTS for user, _ in self.uses.get(node, ()))

    def _of_first(self, node: Node, data: list[Node]) -> list[str]:
        """The letters of the first input: rows of numbers, sequences, images, heads of attention; or classes."""
        ndim = len(node.shape)
        if node.kind in "iu":
            return ["N", "T", *_OUT][:ndim]
        letters = _BY_NDIM.get(ndim, "N").split()
        if self._is_multiplied(node):
            letters = ["D"] if ndim == 1 else _BATCHED.get(ndim, " ".join(letters)).split()
            return ["N", *letters[1:]] if letters[0] == "B" and "b" in self.names.values() else letters
        if ndim == 2 and any(n is not node and n.kind in "iu" for n in data):
            letters[-1] = "C"
        return letters

    def _weight(self, node: Node) -> None:
        """Letters for what the other inputs have of their own: rows looked up, kernels, numbers in and out."""
        wanted: dict[int, tuple[str, ...]] = {}
        if self._is_looked_up(node):
            wanted = {0: ("V",), 1: ("D",)}
        elif len(node.shape) == 4 and self.images:
            wanted = {axis: (letter,) for axis, letter in enumerate(_KERNEL)}
        elif self._is_right_matrix(node):
            wanted = {0: ("D", "H")}
        for axis in range(len(node.shape)):
            inner = ("H",) if self._is_inner((node, axis)) else ()
            self._prefer((node, axis), *inner, *wanted.get(axis, ()), *_OUT)

    def _is_inner(self, axis: Axis) -> bool:
        """Whether two weights meet at this axis: it is hidden from outside."""
        this = self.classes.of(axis)
        met = [n for n in self.inputs if self._is_right_matrix(n) and this in map(self.classes.of, ((n, 0), (n, 1)))]
        return len(met) > 1


def _first_is_index(user: Node) -> bool:
    """Whether a node looks up rows by whole numbers alone: W[idx]."""
    return (
        user.primitive in _LOOKUPS
        and len(user.inputs) == 2
        and np.dtype(user.inputs[1].dtype).kind in "iu"
        and user.inputs[1].shape != ()
    )
