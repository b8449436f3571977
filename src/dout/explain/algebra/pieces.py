"""An elementwise graph as smooth pieces: in each, every switch stands one way, and every node is one expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import sympy
from sympy import Expr

from dout.explain.algebra.calculus import (
    ABSOLUTE,
    SLOPES,
    TAUGHT,
    UNCHANGED,
    Condition,
    applied_form,
    form_of,
    sigmoid,
    softplus,
    switch,
    switches,
    symbol,
)
from dout.explain.algebra.known_constants import as_number, in_numbers, value_of
from dout.grad import backpropagate
from dout.graph import CONSTANT, INPUT, Node, topological
from dout.ops import primitives

POINTS = 161  # an odd number: one of them is the middle
SEARCHES = 3  # for places of switches: behind one there may be another


class NoFormError(Exception):
    """A node has no expression in SymPy's functions."""

    def __init__(self, node: Node) -> None:
        super().__init__(str(node.primitive))
        self.node = node


@dataclass(frozen=True, eq=False)
class Pointwise:
    """A graph that acts on each element: its output, its inputs, and the numbers that its constants have."""

    output: Node
    inputs: tuple[Node, ...]  # of which derivatives are taken
    numbers: Mapping[Node, float]  # other inputs that are one number, such as a slope that the layer holds
    names: Mapping[Node, str]
    hidden: Mapping[Node, int] = field(default_factory=dict)  # symbols that values have of which a reader sees a letter

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, each after its inputs."""
        return topological([self.output])

    @cached_property
    def symbols(self) -> dict[Node, Any]:
        """A symbol for each node that is no constant; the number itself for a constant."""
        return {node: self._symbol(i, node) for i, node in enumerate(self.nodes)}

    def _symbol(self, place: int, node: Node) -> Any:
        if node.primitive is CONSTANT:
            return as_number(node.static["value"])
        return symbol(f"{self.names.get(node, 'v')}_{place}", self.numbers.get(node))

    def at(self, points: Mapping[Node, Any]) -> dict[Node, Any]:
        """The value of every node at points: an array of as many for each input."""
        values: dict[Node, Any] = dict(points)
        length = len(next(iter(points.values()))) if points else 1
        with np.errstate(all="ignore"):
            for node in self.nodes:
                if node in values:
                    continue
                if node.primitive is CONSTANT:
                    values[node] = np.full(length, node.static["value"], float)
                elif node.primitive is INPUT:
                    values[node] = np.full(length, self.numbers.get(node, np.nan))
                elif node.primitive in UNCHANGED:
                    values[node] = values[node.inputs[0]]
                else:
                    values[node] = np.asarray(node.primitive.forward(*(values[i] for i in node.inputs)))
        return values

    @cached_property
    def sample(self) -> dict[Node, Any]:
        """Generic points for every input: many near 0, some far away, and some beyond every place of a switch."""
        generator = np.random.default_rng(1)
        middle = np.tan(np.linspace(-1.5, 1.5, POINTS)) * 2
        if len(self.inputs) != 1:
            numbers = {n: generator.permutation(middle) + generator.normal(size=POINTS) / 8 for n in self.inputs}
            return {n: item > 0 if np.dtype(n.dtype) == np.bool_ else item for n, item in numbers.items()}
        for _ in range(SEARCHES):
            places = sorted({place for piece, _ in self._pieces_at(middle) for place in piece.turns()})
            around = [place + way * (0.01 + abs(place) / 50) for place in places for way in (-1, 1)]
            wider = np.array(sorted({*middle, *around} - (set() if self._tells_points else set(places))))
            if len(wider) == len(middle):
                break
            middle = wider
        return {self.inputs[0]: middle}

    @cached_property
    def _tells_points(self) -> bool:
        """Whether a single point of a line may be treated apart, as in `np.where(x == 0, 1, np.sin(x) / x)`."""
        return any(node.primitive in primitives("equal not_equal") for node in self.nodes)

    @cached_property
    def element(self) -> dict[Node, Node]:
        """The same graph for one element: every node as one of plain numbers."""
        made: dict[Node, Node] = {}
        for node in self.nodes:
            if node.primitive is INPUT:
                made[node] = Node(INPUT, (), {}, (), np.dtype(float))
            elif node.primitive in UNCHANGED:
                made[node] = made[node.inputs[0]]
            else:
                static = {name: item for name, item in node.static.items() if name not in ("shape", "dtype")}
                dtype = np.dtype(bool if np.dtype(node.dtype) == np.bool_ else float)
                kept = node.dtype if node.primitive is CONSTANT else dtype
                made[node] = Node(node.primitive, tuple(made[i] for i in node.inputs), static, (), kept)
        return made

    @cached_property
    def element_seed(self) -> Node:
        """The upstream gradient of one element."""
        return Node(INPUT, (), {}, (), np.dtype(float))

    def element_gradient(self, of: Node) -> Node | None:
        """The node of an element's derived gradient; None where there is none."""
        return self._element_gradients.get(self.element[of])

    @cached_property
    def _element_gradients(self) -> Mapping[Node, Node]:
        return backpropagate({self.element[self.output]: self.element_seed}).of

    def _pieces_at(self, points: Any) -> list[tuple[Piece, list[int]]]:
        return pieces(self, {self.inputs[0]: points})

    @cached_property
    def _smooth(self) -> dict[Node, Any]:
        """The expressions of the nodes that do not switch. Raises NoFormError."""
        found: dict[Node, Any] = {}
        for node in self.nodes:
            operands = [self.symbols[i] for i in node.inputs]
            if node.primitive in UNCHANGED:
                found[node] = operands[0]
            elif form_of(node.primitive) is not None:
                made = applied_form(node, *operands)
                whole = made.subs({self.symbols[i]: found[i] for i in node.inputs if is_power(found.get(i))})
                found[node] = whole if is_power(whole) else made  # x · x² is x³
            elif node.inputs and not switches(node.primitive):
                raise NoFormError(node)
        return found

    def piece(self, values: Mapping[Node, float]) -> Piece:
        """The piece in which a point lies. Raises NoFormError."""
        relations: dict[Node, Any] = {}
        conditions: list[Condition] = []
        for node in self.nodes:
            if node.primitive in (CONSTANT, INPUT):
                continue
            operands = [self.symbols[i] for i in node.inputs]
            switched = switch(node, float(values[node]), [float(values[i]) for i in node.inputs], operands)
            if switched is not None:
                relations[node], found = switched
                conditions += found
            else:
                relations[node] = self._smooth[node]
        return Piece(self, relations, tuple(conditions))


