"""What several products or sums have in common, computed once. The results are equal as formulas, not bit for bit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from dout.graph import Graph, Node, Shape, rebuild, renewed, topological
from dout.ops import PRIMITIVES
from dout.ops.reduce import axes_of
from dout.rewrite.node_facts import applied, constant, over, standing_for, users_of
from dout.rewrite.products import PRODUCTS, NodeProduct, built, is_float, product_of
from dout.rewrite.simplify import simplify

_SUM, _MEAN = PRIMITIVES["sum"], PRIMITIVES["mean"]


def shared_sums(graph: Graph) -> Graph:
    """Return the graph in which sums of one product along the same axes are one sum.

    Other factors, which are the same along these axes, stand in front: of Σ x·y and the mean of c·x·y the products and
    sums are taken once. What leads to an output that is no gradient (these are named "d x") is not taken apart.
    """
    forward = _forward(graph)
    found = [one for node in graph.nodes if (one := _summed(node, forward)) is not None]
    counts = Counter(one.key for one in found)
    shared = {one.node: one for one in found if counts[one.key] > 1}

    def written(node: Node, new: Mapping[Node, Node]) -> Node:
        return standing_for(renewed(node, new), shared[node].written(new) if node in shared else None)

    return simplify(rebuild(graph, written)) if shared else graph


@dataclass(frozen=True, eq=False)
class _SummedProduct:
    """A sum or mean of a product: its factors that are the same along the axes, and the others."""

    node: Node
    axes: tuple[int, ...]
    outer: NodeProduct
    inner: NodeProduct

    @property
    def key(self) -> object:
        """What sums that are one have in common."""
        x = self.node.inputs[0]
        return frozenset(self.inner.powers.items()), self.axes, x.shape, x.dtype

    def written(self, new: Mapping[Node, Node]) -> Node | None:
        """The sum of the inner product alone, times what is outside."""
        node, x = self.node, self.node.inputs[0]
        inner = built(NodeProduct(1, Counter({new.get(n, n): p for n, p in self.inner.powers.items()})), x)
        if inner.shape != x.shape:
            return None
        whole = applied(_SUM, [inner], {"axis": self.axes}, node.where)
        product = NodeProduct(self.outer.number).times(_shaped(whole, node.shape))
        for factor, power in self.outer.powers.items():
            product.take(self._outside(new.get(factor, factor)), power)
        if node.primitive is _MEAN:
            product.take(constant(math.prod(x.shape[axis] for axis in self.axes)), -1)
        return built(product, node)

    def _outside(self, factor: Node) -> Node:
        """A factor in the shape that it has beside the sum."""
        shape = over(factor.shape, self.node.inputs[0].shape)
        kept = self.node.static.get("keepdims")
        rest = [n for axis, n in enumerate(shape) if kept or axis not in self.axes]
        while rest and rest[0] == 1 and len(rest) > 1 and not kept:
            rest.pop(0)
        return _shaped(factor, tuple(rest)) if math.prod(rest) == math.prod(factor.shape) else factor


def _summed(node: Node, forward: Collection[Node]) -> _SummedProduct | None:
    if node.primitive not in (_SUM, _MEAN) or len(node.inputs) != 1 or not set(node.static) <= {"axis", "keepdims"}:
        return None
    (x,), axis = node.inputs, node.static.get("axis")
    if not is_float(node) or not is_float(x):
        return None
    axes = tuple(sorted(axes_of(axis, len(x.shape))))
    if x.primitive in PRODUCTS and x not in forward:
        product, _ = product_of(x, lambda one: one not in forward)
    else:
        product = NodeProduct(1, Counter({x: 1}))
    product = product.cleared()
    outer, inner = product.split(lambda n: all(over(n.shape, x.shape)[a] == 1 for a in axes))
    return _SummedProduct(node, axes, outer, inner) if any(p > 0 for p in inner.powers.values()) else None


def _shaped(node: Node, shape: Shape) -> Node:
    if len(shape) > len(node.shape) and shape == over(node.shape, shape):
        return applied(PRIMITIVES["broadcast_to"], [node], {"shape": shape}, node.where)
    return node if node.shape == shape else applied(PRIMITIVES["reshape"], [node], {"shape": shape}, node.where)


# --- products ---------------------------------------------------------------------------------------------------------

_MOST_SHARED = 8


def shared_products(graph: Graph) -> Graph:
    """Return the graph in which what two gradients of whole arrays have in common, two factors or more, is one node."""
    for _ in range(_MOST_SHARED):
        roots = dict(_roots(graph))
        common = _largest_common(list(roots.values()))
        if common is None:
            break
        graph = simplify(_with(graph, roots, common))
    return graph


_Factors = Counter[Node]


def _forward(graph: Graph) -> set[Node]:
    """The nodes that lead to an output other than a gradient."""
    return set(topological(node for name, node in graph.outputs.items() if not name.startswith("d ")))


def _roots(graph: Graph) -> Iterator[tuple[Node, NodeProduct]]:
    """The products in gradients that are no part of another product alone, with their factors."""
    users, forward = users_of(graph), _forward(graph)
    single = {node for node in graph.nodes if len(users.get(node, ())) == 1}
    for node in graph.nodes:
        if node.primitive not in PRODUCTS or not is_float(node) or not node.shape or node in forward:
            continue
        inside = node in single and all(user is not None and user.primitive in PRODUCTS for user in users[node])
        if not inside:
            yield node, product_of(node, lambda one: one in single and one not in forward)[0].cleared()


def _common(one: NodeProduct, other: NodeProduct) -> _Factors:
    """The factors that two products share, each to the smaller power of one sign."""
    return Counter({
        node: min(power, other.powers[node], key=abs)
        for node, power in one.powers.items()
        if power * other.powers.get(node, 0) > 0
    })  # fmt: skip


def _largest_common(products: Sequence[NodeProduct]) -> _Factors | None:
    """The common factors of two products that save the most passes over arrays; None where none saves one."""
    best: _Factors | None = None
    for one, other in combinations(products, 2):
        common = _common(one, other)
        size = sum(map(abs, common.values()))
        whole = {node.shape for node in common}
        if size < 2 or len(whole) != 1 or not any(power > 0 for power in common.values()):
            continue
        is_alone = all(abs(sum(p.powers.values())) == size and p.powers == common for p in (one, other))
        if not is_alone and (best is None or size > sum(map(abs, best.values()))):
            best = common
    return best


def _with(graph: Graph, roots: Mapping[Node, NodeProduct], common: _Factors) -> Graph:
    """The graph in which products that have these factors are written by their product."""

    def written(node: Node, new: Mapping[Node, Node]) -> Node:
        product = roots.get(node)
        if product is None or _common(product, NodeProduct(1, common)) != common:
            return renewed(node, new)
        shared = built(NodeProduct(1, Counter({new.get(n, n): p for n, p in common.items()})), node)
        rest = NodeProduct(product.number).times(shared)
        for factor, power in product.powers.items():
            rest.take(new.get(factor, factor), power - common.get(factor, 0))
        return standing_for(renewed(node, new), built(rest.cleared(), node))

    return rebuild(graph, written)
