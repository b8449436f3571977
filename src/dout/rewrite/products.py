"""Products of nodes as a number and factors to whole powers, and sums of such products."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.graph import CONSTANT, Node
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder

_NEGATIVE = PRIMITIVES["negative"]


@dataclass
class NodeProduct:
    """A number times factors, each to a whole power, in the order in which they came."""

    number: Any = 1
    powers: Counter[Node] = field(default_factory=Counter)

    def take(self, node: Node, power: int) -> None:
        """Multiply by a node to a power."""
        self.powers[node] = self.powers.get(node, 0) + power

    @property
    def above(self) -> list[Node]:
        """The factors, each as often as its power."""
        return [node for node, power in self.powers.items() for _ in range(power)]

    @property
    def below(self) -> list[Node]:
        """The divisors, each as often as its power."""
        return [node for node, power in self.powers.items() for _ in range(-power)]

    def cleared(self) -> NodeProduct:
        """The product without factors to the power 0."""
        return NodeProduct(self.number, Counter({n: p for n, p in self.powers.items() if p}))


def merged(terms: Iterable[NodeProduct]) -> list[NodeProduct]:
    """Terms of which no two differ only in their number."""
    found: list[NodeProduct] = []
    for term in terms:
        same = next((other for other in found if other.powers == term.powers), None)
        if same is None:
            found.append(NodeProduct(term.number, Counter(term.powers)))
        else:
            same.number = same.number + term.number
    return [term for term in found if term.number != 0]


def common_factors(terms: list[NodeProduct]) -> dict[Node, int]:
    """The factors that all of several terms have, to the smallest power."""
    if len(terms) < 2:
        return {}
    common: dict[Node, int] = {}
    for node in terms[0].powers:
        powers = [term.powers.get(node, 0) for term in terms]
        if all(p > 0 for p in powers):
            common[node] = min(powers)
        elif all(p < 0 for p in powers):
            common[node] = max(powers)
    return common


def added(terms: list[Any], like: Node) -> Any:
    """The sum of terms, each a node or a number; the positive ones first."""
    recorder = AbstractRecorder(like.where)
    total: Any = None
    for term in terms:
        one = recorder.wrap(term) if isinstance(term, Node) else term
        if total is None:
            total = one
        elif isinstance(term, Node) and term.primitive is _NEGATIVE:
            total = total - recorder.wrap(term.inputs[0])
        else:
            total = total + one
    return total.node if hasattr(total, "node") else total


def built(product: NodeProduct, like: Node) -> Node:
    """The node of a product, of the dtype of another."""
    recorder = AbstractRecorder(like.where)
    number, sign = product.number, 1
    if not isinstance(number, complex) and number < 0:
        number, sign = -number, -1
    made: Any = None
    over: Any = None
    for node in product.above:
        made = recorder.wrap(node) if made is None else made * recorder.wrap(node)
    if number != 1 or made is None:
        made = number if made is None else number * made
    for node in product.below:
        over = recorder.wrap(node) if over is None else over * recorder.wrap(node)
    made = made if over is None else made / over
    if not hasattr(made, "node"):
        return Node(CONSTANT, (), {"value": sign * made}, (), type(made), like.where)
    found: Node = made.node if sign > 0 else (-made).node
    return found


def times(number: Any, value: Any, power: int) -> Any:
    """A number times another to a power; whole where both are and it divides."""
    if power > 0:
        return number * value**power
    under = value**-power
    if under == 0:
        return math.nan  # nothing is made of it: NaN is no number of a product
    exact = isinstance(number, int) and isinstance(under, int) and under and number % under == 0
    return number // under if exact else number / under


def is_literal(node: Node) -> bool:
    """A number that is no length."""
    if node.primitive is not CONSTANT:
        return False
    value = node.static["value"]
    small = type(value) is int and abs(value) <= 2
    return small or (isinstance(value, float | np.floating) and bool(np.isfinite(value)))