@dataclass(frozen=True, eq=False)
class Piece:
    """A graph near a point: what each node is, as an expression of the symbols of its inputs."""

    graph: Pointwise
    relations: Mapping[Node, Any]
    conditions: tuple[Condition, ...]

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """Equal for points of one piece."""
        return tuple(self.relations.values())

    @cached_property
    def functions(self) -> frozenset[Any]:
        """The functions that a reader has met: in the steps of the layer, and in their derivatives."""
        seen = [*self.relations.values(), *(sympy.sympify(s) for node in self.relations for s in self.slopes(node))]
        own = {sympy.exp} if any(item.has(sigmoid, softplus) for item in seen) else set()
        own |= {sympy.Abs} if any(node.primitive in ABSOLUTE for node in self.relations) else set()
        return frozenset(f for f in TAUGHT if f in own or any(item.has(f) for item in seen))

    def turns(self) -> list[float]:
        """The places on the line at which a switch of this piece turns; of a graph with one input."""
        numbers = {self.graph.symbols[node]: item for node, item in self.graph.numbers.items()}
        return [float(at) for root in self.roots for at in [in_numbers(root, numbers)] if at.is_number and at.is_finite]

    @cached_property
    def roots(self) -> list[Any]:
        """Where the two sides of a condition are equal, as expressions of the layer's own numbers."""
        symbol = self.graph.symbols[self.graph.inputs[0]]
        found: list[Any] = []
        for left, right in dict.fromkeys(self.conditions):
            difference = self.written_out(left - right)
            if symbol in difference.free_symbols:
                found += [root for root in solutions(difference, symbol) if root.is_real is not False]
        return found

    @cached_property
    def variables(self) -> Mapping[Node, frozenset[Any]]:
        """The symbols in what each node is."""
        return {node: frozenset(variables(relation)) for node, relation in self.relations.items()}

    def slopes(self, node: Node) -> list[Any]:
        """The derivative of a node with respect to each of its inputs, in symbols of the inputs and its own."""
        operands = [self.graph.symbols[i] for i in node.inputs]
        if node.primitive in SLOPES:
            return list(SLOPES[node.primitive](self.graph.symbols[node], *operands))
        if form_of(node.primitive) is not None:
            return local_slopes(node, operands)
        relation = self.relations[node]
        once = [o for i, o in enumerate(operands) if o not in operands[:i]]  # both sides may be one value
        return [
            sympy.diff(relation, o) if i < len(once) and o in once and not o.is_number else 0
            for i, o in enumerate(operands)
        ]

    def derivative(self, of: Node) -> Expr:
        """The derivative of the output with respect to an input, in the symbols of all nodes."""
        gradients: dict[Node, Any] = {self.graph.output: sympy.Integer(1)}
        for node in reversed(self.graph.nodes):
            if node not in gradients or node not in self.relations or node is of:
                continue
            for argument, slope in zip(node.inputs, self.slopes(node), strict=False):
                if slope != 0 and argument.primitive is not CONSTANT:
                    gradients[argument] = gradients.get(argument, 0) + gradients[node] * slope
        return gradients.get(of, sympy.Integer(0))

    def written_out(self, expression: Any, keep: Sequence[Node] = ()) -> Any:
        """An expression with every symbol replaced by its relation, but those of the inputs and of nodes to `keep`."""
        symbols = self.graph.symbols
        held = {symbols[node] for node in keep}
        for node in reversed(self.graph.nodes):
            if node in self.relations and symbols[node] not in held:
                expression = expression.subs(symbols[node], self.relations[node])
        return expression


