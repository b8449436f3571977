"""Gradients as a graph in; the lines of a backward out, as few as a person would write."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.explain.derive.backward_graph import Twins
from dout.explain.parts.part_calls import PartCall, read_by
from dout.explain.spelling.array_owners import ArrayOwners
from dout.explain.spelling.factor_groups import grouped, is_masked, literal, ordered, whole
from dout.explain.spelling.memory_text import repeated
from dout.explain.spelling.numpy_text import scipy_name, spelled
from dout.explain.spelling.part_text import STATEMENTS
from dout.explain.spelling.size_words import Shapes, SizeWords
from dout.explain.spelling.softmax_text import SOFTMAX, softmax_text
from dout.explain.spelling.spare_names import word_for
from dout.explain.spelling.spelling_needs import WrittenLine
from dout.explain.spelling.written_text import (
    ADDED,
    ATOM,
    MULTIPLIED,
    WrittenText,
    infix,
    multiplied,
    negated,
    numeral,
    powered,
)
from dout.graph import CONSTANT, Node
from dout.ops import PRIMITIVES, primitives

_LONG = 72  # characters of an expression that is split
_SHORT = 24  # and of one that stays where it is among others
_PRODUCT = primitives("multiply divide negative")
_SUM = primitives("add subtract")
_PLAIN = primitives("negative transpose reshape broadcast_to less less_equal greater greater_equal")


@dataclass(eq=False)
class BackwardText:
    """Writes gradients as statements.

    `leaves` are values at hand, as text, and `arrays` those of them that are arrays, by their text; `same` gives for
    each node the first one of the same value; `named` the name that a value would be given.
    """

    twins: Twins
    leaves: dict[Node, str]
    arrays: Mapping[str, Node]
    same: Callable[[Node], Node]
    named: Callable[[Node], str | None]
    sizes: SizeWords
    douts: frozenset[Node]
    taken: set[str]
    last_axis: bool = False
    dot: bool = False
    lines: list[WrittenLine] = field(default_factory=list)
    texts: dict[Node, WrittenText] = field(default_factory=dict)
    uses: dict[Node, int] = field(default_factory=dict)
    globals_: Mapping[str, Any] = field(default_factory=dict)  # of the user's module
    dtype_of: Callable[[Any], str | None] | None = None  # of an array that is not at hand
    targets: dict[Node, str] = field(default_factory=dict)  # the names that values will be assigned to
    _upstream: dict[Node, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.owners = ArrayOwners(self)

    # --- what the rows of the spelling ask --------------------------------------------------------------------------

    def statics(self, node: Node, key: str, default: Any = None) -> tuple[Any, ...]:
        """A static parameter of a node, in each of the recordings."""
        return tuple(twin.static.get(key, default) for twin in self.twins.of.get(node, (node,)))

    def shapes(self, node: Node) -> Shapes:
        """The shape of a node's value, in each of the recordings."""
        return tuple(twin.shape for twin in self.twins.of.get(node, (node,)))

    def dtype(self, dtype: Any) -> str:
        """The expression of a dtype."""
        if np.dtype(dtype) == np.bool_:
            return "bool"
        for node, text in self.leaves.items():
            if node.shape and not isinstance(node.dtype, type) and node.dtype == dtype:
                return f"{text}.dtype"
        if self.dtype_of is not None and (found := self.dtype_of(dtype)) is not None:
            return found
        return f"np.{np.dtype(dtype).name}"

    def like(self, node: Node) -> str | None:
        """An array at hand of a node's shape and dtype."""
        shapes, dtype = self.shapes(node), np.dtype(node.dtype)
        pairs = self.arrays.items()
        return next((text for text, one in pairs if self.shapes(one) == shapes and np.dtype(one.dtype) == dtype), None)

    def special(self, name: str) -> str:
        """The user's name for a function of scipy.special. Raises UnspelledError if the module has none."""
        return scipy_name(self.globals_, name)

    # --- statements -------------------------------------------------------------------------------------------------

    def count(self, roots: Sequence[Node]) -> None:
        """Count how often each value is read."""
        seen: set[Node] = set()
        called: set[PartCall] = set()
        waiting = [self.same(root) for root in roots]
        for root in waiting:
            self.uses[root] = self.uses.get(root, 0) + 1
        while waiting:
            node = waiting.pop()
            if node in seen or node in self.leaves:
                continue
            seen.add(node)
            for i in map(self.same, read_by(node, called)):
                self.uses[i] = self.uses.get(i, 0) + 1
                waiting.append(i)

    def assign(self, target: str, root: Node, *, fresh: bool) -> None:
        """Write the statement that gives `target` a value; `fresh`: in memory of its own."""
        node = self.same(root)
        self.targets.pop(node, None)
        if node.primitive in STATEMENTS and node not in self.texts and node not in self.leaves:
            self._write_lines(node, target if target.isidentifier() else None)
            if target.isidentifier():
                self.owners.given.add(node)
                return
        text = self.text(node, root=True)
        if fresh and self.owners.may_alias(node) and not self.owners.is_part(node):
            text = self._own(node, text)
        self.owners.given.add(node)
        if text.text != target:
            self.lines.append(WrittenLine(f"{target} = {text}", node))
        if target.isidentifier() or target.startswith("self."):
            self.texts[node] = WrittenText(target)

    def is_fresh(self, node: Node) -> bool:
        """Whether a value is made in the statement that it is written in, in memory of its own."""
        return self._is_inline(self.same(node)) and not self.owners.may_alias(node)

    def _own(self, node: Node, text: WrittenText) -> WrittenText:
        """A value that would be somebody else's array, in memory of its own."""
        if node in self.douts or not node.shape:
            return infix(text, "*", WrittenText("1"), MULTIPLIED)
        if node.primitive is PRIMITIVES["broadcast_to"] and self._is_inline(node):
            return repeated(self, node)
        return WrittenText(f"{text.within(ATOM)}.copy()")

    def name_for(self, node: Node) -> str:
        """A free name for a value; of a gradient that is asked for, the name that it will have anyway."""
        if node in self.targets:
            return self.targets.pop(node)
        wish = self.named(node) or word_for(node)
        name, n = wish, 2
        while name in self.taken:
            name, n = f"{wish}_{n}" if not wish.endswith("_") else f"{wish}{n}", n + 1
        self.taken.add(name)
        return name

    def _write_lines(self, node: Node, name: str | None) -> None:
        self.texts[node] = WrittenText(STATEMENTS[node.primitive](self, node, name))

    def statement(self, node: Node, text: WrittenText) -> WrittenText:
        """Give a value a name."""
        name = self.name_for(node)
        self.lines.append(WrittenLine(f"{name} = {text}", node))
        self.texts[node] = WrittenText(name)
        return self.texts[node]

    # --- expressions ------------------------------------------------------------------------------------------------

    def text(self, node: Node, *, root: bool = False) -> WrittenText:
        """The text of a value: its name, or an expression."""
        node = self.same(node)
        if node in self.leaves:
            return WrittenText(self.leaves[node])
        if node in self.texts:
            return self.texts[node]
        if node.primitive in STATEMENTS:
            self._write_lines(node, None)
            return self.texts[node]
        if node.primitive in SOFTMAX:
            text = softmax_text(self, node)
        elif node.primitive in _PRODUCT:
            text = self._product_text(node)
        elif node.primitive in _SUM:
            text = self._sum_text(node)
        elif is_masked(node) and self.same(node.inputs[1]) in self.douts:
            text = multiplied([self.text(node.inputs[1]), self.text(node.inputs[0])])
        else:
            unframed = node.primitive is PRIMITIVES["broadcast_to"]
            operands = [self.text(self.unframed(i) if unframed else i) for i in node.inputs]
            if node.primitive is PRIMITIVES["concatenate"]:
                operands = [self._named(i, text) for i, text in zip(node.inputs, operands, strict=True)]
            elif sum(len(o.text) for o in operands) > _LONG:
                operands = self._shortened(list(map(self.same, node.inputs)), operands)
            text = spelled(self, node, operands)
        if root or node.primitive is CONSTANT:
            return text
        if self.uses.get(node, 0) > 1 and not self._is_short(node, text):
            return self.statement(node, text)
        return text

    def _named(self, node: Node, text: WrittenText) -> WrittenText:
        """A part of an array by a name, where it is long."""
        node = self.same(node)
        known = node in self.leaves or node in self.texts
        return text if known or len(text.text) < _SHORT else self.statement(node, text)

    def unframed(self, node: Node, *, repeated: bool = False) -> Node:
        """A value without the axes of length one in front that broadcasting adds, and not `repeated`."""
        while (node := self.same(node)) not in self.leaves and node not in self.texts:
            inner = self.same(node.inputs[0]) if node.inputs else node
            more = (1,) * (len(node.shape) - len(inner.shape))
            framed = node.primitive is PRIMITIVES["reshape"] and node.shape == more + inner.shape
            if not framed and not (repeated and node.primitive is PRIMITIVES["broadcast_to"]):
                break
            node = inner
        return node

    def _is_short(self, node: Node, text: WrittenText) -> bool:
        """Whether to write a value out at every use: a leaf with a sign or in another order of axes."""
        only = (i for i in map(self.same, node.inputs) if i.primitive is not CONSTANT)
        return node.primitive in _PLAIN and all(i in self.leaves for i in only) and len(text.text) < 32

    def _shortened(self, nodes: Sequence[Node], texts: list[WrittenText]) -> list[WrittenText]:
        """Name the longest operand."""
        longest = max(range(len(texts)), key=lambda i: len(texts[i].text))
        node = nodes[longest]
        if node in self.leaves or node in self.texts or len(texts[longest].text) < 12:
            return texts
        name = self.statement(node, texts[longest])
        return [name if n is node else t for n, t in zip(nodes, texts, strict=True)]

    def has_dout(self, node: Node) -> bool:
        """Whether a value depends on an upstream gradient."""
        node = self.same(node)
        if node not in self._upstream:
            self._upstream[node] = node in self.douts or (
                node not in self.leaves and any(self.has_dout(i) for i in node.inputs)
            )
        return self._upstream[node]

    def _is_minus(self, node: Node) -> bool:
        """Whether a value is one at hand with the other sign."""
        is_new = node not in self.leaves and node not in self.texts
        return is_new and node.primitive is PRIMITIVES["negative"] and self.same(node.inputs[0]) in self.leaves

    def _is_inline(self, node: Node) -> bool:
        return node not in self.leaves and node not in self.texts and self.uses.get(node, 0) < 2

    def _factors(self, root: Node) -> tuple[int, list[Node], list[Node]]:
        """The sign, the factors, and the divisors of a product."""
        sign, above, below = 1, list[Node](), list[Node]()
        waiting = [(root, True, True)]
        while waiting:
            node, up, first = waiting.pop(0)
            node = node if first else self.same(node)
            if (
                (first or self._is_inline(node) or self._is_minus(node))
                and node.primitive in _PRODUCT
                and (first or node.shape == root.shape or up)
            ):
                if node.primitive is PRIMITIVES["negative"]:
                    sign = -sign
                    waiting.insert(0, (node.inputs[0], up, False))
                else:
                    second = up if node.primitive is PRIMITIVES["multiply"] else not up
                    waiting[:0] = [(node.inputs[0], up, False), (node.inputs[1], second, False)]
            else:
                (above if up else below).append(node)
        return sign, *self._cancelled(above, below)

    def _cancelled(self, above: list[Node], below: list[Node]) -> tuple[list[Node], list[Node]]:
        rest = list(below)
        kept = []
        for node in above:
            if node in rest and node.primitive is not CONSTANT:
                rest.remove(node)
            else:
                kept.append(node)
        return kept, rest

    def _product_text(self, root: Node) -> WrittenText:
        sign, above, below = self._factors(root)
        factor: Any = math.prod(map(literal, filter(self._is_literal, above)))
        divisor: Any = math.prod(map(literal, filter(self._is_literal, below)))
        if factor < 0:
            sign, factor = -sign, -factor
        if divisor < 0:
            sign, divisor = -sign, -divisor
        for n in (*above, *below):
            sign = -sign if self._is_negative_size(n) else sign
        if divisor != 1 and factor % divisor == 0:
            factor, divisor = factor // divisor if isinstance(factor, int) else factor / divisor, 1
        factor, divisor = whole(factor), whole(divisor)
        above = [n for n in above if not self._is_literal(n)]
        above = ordered(above, self.has_dout, lambda n: self._is_inline(n) and n.shape == root.shape)
        below = [n for n in below if not self._is_literal(n)]
        above, below = grouped(root, above, below)
        numbers = [n for n in above if n.shape == ()] if root.shape else []
        arrays = [n for n in above if n not in numbers]
        if not numbers or not arrays:  # else numbers first: a pass over an array takes longer
            return self._quotient_text(sign * factor, above, divisor, below)
        few, many = [n for n in below if n.shape == ()], [n for n in below if n.shape != ()]
        made = multiplied([self._quotient_text(sign * factor, numbers, divisor, few), *self._factor_texts(arrays)])
        return infix(made, "/", multiplied(self._factor_texts(many)), MULTIPLIED) if many else made

    def _quotient_text(self, factor: Any, above: Sequence[Node], divisor: Any, below: Sequence[Node]) -> WrittenText:
        """The text of products over each other, with a number in front of each."""
        texts, under_texts = self._factor_texts(above), self._factor_texts(below)
        if abs(factor) != 1 or not texts:
            texts.insert(0, WrittenText(numeral(abs(factor))))
        if divisor != 1:
            under_texts.insert(0, WrittenText(numeral(divisor)))
        if factor < 0:
            texts[0] = negated(texts[0])
        made = multiplied(texts)
        return infix(made, "/", multiplied(under_texts), MULTIPLIED) if under_texts else made

    def _factor_texts(self, nodes: Sequence[Node]) -> list[WrittenText]:
        counts: dict[Node, int] = {}
        for node in nodes:
            counts[node] = counts.get(node, 0) + 1
        bare, texts = list[Node](), list[WrittenText]()
        for node in counts:  # one after the other: what the first gives a name, the second reads
            bare.append(self._bare(node))
            texts.append(self._positive(bare[-1]))
        while sum(len(t.text) for t in texts) > _LONG:
            shorter = self._shortened(bare, texts)
            if shorter is texts:
                break
            texts = shorter
        return [t if n == 1 else powered(t, WrittenText(str(n))) for t, n in zip(texts, counts.values(), strict=True)]

    def _is_literal(self, node: Node) -> bool:
        """Whether a node is a number that is the same at every size, and no length."""
        if node.primitive is not CONSTANT or node in self.leaves:
            return False
        values = self.statics(node, "value")
        small = type(values[0]) is int and abs(values[0]) <= 2
        return len(set(values)) == 1 and (small or isinstance(values[0], float | np.floating))

    def _is_negative_size(self, node: Node) -> bool:
        """Whether a node is a number that depends on sizes, and is negative."""
        if node.primitive is not CONSTANT or self._is_literal(node):
            return False
        return all(v < 0 and v == int(v) for v in self.statics(node, "value"))

    def _positive(self, node: Node) -> WrittenText:
        """The text of a factor; of a number without its sign."""
        if not self._is_negative_size(node):
            return self.text(node)
        numbers = [-int(v) for v in self.statics(node, "value")]
        text = self.sizes.number(numbers)
        return WrittenText(text, MULTIPLIED if " " in text else ATOM)

    def _bare(self, node: Node) -> Node:
        """A mask is a factor without a conversion."""
        inner = self.same(node.inputs[0]) if node.primitive is PRIMITIVES["astype"] else node
        return inner if inner is not node and inner.kind == "b" and node not in self.texts else node

    def _terms(self, root: Node) -> Iterator[tuple[int, Node]]:
        waiting = [(root, 1, True)]
        while waiting:
            node, sign, first = waiting.pop(0)
            node = node if first else self.same(node)
            if (first or self._is_inline(node)) and node.primitive in _SUM:
                second = sign if node.primitive is PRIMITIVES["add"] else -sign
                waiting[:0] = [(node.inputs[0], sign, False), (node.inputs[1], second, False)]
            elif self._is_inline(node) and node.primitive is PRIMITIVES["negative"]:
                waiting.insert(0, (node.inputs[0], -sign, False))
            else:
                yield sign, node

    def _sum_text(self, root: Node) -> WrittenText:
        terms = list(self._terms(root))
        texts = [self.text(node) for _, node in terms]
        while sum(len(t.text) for t in texts) > _LONG:
            shorter = self._shortened([node for _, node in terms], texts)
            if shorter is texts:
                break
            texts = shorter
        signed = []
        for (sign, node), text in zip(terms, texts, strict=True):
            if text.text.startswith("-") and text.binds >= MULTIPLIED and node.primitive is not CONSTANT:
                signed.append((-sign, WrittenText(text.text[1:], text.binds if text.binds != 8 else ATOM)))
            else:
                signed.append((sign, text))
        signed.sort(key=lambda one: one[0] < 0)
        sign, made = signed[0]
        made = negated(made) if sign < 0 else made
        for sign, text in signed[1:]:
            made = infix(made, "+" if sign > 0 else "-", text, ADDED, associative=sign > 0)
        return made
