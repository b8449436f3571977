"""The shortest form of a derivative: by the output alone, by an input, or with one kept value more."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sympy

from dout.explain.algebra.calculus import INVERSES, TAUGHT, sigmoid, softplus
from dout.explain.algebra.known_constants import value_of
from dout.explain.algebra.pieces import Piece
from dout.explain.algebra.sympy_terms import term
from dout.explain.terms.terms import Term
from dout.explain.terms.walk import length
from dout.graph import CONSTANT, INPUT, Node

MOST_KEPT = 12  # values in between that may be kept are tried up to so many
MANY = 25  # operations of an expression that hardly gets short
MOST_OPERATIONS = 60  # longer expressions stay as they came
MOST_TOLD = 3  # values that the output tells of, from which an equation may start
MOST_SIMPLIFIED = 30
MOST_SOLVED = 12  # operations of an equation that is solved for the input
MUCH_LONGER = 2.5  # an expression that is so many times longer than another is not worth a second look
NEAR = 1e-7
STRANGE = 3
LARGE = 1e6  # slopes beyond it say little in float64


@dataclass(frozen=True, eq=False)
class ShortForm:
    """A derivative as an expression of the symbols of a few nodes."""

    expression: Any
    term: Term
    uses: tuple[Node, ...]

    strange: int = 0  # functions that neither the layer nor its derivative has, and values that only a letter names

    @property
    def length(self) -> int:
        """The number of symbols and operators; a function that is new to the reader counts more."""
        return length(self.term) + STRANGE * self.strange


def reached(piece: Piece, kept: Sequence[Node], *, back_first: bool = False) -> dict[Any, Any]:
    """The symbols of all nodes that follow from those of the nodes `kept`, as expressions of these.

    Forward by what a node computes, and back through each row that can be inverted: from y = 1 / c follows c = 1 / y.
    """
    symbols = piece.graph.symbols
    known = {symbols[node]: symbols[node] for node in kept}

    def forward() -> bool:
        return any(_forward(known, symbols[node], relation) for node, relation in piece.relations.items())

    def back() -> bool:
        return any(_back(known, piece, node) for node in reversed(list(piece.relations)))  # the latest first

    while (back() or forward()) if back_first else (forward() or back()):
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
    for kept, known in _known(piece, names):
        if not _variables(slope) <= known.keys():
            continue
        raw = slope.subs(known)
        operations = sympy.count_ops(raw)
        if raw in seen or (operations > least * (MUCH_LONGER if least < MANY else 1) and len(kept) > 1):
            continue
        seen.add(raw)
        least = min(least, operations)
        for expression in _spellings(raw):
            _enter(found, expression, kept, piece, names, values, expected)
    for expression in _by_solving(piece, slope):
        _enter(found, expression, (piece.graph.output, *piece.graph.numbers), piece, names, values, expected)
    return sorted(found.values(), key=lambda form: (form.length, len(form.uses)))


def finite(found: Sequence[ShortForm], piece: Piece, of: Node, values: Mapping[Node, Any]) -> list[ShortForm]:
    """The forms that have a value at points at which the derivative has one: y / x has none where x is 0."""
    symbols = piece.graph.symbols
    known = np.isfinite(_evaluated(piece.derivative(of), symbols, values)) & np.isfinite(values[piece.graph.output])
    return [f for f in found if np.all(np.isfinite(_evaluated(f.expression, symbols, values)) | ~known)]


def _known(piece: Piece, names: Mapping[Any, Term]) -> Iterator[tuple[tuple[Node, ...], dict[Any, Any]]]:
    """Sets of nodes that may be kept, with the values that follow from each: forward, back, and the shorter of both."""
    for kept in choices(piece):
        if all(piece.graph.symbols[node] in names for node in kept):
            forward = reached(piece, kept)
            yield kept, forward
            if piece.graph.output in kept and len(kept) > 1:
                back = reached(piece, kept, back_first=True)
                yield kept, back
                both = (forward, back)
                yield kept, {s: min((k[s] for k in both if s in k), key=sympy.count_ops) for s in forward | back}


def _enter(
    found: dict[Term, ShortForm], expression: Any, kept: Sequence[Node], piece: Piece, names: Mapping[Any, Term],
    values: Mapping[Node, Any], expected: Any,
) -> None:  # fmt: skip
    """Keep an expression among the forms found, if it holds."""
    symbols = piece.graph.symbols
    if _holds(expression, symbols, values, expected, values[piece.graph.output]):
        made = term(expression, names)
        used = tuple(node for node in kept if symbols[node] in expression.free_symbols)
        strange = len({f for f in TAUGHT if expression.has(f)} - piece.functions)
        found.setdefault(made, ShortForm(expression, made, used, strange))


def _by_solving(piece: Piece, slope: Any) -> Iterator[Any]:
    """The slope by the output, where that is an algebraic function of one value v, and so is the slope.

    So it is of y = x / √(1 + x²) with v = x, and of y = e / (1 + e) with v = e.
    """
    graph, symbols = piece.graph, piece.graph.symbols
    if len(graph.inputs) != 1:
        return
    numbers = tuple(node for node in graph.numbers if node in symbols)
    free = {symbols[node] for node in numbers}
    known = reached(piece, (graph.output, *numbers))
    told = [node for node in reversed(list(piece.relations)) if symbols[node] in known][:MOST_TOLD]
    for from_, to in ((w, v) for w in told for v in (*graph.inputs, *piece.relations)):
        v, w = symbols[to], symbols[from_]
        written, steep = piece.written_out(w, (to,)), piece.written_out(slope, (to, *told))
        simple = v is not w and sympy.count_ops(written) <= MOST_SOLVED and _variables(written) - free == {v}
        if not simple or not _variables(steep) <= {v, *known} or not written.is_algebraic_expr(v):
            continue
        try:
            solutions = sympy.solve(sympy.Eq(w, written), v)
        except NotImplementedError:
            continue
        for solution in solutions[:2]:
            by_output = steep.subs(v, solution).subs(known)
            yield from _spellings(by_output)
            if sympy.count_ops(by_output) <= MOST_SIMPLIFIED:
                yield sympy.simplify(by_output)


def _spellings(expression: Any) -> Iterator[Any]:
    """Equal expressions: as it came, expanded, as one fraction, factored, and with common factors collected."""
    yield expression
    if sympy.count_ops(expression) > MOST_OPERATIONS:
        return
    seen = {expression}
    expanded = sympy.expand(expression)
    ways: list[Callable[[], Any]] = [
        lambda: expanded,
        lambda: sympy.cancel(expression),
        lambda: sympy.factor(expression),
    ]
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


_ERF = np.vectorize(math.erf, otypes=[float])
_NUMERIC: Mapping[Any, Callable[..., Any]] = {
    sympy.Add: lambda *terms: functools.reduce(np.add, terms),
    sympy.Mul: lambda *factors: functools.reduce(np.multiply, factors),
    sympy.Pow: lambda x, y: np.power(np.asarray(x, float), y),
    sympy.exp: np.exp,
    sympy.log: np.log,
    sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    softplus: lambda x: np.logaddexp(0, x),
    sympy.erf: _ERF,
    sympy.erfc: lambda x: 1 - _ERF(x),
    sympy.Abs: np.abs,
    sympy.sign: np.sign,
    **{getattr(sympy, f): getattr(np, f) for f in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{
        getattr(sympy, f"a{f[3:]}"): getattr(np, f)
        for f in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")
    },
}


def _value(expression: Any, given: Mapping[Any, Any]) -> Any:
    """The value of an expression in float64. Raises TypeError for a function without a rule."""
    if expression in given:
        return given[expression]
    if expression.is_Symbol:
        return value_of(expression)
    if not expression.args:
        return float(expression)
    rule = _NUMERIC.get(expression.func)
    if rule is None:
        raise TypeError(f"no numbers of {expression.func}")
    return rule(*(_value(argument, given) for argument in expression.args))


def _evaluated(expression: Any, symbols: Mapping[Node, Any], values: Mapping[Node, Any]) -> Any:
    """The value of an expression at all points, in float64."""
    given = {s: np.asarray(values[node], float) for node, s in symbols.items() if node.primitive is not CONSTANT}
    with np.errstate(all="ignore"):
        found = _value(expression, given)
    return np.broadcast_to(np.asarray(found, float), np.shape(next(iter(values.values()))))


def _holds(
    expression: Any, symbols: Mapping[Node, Any], values: Mapping[Node, Any], expected: Any, output: Any
) -> bool:
    """Whether an expression has the expected values at all points at which those are finite."""
    if expression.has(sympy.zoo, sympy.nan, sympy.I):
        return False
    try:
        got = _evaluated(expression, symbols, values)
    except (TypeError, ZeroDivisionError):
        return False
    near = np.all([np.abs(item) < 1 for node, item in values.items() if node.primitive is INPUT], axis=0)
    known = np.isfinite(expected) & (np.abs(expected) < LARGE) & np.isfinite(output)
    known &= np.isfinite(got) | (expected != 0) | near  # y · log(y) where y has become 0, far away
    if not np.all(np.isfinite(got[known])):
        return False
    return bool(np.all(np.abs(got[known] - expected[known]) <= NEAR * (1 + np.abs(expected[known]))))
