"""A value of forward, and the names that stand where its gradient is assigned, in; the gradient in these names out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.explain.derive.backward_graph import WAYS, Twins, WritingWay, gradients_of
from dout.explain.derive.backward_text import BackwardText
from dout.explain.derive.forward_runs import same_structure
from dout.explain.spelling.size_words import Shapes, SizeWords, UnspelledError
from dout.graph import CONSTANT, INPUT, Graph, Node, compute, rebuild, renewed, topological
from dout.rewrite.softmax_forms import PLAIN

_CLOSE = 1e-6
_OF_RULES = (0.5, 1, 2)  # numbers of the rules of derivation
_AXIS = re.compile(r"\baxis=(-?\d+|\([^)]*\))")
_SETTING = re.compile(r"self\.\w+")
_MOST_STEPS = 300  # of the forward
_MOST_NODES = 80  # of a gradient: a person would not write a longer one in one place


@dataclass(frozen=True, eq=False)
class LineScene:
    """One run of a line: a `value` of its forward, the upstream gradients, and the values of its names.

    `data` are the values of all nodes, `seeds` the upstream gradients by the output that they belong to. They are 1
    where backward is not given them: `at_one`. `shapes` are names that hold a shape.
    """

    value: Node
    seeds: Mapping[Node, Node]
    data: Mapping[Node, Any]
    terms: Mapping[str, Any]
    at_one: bool = False
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


Lines = tuple[tuple[str, ...], str]


def gradient_text(scenes: Sequence[LineScene], literals: Collection[float], axes: Collection[str], dot: bool) -> Lines:
    """The gradient of a value in the names of its line: statements to put in front, and the shortest expression.

    `literals` are the numbers that forward is written with: another one is the length of an axis. `axes` is what it
    calls an axis that is no number. With `dot`, products of matrices are written so. Raises UnspelledError where it
    cannot be written.
    """
    found = []
    for way in WAYS[:3]:
        with suppress(UnspelledError):
            found.append(_LineText([_gradient(scene, way) for scene in scenes], scenes, literals, dot).written())
    if not found:
        raise UnspelledError("derive nowhere", where="")
    return _with_axes(min(found, key=lambda text: (len(text[0]), len(text[1]))), axes, scenes[0].terms)


def _with_axes(found: Lines, axes: Collection[str], terms: Mapping[str, Any]) -> Lines:
    """The text with the axis by its name: `axis=self.dim`."""
    numbers = {number for text in (*found[0], found[1]) for number in _AXIS.findall(text)}
    if not axes or not numbers:
        return found
    if len(axes) > 1 or numbers != {str(terms.get(name)) for name in axes}:
        raise UnspelledError("derive number", numbers=", ".join(numbers))
    (name,) = axes
    first, last = (_AXIS.sub(f"axis={name}", text) for text in ("\n".join(found[0]), found[1]))
    return tuple(first.splitlines()), last


Gradient = tuple[Graph, dict[Node, Any]]  # its steps, and the values of all nodes


def _gradient(scene: LineScene, way: WritingWay) -> Gradient:
    """The steps of the gradient from what it reads, in one run."""
    value = scene.value
    cut = value if value.primitive is INPUT else Node(INPUT, (), {}, value.shape, value.dtype)
    outputs = {str(i): output for i, output in enumerate(scene.seeds)}
    nodes = topological(outputs.values())
    if len(nodes) > _MOST_STEPS:
        raise UnspelledError("derive nowhere", where="")
    whole = rebuild(
        Graph(nodes, {}, outputs),
        lambda node, new: cut if node is value else renewed(node, new),
    )
    _, wanted, douts, *_ = gradients_of(whole, {"": cut}, {}, way, at_one=scene.at_one)
    if not wanted or len(douts) != len(scene.seeds):
        raise UnspelledError("derive nowhere", where="")
    nodes = topological(wanted.values())
    values = {**scene.data, cut: scene.data[value]}
    if not scene.at_one:
        values |= {dout: scene.data[seed] for dout, seed in zip(douts, scene.seeds.values(), strict=True)}
    with np.errstate(all="ignore"):
        compute([node for node in nodes if node not in values], values, PLAIN)
    return Graph(nodes, {}, wanted), values


class _LineText:
    def __init__(
        self, gradients: Sequence[Gradient], scenes: Sequence[LineScene], literals: Collection[float], dot: bool
    ) -> None:
        (graph, _), *_ = gradients
        if len(graph.nodes) > _MOST_NODES:
            raise UnspelledError("derive unrolled gradient", where="")
        pairs = zip(gradients, scenes, strict=True)  # a batch of 2 is another graph where there is a factor 2
        same = (pair for pair in pairs if same_structure(graph.nodes, pair[0][0].nodes) is None)
        gradients, scenes = zip(*same, strict=True)
        self.nodes, (self.root,), self.literals, self.dot = graph.nodes, graph.outputs.values(), literals, dot
        self.of = dict(zip(graph.nodes, zip(*(one.nodes for one, _ in gradients), strict=True), strict=True))
        self.values = {
            node: [values[twin] for twin, (_, values) in zip(twins, gradients, strict=True)]
            for node, twins in self.of.items()
        }
        common = [text for text in scenes[0].terms if all(text in scene.terms for scene in scenes)]
        self.terms = {text: [scene.terms[text] for scene in scenes] for text in common}
        shapes = {text: tuple(map(np.shape, items)) for text, items in self.terms.items()}
        along = [node for node in topological(scenes[0].seeds) if node.static.get("axis") is not None]
        if any(len(node.inputs[0].shape) == 1 for node in along):  # it may be any of several
            raise UnspelledError("derive untried length", length=1)
        self.last_axis = any(isinstance(axis := node.static["axis"], int) and axis < 0 for node in along)
        held = [text for text in scenes[0].shapes if all(text in scene.shapes for scene in scenes)]
        shapes |= {text: tuple(scene.shapes[text] for scene in scenes) for text in held}
        settings = {n for text, (n, *_) in self.terms.items() if type(n) is int and _SETTING.fullmatch(text)}
        arrays = {text: each for text, each in shapes.items() if all(each)}
        self.sizes = _ScopeSizes(arrays, literals, held, settings)

    def written(self) -> tuple[tuple[str, ...], str]:
        leaves = {node: text for node in self.nodes if (text := self._leaf(node)) is not None}
        read = topological([self.root], leaves)
        if any(node.primitive is INPUT and node not in leaves for node in read):
            raise UnspelledError("derive nowhere", where="")
        arrays = {text: node for node, text in leaves.items() if node.shape}
        first: dict[Node, Node] = {}
        for node in self.nodes:
            equal = (other for other in first.values() if self._are_equal(self.values[node], self.values[other]))
            first[node] = node if node.primitive is CONSTANT else next(equal, node)
        made = BackwardText(
            Twins((), self.of), leaves, arrays, lambda node: first.get(node, node), lambda node: None, self.sizes,
            frozenset(), {*self.terms}, self.last_axis, self.dot,
        )  # fmt: skip
        made.count([self.root])
        expression = str(made.text(self.root, root=True))
        lines = tuple(line.text for line in made.lines)
        if any(not line.partition(" = ")[0].isidentifier() for line in lines):
            raise UnspelledError("derive nowhere", where="")
        return lines, expression

    def _leaf(self, node: Node) -> str | None:
        """The name of a value, or of the length that a constant stands for; None if it has none."""
        if node.primitive is CONSTANT:
            return self.sizes.leaf(self.values[node])
        return next((text for text, items in self.terms.items() if self._are_equal(items, self.values[node])), None)

    @staticmethod
    def _are_equal(mine: Sequence[Any], theirs: Sequence[Any]) -> bool:
        """Whether two values are the same in all runs, and no one number everywhere."""
        return all(map(_alike, mine, theirs)) and (not np.shape(mine[0]) or any(np.ptp(item) for item in mine))


def _alike(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype.kind not in "biuf" or (a.dtype == bool) != (b.dtype == bool) or not a.size:
        return False
    distance = np.abs(np.subtract(a, b, dtype=float))
    return bool(np.max(distance) <= _CLOSE * np.max(np.abs(np.asarray(b, dtype=float))))


class _ScopeSizes(SizeWords):
    """Lengths by the arrays in scope, where not every length varies: the number of one is no text for it."""

    def __init__(
        self, arrays: Mapping[str, Shapes], literals: Collection[float], tuples: Collection[str], settings: set[int]
    ) -> None:
        super().__init__(arrays, tuples=tuples)
        self.literals, self.settings = literals, settings  # whole numbers that the layer holds

    def _length(self, sizes: Sequence[int]) -> str:
        """The length of an axis: a 2 is one, too."""
        return self._untold(sizes) if len(set(sizes)) == 1 and sizes[0] > 1 else super()._length(tuple(sizes))

    def number(self, sizes: Sequence[int]) -> str:
        """The expression of a length. Raises UnspelledError where there is none."""
        if len(set(sizes)) > 1 or sizes[0] in _OF_RULES:
            return super().number(sizes)
        return self._untold(sizes)

    def _untold(self, sizes: Sequence[int]) -> str:
        """A length that is the same in all runs: of an array, if it is no number of forward or of the layer."""
        found = self.known(tuple(sizes))
        if found is None or sizes[0] in {*self.literals, *self.settings}:  # which of the two it is cannot be told
            raise UnspelledError("derive untried length", length=sizes[0])
        return found

    def leaf(self, numbers: Sequence[Any]) -> str | None:
        """The length that a constant is; None of a number that forward, or a rule of derivation, is written with."""
        if np.ndim(numbers[0]) or len({*numbers}) > 1 or not numbers[0] or abs(numbers[0]) in self.literals:
            return None
        size = abs(float(numbers[0]))
        if size in _OF_RULES:
            return None
        if size != int(size):
            raise UnspelledError("derive number", numbers=numbers[0])
        return self.number([int(number) for number in numbers])
