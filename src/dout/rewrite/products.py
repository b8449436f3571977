"""Products of nodes as a number and factors to whole powers, sums of such products, and short forms of single steps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import mul
from typing import Any

import numpy as np

from dout.graph import CONSTANT, INPUT, Node
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.node_facts import made_by

_NEGATIVE = PRIMITIVES["negative"]


@dataclass
class NodeProduct:
    """A number times factors, each to a whole power, in the order in which they came."""

    number: Any = 1
    powers: Counter[Node] = field(default_factory=Counter)

    def take(self, node: Node, power: int) -> None:
        """Multiply by a node to a power."""
        self.powers[node] = self.powers.get(node, 0) + power

    def times(self, item: Any) -> NodeProduct:
        """Itself, multiplied by a node or a number."""
        if isinstance(item, Node):
            self.take(item, 1)
        else:
            self.number = self.number * item
        return self

    def split(self, is_outer: Callable[[Node], bool]) -> tuple[NodeProduct, NodeProduct]:
        """The number with some of the factors, and the other factors."""
        outer = {n: p for n, p in self.powers.items() if is_outer(n)}
        inner = {n: p for n, p in self.powers.items() if n not in outer}
        return NodeProduct(self.number, Counter(outer)), NodeProduct(1, Counter(inner))

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

    def by(self, factors: Iterable[Node], over: Iterable[Node]) -> NodeProduct:
        """The product times some factors, over others, without factors to the power 0."""
        found = NodeProduct(self.number, Counter(self.powers))
        found.powers.update(factors)
        found.powers.subtract(over)
        return found.cleared()


_POWERS = primitives("pow power")
PRODUCTS = primitives("multiply divide negative square")


def product_of(root: Node, opens: Callable[[Node], bool]) -> tuple[NodeProduct, int]:
    """The factors of a product, through the products that are opened; and how many products these are."""
    found, steps = NodeProduct(), 0
    waiting = [(root, 1)]
    while waiting:
        node, power = waiting.pop(0)
        if node.primitive in PRODUCTS and (node is root or opens(node)) and is_float(node):
            steps += 1
            one, *rest = node.inputs
            if node.primitive is _NEGATIVE:
                found.number = -found.number
            second = -power if node.primitive is PRIMITIVES["divide"] else power
            if node.primitive is PRIMITIVES["square"]:
                rest = [one]
            waiting[:0] = [(one, power), *((other, second) for other in rest)]
        elif is_literal(node):
            value = node.static["value"]
            found.number = times(found.number, value.item() if isinstance(value, np.generic) else value, power)
        elif node.primitive is CONSTANT and type(node.static["value"]) is int:
            found.number = times(found.number, -1 if node.static["value"] < 0 else 1, power)
            found.take(_length(abs(node.static["value"])), power)
        else:
            found.take(node, power)
    return found, steps


@lru_cache(maxsize=1024)
def _length(number: int) -> Node:
    """A whole number as a factor: the same node each time."""
    return Node(CONSTANT, (), {"value": number}, (), int)


def is_float(node: Node) -> bool:
    """Whether a value is an array or a NumPy number of floats."""
    return not isinstance(node.dtype, type) and node.dtype.kind == "f"


def merged(terms: Iterable[NodeProduct]) -> list[NodeProduct]:
    """Terms of which no two differ only in their number."""
    found: list[NodeProduct] = []
    for term in terms:
        same = next((other for other in found if _of_bases(other) == _of_bases(term)), None)
        if same is None:
            found.append(NodeProduct(term.number, Counter(term.powers)))
        else:
            same.number = same.number + term.number
    return [term for term in found if term.number != 0]


def _of_bases(term: NodeProduct) -> Counter[Node]:
    """The powers of a term, where a square is two factors."""
    powers: Counter[Node] = Counter()
    for node, power in term.powers.items():
        is_square = node.primitive is PRIMITIVES["square"]
        powers[node.inputs[0] if is_square else node] += 2 * power if is_square else power
    return powers


def without_sign(product: NodeProduct) -> NodeProduct | None:
    """A product with |x| for x · sign(x), also of x / y, and x for |x| · sign(x); None where it has none of them.

    And what is between −c and c of x for min(|x|, c) · sign(x), of a bound c that is a number: it is not negative.
    """
    divide, absolute = PRIMITIVES["divide"], PRIMITIVES["absolute"]
    for sign in (node for node in product.above if node.primitive is PRIMITIVES["sign"]):
        (x,) = sign.inputs
        for factor in product.above:
            size = Node(absolute, (x,), {}, x.shape, x.dtype, x.where)
            if factor is x:
                return product.by([size], over=[sign, factor])
            if factor.primitive is absolute and factor.inputs == (x,):
                return product.by([x], over=[sign, factor])
            if factor.primitive is divide and factor.inputs[0] is x:
                return product.by([size], over=[sign, factor, factor.inputs[1]])
            if (bound := _bound_of_size(factor, x)) is not None:
                within = made_by(lambda x, limit: np.clip(x, -limit, limit), x, bound, where=x.where)
                return product.by([within], over=[sign, factor])
    return None


def over_lower_power(product: NodeProduct) -> NodeProduct | None:
    """A product with n / b for n / bᵖ · bᵖ⁻¹; None where it has none. A power takes long, and b divides anyway."""
    quotients = [node for node in product.above if node.primitive is PRIMITIVES["divide"]]
    for lower in (node for node in product.above if node.primitive in _POWERS):
        base = lower.inputs[0]
        if (power := next((node for node in product.below if _is_one_more(node, lower)), None)) is not None:
            return product.by([power], over=[lower, base])
        if (quotient := next((q for q in quotients[::-1] if _is_one_more(q.inputs[1], lower)), None)) is not None:
            return product.by(quotient.inputs[:1], over=[quotient, lower, base])
    return None


def _is_one_more(power: Node, lower: Node) -> bool:
    """Whether a value is a power of the same as another, with an exponent that is one more."""
    if power.primitive not in _POWERS or power.inputs[0] is not lower.inputs[0]:
        return False
    exponent, less = power.inputs[1], lower.inputs[1]
    if is_literal(exponent) and is_literal(less):
        return bool(exponent.static["value"] == less.static["value"] + 1)
    one = less.inputs[1] if less.primitive is PRIMITIVES["subtract"] and less.inputs[0] is exponent else None
    return one is not None and is_literal(one) and bool(one.static["value"] == 1)


def _bound_of_size(node: Node, x: Node) -> Node | None:
    """The number c of min(|x|, c)."""
    if node.primitive is not PRIMITIVES["minimum"]:
        return None
    size = next((i for i in node.inputs if i.primitive is PRIMITIVES["absolute"] and i.inputs == (x,)), None)
    bound = next((i for i in node.inputs if i is not size), None)
    if size is None or bound is None or bound.shape != ():
        return None
    return bound if bound.primitive is INPUT or (is_literal(bound) and bound.static["value"] >= 0) else None


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


def with_shared_factor(terms: list[NodeProduct], like: Node) -> list[NodeProduct]:
    """The terms of a longer sum, with a common factor of its shape taken out: (a + b) · f + c."""
    counts: Counter[Node] = Counter()
    for term in terms:
        counts.update({f: 1 for f, power in term.powers.items() if power > 0 and f.shape == like.shape})
    factor, count = max(counts.items(), key=lambda one: one[1], default=(like, 0))
    if not 1 < count < len(terms):
        return terms
    shared = [term for term in terms if term.powers.get(factor, 0) > 0]
    for term in shared:
        term.take(factor, -1)
    joined = NodeProduct(1, Counter({factor: 1})).times(sum_of(shared, like))
    place = next(i for i, term in enumerate(terms) if term in shared)
    rest = [term for term in terms if term not in shared]
    return [*rest[:place], joined, *rest[place:]]


def distributed(
    product: NodeProduct, terms_of: Callable[[Node], list[NodeProduct] | None], known: Mapping[frozenset[Node], Node]
) -> NodeProduct | None:
    """F · (1 + g·h) as f + p·h, where p = f·g is `known`: one step less. None for any other product.

    `terms_of` gives the terms of a sum that may be changed, else None.
    """
    for total in product.above:
        terms = terms_of(total)
        for factor in product.above if terms else ():
            spread = [_by_known(term, factor, known) for term in terms or ()]
            whole = [term for term in spread if term is not None]
            if factor is total or len(whole) < len(spread) or not any(len(t.powers) > 1 for t in whole):
                continue
            return product.by([sum_of(whole, total)], over=[factor, total])
    return None


def _by_known(term: NodeProduct, factor: Node, known: Mapping[frozenset[Node], Node]) -> NodeProduct | None:
    """A term times a factor without another step."""
    if not term.powers:
        return NodeProduct(term.number, Counter({factor: 1})) if abs(term.number) == 1 else None
    for other in term.above:
        whole = known.get(frozenset((factor, other)))
        if whole is not None:
            return term.by([whole], over=[other])
    return None


def sum_of(terms: list[NodeProduct], like: Node) -> Any:
    """The sum of products as a node, or as a number."""
    short = [term.cleared() for term in terms]
    return added([built(term, like) if term.powers else term.number for term in short], like)


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
    above, below = (list(map(recorder.wrap, nodes)) for nodes in (product.above, product.below))
    made: Any = reduce(mul, above) if above else number
    if number != 1 and above:
        made = number * made
    made = made / reduce(mul, below) if below else made
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


def rest_of_share(root: Node) -> Node | None:
    """1 − a / (a + b) as b / (a + b); None for any other sum."""
    for one, share in (root.inputs, root.inputs[::-1]):
        minus = share.primitive is _NEGATIVE and root.primitive is PRIMITIVES["add"]
        share = share.inputs[0] if minus else share
        if not (minus or (root.primitive is PRIMITIVES["subtract"] and one is root.inputs[0])):
            continue
        if not (is_literal(one) and one.static["value"] == 1 and share.primitive is PRIMITIVES["divide"]):
            continue
        part, whole = share.inputs
        both = (whole.inputs, whole.inputs[::-1]) if whole.primitive is PRIMITIVES["add"] else ()
        rest = next((b for a, b in both if a is part), None)
        if rest is not None:
            return Node(share.primitive, (rest, whole), {}, root.shape, root.dtype, root.where)
    return None


_EXTREMES = by_primitive({
    "less": ("minimum", "maximum"), "less_equal": ("minimum", "maximum"),
    "greater": ("maximum", "minimum"), "greater_equal": ("maximum", "minimum"),
})  # fmt: skip


def extreme(choice: Node) -> Node | None:
    """The smaller of two, chosen by comparing them, as `minimum`, the larger one alike; None for any other choice."""
    test, *sides = choice.inputs
    rows = _EXTREMES.get(test.primitive)
    if rows is None or not all(one in sides for one in test.inputs):
        return None
    row = PRIMITIVES[rows[list(test.inputs) != sides]]
    return Node(row, tuple(sides), {}, choice.shape, choice.dtype, choice.where)


def slope_of_power(node: Node) -> Node | None:
    """p·x ** (p − 1) for a number p of the layer; that p may be 0, and x too, is no case of its own."""
    test, zero, slope = node.inputs
    if (
        test.primitive is not PRIMITIVES["equal"]
        or not (is_literal(zero) and zero.static["value"] == 0)
        or slope.primitive is not PRIMITIVES["multiply"]
    ):
        return None
    number, power = slope.inputs
    if test.inputs[0] is not number or number.primitive is not INPUT or not isinstance(number.dtype, type):
        return None
    if power.primitive not in _POWERS or power.inputs[1].primitive is not PRIMITIVES["where"]:
        return None
    lower = Node(power.primitive, (power.inputs[0], power.inputs[1].inputs[2]), {}, power.shape, power.dtype)
    return Node(PRIMITIVES["multiply"], (number, lower), {}, node.shape, node.dtype)