@cache
def solutions(expression: Any, symbol: Any) -> tuple[Any, ...]:
    """The zeros of an expression; none if SymPy does not find any."""
    try:
        return tuple(sympy.solve(expression, symbol))
    except NotImplementedError:
        return ()


def is_power(relation: Any) -> bool:
    """Whether a relation is x², x³ and so on."""
    base, exponent = (sympy.S.One if relation is None else relation).as_base_exp()
    return bool(base.is_Symbol and exponent.is_Integer and exponent > 1)


def variables(expression: Any) -> set[Any]:
    """The symbols in an expression that stand for no constant."""
    return {s for s in expression.free_symbols if value_of(s) is None}


def local_slopes(node: Node, operands: Sequence[Any]) -> list[Any]:
    """The derivative of a row with respect to each of its inputs, as an expression of the inputs alone."""
    dummies = [sympy.Dummy(real=True, positive=getattr(o, "is_positive", None) or None) for o in operands]
    form = applied_form(node, *[o if o.is_number else d for o, d in zip(operands, dummies, strict=True)])
    back = dict(zip(dummies, operands, strict=True))
    slopes = [0 if o.is_number else sympy.diff(form, d) for o, d in zip(operands, dummies, strict=True)]
    return [sympy.powsimp(slope).subs(back) for slope in slopes]  # c^(p − 1), not c^p / c


def pieces(graph: Pointwise, points: Mapping[Node, Any] | None = None) -> list[tuple[Piece, list[int]]]:
    """All pieces that points come to, by default the sample of the graph, each with the places of its points there.

    Raises NoFormError.
    """
    values = graph.at(graph.sample if points is None else points)
    found: dict[tuple[Any, ...], tuple[Piece, list[int]]] = {}
    for i in range(len(values[graph.output])):
        piece = graph.piece({node: values[node][i] for node in graph.nodes})
        found.setdefault(piece.key, (piece, []))[1].append(i)
    return list(found.values())
