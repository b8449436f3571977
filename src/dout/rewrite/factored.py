"""Products and sums as a person writes them: common factors in front, equal terms once, and what cancels is gone.

The results are equal as formulas, not bit for bit: products are taken in another order. For gradients that are shown,
which are judged exactly afterwards; the engine does not use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dout.graph import CONSTANT, Graph, Node, Primitive, Shape, rebuild, renewed, settled
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.reduce import axes_of, count_along
from dout.rewrite.node_facts import is_constant, is_reshape, made_by, over, standing_for, users_of
from dout.rewrite.products import (
    PRODUCTS,
    NodeProduct,
    built,
    common_factors,
    distributed,
    extreme,
    is_float,
    is_literal,
    merged,
    over_lower_power,
    product_of,
    rest_of_share,
    slope_of_power,
    sum_of,
    with_shared_factor,
    without_sign,
)  # fmt: skip
from dout.rewrite.shared_parts import shared_sums
from dout.rewrite.side_by_side import both_sides, side_by_side
from dout.rewrite.simplify import is_elementwise, simplify, without_kept_axes

_MULTIPLY, _DIVIDE, _NEGATIVE = (PRIMITIVES[name] for name in ("multiply", "divide", "negative"))
_SUMS = primitives("add subtract")
_MOST_TURNS = 8


def factored(graph: Graph, *, one_power: bool = False) -> Graph:
    """Return the graph, simplified, with its products and sums in the shortest form that these rules find.

    - a factor that is the same along an axis comes out of the sum over it; a sum over a count is a mean; sums of the
      same product are one;
    - what is multiplied and divided by the same goes; n / d that was computed before is used again;
    - a sum of arrays that are zero but for a part each, and have all parts together, is these parts side by side;
    - common factors of the terms of a sum come out, and equal terms are one, with a number in front;
    - with `one_power`, eᵃ · eᵇ is eᵃ⁺ᵇ: where one of them overflows, the other may be 0.
    """

    def once(graph: Graph) -> Graph:
        return shared_sums(simplify(rebuild(without_kept_axes(graph), _Factoring(graph, one_power))))

    return settled(simplify(graph), once, _MOST_TURNS)


class _Factoring:
    """Gives for each node of a graph its shorter form."""

    def __init__(self, graph: Graph, one_power: bool) -> None:
        self.users, self.one_power = users_of(graph), one_power
        self.single: dict[Node, bool] = {}
        self.quotients: dict[tuple[Node, Node], Node] = {}
        self.known: dict[frozenset[Node], Node] = {}  # products of two that are outputs
        self.reshapes: dict[tuple[Node, Shape], Node] = {}
        self.steps = 0  # products that went into the one at hand

    def __call__(self, node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        rule = _RULES.get(node.primitive)
        if rule is not None and is_float(node):
            made = standing_for(made, rule(self, made))
        if is_reshape(made):
            self.reshapes.setdefault((made.inputs[0], made.shape), made)
        self.single[made] = self.single.get(made, True) and len(self.users.get(node, ())) <= 1
        if made.primitive is _MULTIPLY and None in self.users.get(node, ()):
            self.known.setdefault(frozenset(made.inputs), made)
        if made.primitive is _DIVIDE and made.inputs[0].primitive is not CONSTANT:
            self.quotients.setdefault((made.inputs[0], made.inputs[1]), made)
        return made

    # --- products -----------------------------------------------------------------------------------------------------

    def product_of(self, root: Node, whole: Node | None = None) -> NodeProduct:
        """The factors of a product, through products that only it reads.

        And through what costs little: a sign, and a number times what is smaller than the `whole` that it is a part of.
        """
        shape = (whole or root).shape

        def opens(node: Node) -> bool:
            is_scaled = node.shape != shape and any(i.primitive is CONSTANT for i in node.inputs)
            return node.primitive is _NEGATIVE or is_scaled or self.single.get(node, True)

        found, self.steps = product_of(root, opens)
        return found

    def shorter(self, product: NodeProduct) -> tuple[NodeProduct, bool]:
        """A product with quotients that are known, and means; and whether anything changed."""
        changed = any(power == 0 for power in product.powers.values())
        product = product.cleared()
        if (made := without_sign(product) or over_lower_power(product)) is not None:
            return made, True
        for node in product.above:
            cosh = next((n for n in product.below if _are_sinh_and_cosh(node, n)), None)
            if cosh is not None:
                tanh = Node(PRIMITIVES["tanh"], node.inputs, {}, node.shape, node.dtype, node.where)
                return product.by([cosh, tanh], over=[node]), True
        powers = [node for node in product.above if node.primitive is PRIMITIVES["exp"]]
        if self.one_power and len(powers) > 1:
            total = made_by(lambda *u: np.exp(sum(u[1:], u[0])), *(p.inputs[0] for p in powers), where=powers[0].where)
            return product.by([total], over=powers), True
        for (above, below), quotient in self.quotients.items():
            if self.single.get(quotient, True):
                continue  # it may be a part of this very product
            while product.powers.get(above, 0) > 0 and product.powers.get(below, 0) < 0:
                if len(product.powers) == 2 and product.powers[above] == 1 and product.powers[below] == -1:
                    break  # it is that quotient
                product, changed = product.by([below, quotient], over=[above]), True
        for node in product.above:
            if (
                node.primitive is PRIMITIVES["sum"]
                and len(node.inputs) == 1
                and set(node.static) <= {"axis", "keepdims"}
            ):
                count = count_along(node.inputs[0].shape, node.static.get("axis"))
                number = next((n for n in product.below if _is_whole(n) and n.static["value"] == count), None)
                if number is not None and self.single.get(node, True):
                    mean = Node(PRIMITIVES["mean"], node.inputs, node.static, node.shape, node.dtype, node.where)
                    return product.by([number, mean], over=[node]), True
        return product, changed

    def product(self, node: Node) -> Node | None:
        """A product in its shorter form."""
        found = self.product_of(node)
        steps = self.steps
        product, changed = self.shorter(found)
        if (spread := distributed(product, self.open_terms, self.known)) is not None:
            product, changed = spread, True
        if (chosen := self.chosen_last(product, node)) is not None:
            return chosen
        literals = sum(1 for i in node.inputs if is_literal(i))
        if not changed and not (steps > 1 and ((literals == 0 and _has_inner_literal(node)) or _has_inner_sign(node))):
            return None
        if product.number != product.number or product.number == 0:
            return None
        made = built(product, node)
        return None if _same_text(made, node) else made

    def chosen_last(self, product: NodeProduct, node: Node) -> Node | None:
        """A product with a choice of 0 as a choice: what is not chosen may be infinite, and 0 times that is NaN."""
        for choice in product.above:
            if choice.primitive is not PRIMITIVES["where"] or not self.single.get(choice, True):
                continue
            test, *sides = choice.inputs
            zero = next((i for i, side in enumerate(sides) if is_literal(side) and side.static["value"] == 0), None)
            if zero is None or choice.shape != node.shape:
                continue
            sides[1 - zero] = built(product.by([sides[1 - zero]], over=[choice]), node)
            return Node(choice.primitive, (test, *sides), {}, node.shape, node.dtype, node.where)
        return None

    def total(self, node: Node) -> Node | None:
        """The sum along axes of a product, with what is the same along them in front."""
        if len(node.inputs) != 1 or not set(node.static) <= {"axis", "keepdims"}:
            return None
        (x,) = node.inputs
        if x.primitive not in PRODUCTS or not self.single.get(x, True):
            return None
        product = self.product_of(x)
        keeps = bool(node.static.get("keepdims"))
        along = axes_of(node.static.get("axis"), len(x.shape))
        outer, inner = product.split(
            lambda f: not f.shape or (keeps and all(over(f.shape, x.shape)[a] == 1 for a in along))
        )
        if (not outer.powers and outer.number == 1) or not any(power > 0 for power in inner.powers.values()):
            return None
        rest = built(inner, x)
        if rest.shape != x.shape:
            return None
        return built(outer.times(Node(node.primitive, (rest,), node.static, node.shape, node.dtype, node.where)), node)

    # --- sums ---------------------------------------------------------------------------------------------------------

    def sum(self, root: Node) -> Node | None:
        """A sum with the common factors of its terms in front, and equal terms once."""
        signed = list(self.terms_of(root))
        joined = side_by_side([node for node, _ in signed]) if all(sign > 0 for _, sign in signed) else None
        if joined is None and all(self.single.get(i) for i in root.inputs):
            joined = both_sides(root)
        if joined is not None:
            return joined
        if (rest := rest_of_share(root)) is not None:
            return rest
        terms = self._products(signed, root)
        short = merged(self.shorter(term)[0] for term in terms)
        common = common_factors(short)
        for term in short:
            term.powers.subtract(common)
        short = with_shared_factor(short, root)
        if len(short) == len(terms) and not common:
            return None
        inner = sum_of(short, root)
        if inner is None:
            return None
        return built(NodeProduct(1, Counter(common)).times(inner), root)

    def open_terms(self, node: Node) -> list[NodeProduct] | None:
        """The terms of a sum that only one product reads."""
        if node.primitive not in _SUMS or not self.single.get(node, True):
            return None
        return self._products(self.terms_of(node), node)

    def _products(self, signed: Iterable[tuple[Node, int]], whole: Node) -> list[NodeProduct]:
        """The terms of a sum as products."""
        return [self._term(node, whole).times(sign) for node, sign in signed]

    def terms_of(self, root: Node) -> Iterator[tuple[Node, int]]:
        """The terms of a sum, through sums that only it reads, each with its sign."""
        waiting = [(root, 1)]
        while waiting:
            node, sign = waiting.pop(0)
            if node.primitive in _SUMS and (node is root or self.single.get(node, True)):
                second = sign if node.primitive is PRIMITIVES["add"] else -sign
                waiting[:0] = [(node.inputs[0], sign), (node.inputs[1], second)]
            else:
                yield node, sign

    def _term(self, node: Node, whole: Node) -> NodeProduct:
        opens = node.primitive is _NEGATIVE or self.single.get(node, True)
        if node.primitive in PRODUCTS and opens and is_float(node):
            return self.product_of(node, whole)
        return NodeProduct().times(node.static["value"] if is_literal(node) else node)


def _are_sinh_and_cosh(one: Node, other: Node) -> bool:
    """Whether two are sinh and cosh of the same: what overflows in both is tanh."""
    return (one.primitive, other.primitive) == (PRIMITIVES["sinh"], PRIMITIVES["cosh"]) and one.inputs == other.inputs


def _is_whole(node: Node) -> bool:
    return node.primitive is CONSTANT and type(node.static["value"]) is int


def _has_inner_literal(node: Node) -> bool:
    return any(i.primitive in PRODUCTS and any(is_literal(j) for j in i.inputs) for i in node.inputs)


def _has_inner_sign(node: Node) -> bool:
    return node.primitive is not _NEGATIVE and any(i.primitive is _NEGATIVE for i in node.inputs)


def _same_text(one: Node, other: Node) -> bool:
    """Whether two nodes are the same steps of the same nodes."""
    if one is other:
        return True
    if one.primitive is CONSTANT and other.primitive is CONSTANT:
        return bool(one.static["value"] == other.static["value"])
    products = one.primitive is other.primitive and one.primitive in PRODUCTS
    return products and all(_same_text(a, b) for a, b in zip(one.inputs, other.inputs, strict=True))


def _out_of_choice(factoring: _Factoring, node: Node) -> Node | None:
    """A choice between two products, with the factors of both in front."""
    test, *sides = node.inputs
    if not all(side.primitive in PRODUCTS and factoring.single.get(side, True) for side in sides):
        return None
    products = [factoring.product_of(side) for side in sides]
    common = common_factors(products)
    for product in products:
        product.powers.subtract(common)
    if not common or not all(any(p > 0 for p in product.powers.values()) for product in products):
        return None
    rest = [built(product.cleared(), node) for product in products]
    chosen = Node(node.primitive, (test, *rest), {}, node.shape, node.dtype, node.where)
    return built(NodeProduct(1, Counter({**common, chosen: 1})), node)


def _turned_product(factoring: _Factoring, node: Node) -> Node | None:
    """(Aᵀ B)ᵀ as Bᵀ A, and (A Bᵀ)ᵀ as B Aᵀ."""
    (x,) = node.inputs
    if x.primitive not in primitives("dot matmul") or not factoring.single.get(x, True):
        return None
    if not all(len(i.shape) == 2 for i in x.inputs) or all(i.primitive is not node.primitive for i in x.inputs):
        return None
    a, b = (
        i.inputs[0] if i.primitive is node.primitive
        else Node(node.primitive, (i,), node.static, i.shape[::-1], i.dtype, node.where)
        for i in x.inputs
    )  # fmt: skip
    return Node(x.primitive, (b, a), x.static, node.shape, node.dtype, node.where)


def _reshaped(factoring: _Factoring, node: Node) -> Node | None:
    """The reshape of steps on single elements, as those steps on arrays in that shape, where these are known."""
    (x,) = node.inputs
    return _in_shape(factoring, x, node.shape) if is_reshape(node) and is_elementwise(x) else None


def _in_shape(factoring: _Factoring, x: Node, shape: Shape) -> Node | None:
    """A value in another shape without a reshape; None if a reshape is needed."""
    if not x.shape:
        return x
    if is_reshape(x) and x.inputs[0].shape == shape:
        return x.inputs[0]
    if (x, shape) in factoring.reshapes:
        return factoring.reshapes[x, shape]
    if (
        not is_elementwise(x)
        or not factoring.single.get(x, True)
        or any(i.shape not in ((), x.shape) for i in x.inputs)
    ):
        return None
    inputs = [made for i in x.inputs if (made := _in_shape(factoring, i, shape)) is not None]
    return replace(x, inputs=tuple(inputs), shape=shape) if len(inputs) == len(x.inputs) else None


_RULES: dict[Primitive, Any] = by_primitive({
    "multiply": _Factoring.product, "divide": _Factoring.product, "negative": _Factoring.product,
    "sum": _Factoring.total, "add": _Factoring.sum, "subtract": _Factoring.sum,
    **dict.fromkeys(("pow", "power"), lambda _, node: node.inputs[0] if is_constant(node.inputs[1], 1) else None),
    "where": lambda factoring, node: slope_of_power(node) or extreme(node) or _out_of_choice(factoring, node),
    "transpose": _turned_product,
    "reshape": _reshaped,
})  # fmt: skip
