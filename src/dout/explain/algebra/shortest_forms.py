"""The shortest form of a derivative: by the output alone, by an input, or with one kept value more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sympy

from dout.explain.algebra.calculus import INVERSES
from dout.explain.algebra.pieces import Piece, value_of
from dout.explain.algebra.sympy_terms import term
from dout.explain.terms.terms import Term
from dout.explain.terms.walk import length
from dout.graph import CONSTANT, Node

MOST_KEPT = 12  # values in between that may be kept are tried up to so many
MOST_OPERATIONS = 60  # longer expressions stay as they came
MOST_SOLVED = 12  # operations of an equation that is solved for the input
MUCH_LONGER = 2.5  # an expression that is so many times longer than another is not worth a second look
NEAR = 1e-7
LARGE = 1e6  # slopes beyond it say little in float64


@dataclass(frozen=True, eq=False)
class ShortForm:
    """A derivative as an expression of the symbols of a few nodes."""

    expression: Any
    term: Term
    uses: tuple[Node, ...]

    @property
    def length(self) -> int:
        """The number of symbols and operators; a hyperbolic cosine is hardly simpler than what it stands for."""
        return length(self.term) + 3 * bool(self.expression.has(sympy.cosh, sympy.sinh))


def reached(piece: Piece, kept: Sequence[Node]) -> dict[Any, Any]:
    """The symbols of all nodes that follow from those of the nodes `kept`, as expressions of these.

    Forward by what a node computes, and back through each row that can be inverted: from y = 1 / c follows c = 1 / y.
    """
    symbols = piece.graph.symbols
    known = {symbols[node]: symbols[node] for node in kept}
    while any(_forward(known, symbols[node], relation) for node, relation in piece.relations.items()) or any(
        _back(known, piece, node)
        for node in reversed(list(piece.relations))  # the latest first: x = y / s, not σ⁻¹(s)
    ):
        pass
    return known


def _forward(known: dict[Any, Any], symbol: Any, relation: Any) -> bool:
    if symbol in known or not _variables(relation) <= known.keys():
        return False
    known[symbol] = relation.subs(known)
    return True


def _back(known: dict[Any, Any], piece: Piece, node: Node) -> bool:
    symbol = piece.graph.symbols[node]
    if symbol not in known:
        return False
    relation = piece.relations[node]
    for taken, sign in ((relation, 1), (-relation, -1)):  # a switch is one of its inputs, maybe negated
        if taken.is_Symbol:
            return taken not in known and known.setdefault(taken, sign * known[symbol]) is not None
    operands = [piece.graph.symbols[i] for i in node.inputs]
    missing = [i for i, operand in enumerate(operands) if not _variables(operand) <= known.keys()]
    inverses = INVERSES.get(node.primitive, ())
    if len(missing) != 1 or missing[0] >= len(inverses) or len(set(operands)) < len(operands):
        return False
    inverse = inverses[missing[0]]
    if inverse is None:
        return False
    others = [known.get(o, o) for i, o in enumerate(operands) if i != missing[0]]
    known[operands[missing[0]]] = inverse(known[symbol], *others)
    return True


def _variables(expression: Any) -> set[Any]:
    return {s for s in expression.free_symbols if value_of(s) is None}


def choices(piece: Piece) -> Iterator[tuple[Node, ...]]:
    """Sets of nodes that may be kept: the output, the inputs, and one value more; numbers of the layer go with all."""
    graph = piece.graph
    numbers = tuple(node for node in graph.numbers if node in graph.symbols)
    between = [node for node in graph.nodes if node in piece.relations and node is not graph.output][-MOST_KEPT:]
    yield (graph.output, *numbers)
    yield (*graph.inputs, *numbers)
    for node in between:
        yield (node, *numbers)
    for one in (*graph.inputs,):
        yield (one, graph.output, *numbers)
    for node in between:
        yield (*graph.inputs, node, *numbers)
        yield (graph.output, node, *numbers)
        yield (*graph.inputs, graph.output, node, *numbers)


def forms(piece: Piece, of: Node, names: Mapping[Any, Term], values: Mapping[Node, Any]) -> list[ShortForm]:
    """Short forms of the derivative with respect to an input, the shortest first; each holds at the points of `values`.

    `names` says how the symbols of nodes are called; nodes without a name may not be kept.
    """
    slope = piece.derivative(of)
    symbols = piece.graph.symbols
    expected = _evaluated(slope, symbols, values)
    found: dict[Term, ShortForm] = {}
    least = math.inf
    seen: set[Any] = set()
    for kept in choices(piece):
        known = reached(piece, kept) if all(symbols[node] in names for node in kept) else {}
        if not _variables(slope) <= known.keys():
            continue
        raw = slope.subs(known)
        operations = sympy.count_ops(raw)
        if raw in seen or operations > MUCH_LONGER * least:
            continue
        seen.add(raw)
        least = min(least, operations)
        for expression in _spellings(raw):
            _enter(found, expression, kept, piece, names, values, expected)
    for expression in _by_solving(piece, slope):
        _enter(found, expression, (piece.graph.output,), piece, names, values, expected)
    return sorted(found.values(), key=lambda form: (form.length, len(form.uses)))


def _enter(
    found: dict[Term, ShortForm], expression: Any, kept: Sequence[Node], piece: Piece, names: Mapping[Any, Term],
    values: Mapping[Node, Any], expected: Any,
) -> None:  # fmt: skip
    """Keep an expression among the forms found, if it holds."""
    symbols = piece.graph.symbols
    if _holds(expression, symbols, values, expected):
        made = term(expression, names)
        used = tuple(node for node in kept if symbols[node] in expression.free_symbols)
        found.setdefault(made, ShortForm(expression, made, used))


def _by_solving(piece: Piece, slope: Any) -> Iterator[Any]:
    """The slope by the output, where the output is an algebraic function of its one input: y = x / √(1 + x²)."""
    graph = piece.graph
    if len(graph.inputs) != 1 or graph.numbers:
        return
    x, y = graph.symbols[graph.inputs[0]], graph.symbols[graph.output]
    written = piece.written_out(y)
    if x not in written.free_symbols or sympy.count_ops(written) > MOST_SOLVED or not written.is_algebraic_expr(x):
        return
    try:
        solutions = sympy.solve(sympy.Eq(y, written), x)
    except NotImplementedError:
        return
    for solution in solutions[:2]:
        yield from _spellings(piece.written_out(slope).subs(x, solution))
        yield sympy.simplify(piece.written_out(slope).subs(x, solution))


def _spellings(expression: Any) -> Iterator[Any]:
    """Equal expressions: as it came, expanded, as one fraction, factored, and with common factors collected."""
    yield expression
    if sympy.count_ops(expression) > MOST_OPERATIONS:
        return
    seen = {expression}
    expanded = sympy.expand(expression)
    ways = [lambda: expanded, lambda: sympy.cancel(expression), lambda: sympy.factor(expression)]
    ways += [partial(sympy.collect, expanded, s) for s in sorted(expanded.free_symbols, key=str)[:3]]
    if expression.has(sympy.tanh, sympy.cosh, sympy.sinh, sympy.sin, sympy.cos) and sympy.count_ops(expression) <= 12:
        ways.append(lambda: sympy.trigsimp(expression))
    for way in ways:
        try:
            other = way()
        except (sympy.PolynomialError, NotImplementedError, TypeError):
            continue
        if other not in seen:
            seen.add(other)
            yield other


_NUMERIC = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "erf": np.vectorize(math.erf, otypes=[float]),
    "erfc": np.vectorize(math.erfc, otypes=[float]),
}


def _evaluated(expression: Any, symbols: Mapping[Node, Any], values: Mapping[Node, Any]) -> Any:
    """The value of an expression at all points, in float64."""
    used = [(node, s) for node, s in symbols.items() if s in expression.free_symbols and node.primitive is not CONSTANT]
    constants = {s: value_of(s) for s in expression.free_symbols if value_of(s) is not None}
    function = sympy.lambdify([s for _, s in used], expression.subs(constants), [_NUMERIC, "numpy"])
    with np.errstate(all="ignore"):
        return np.broadcast_to(function(*(values[node] for node, _ in used)), np.shape(next(iter(values.values()))))


def _holds(expression: Any, symbols: Mapping[Node, Any], values: Mapping[Node, Any], expected: Any) -> bool:
    """Whether an expression has the expected values at all points at which those are finite."""
    if expression.has(sympy.zoo, sympy.nan, sympy.I):
        return False
    try:
        got = _evaluated(expression, symbols, values)
    except (TypeError, NameError, AttributeError, ZeroDivisionError):
        return False
    known = np.isfinite(expected) & (np.abs(expected) < LARGE)
    if np.iscomplexobj(got) or not np.all(np.isfinite(got[known])):
        return False
    return bool(np.all(np.abs(got[known] - expected[known]) <= NEAR * (1 + np.abs(expected[known]))))
