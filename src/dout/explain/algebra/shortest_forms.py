"""The shortest form of a derivative: by the output alone, by an input, or with one kept value more."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sympy

from dout.explain.algebra.calculus import LOGIT, TAUGHT, inverted, root, sigmoid, softplus, switches
from dout.explain.algebra.known_constants import value_of
from dout.explain.algebra.pieces import Piece, is_power, solutions, variables
from dout.explain.algebra.sympy_terms import term
from dout.explain.terms.terms import Symbol, Term
from dout.explain.terms.walk import length
from dout.graph import CONSTANT, INPUT, Node

MOST_KEPT = 12  # values in between that may be kept are tried up to so many
MANY = 25  # operations of an expression that hardly gets short
MOST_TERMS = 6  # of a sum in which common factors are looked for
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

    unseen: int = 0  # symbols of what a reader has to look up: functions that are new, and letters' values

    @property
    def length(self) -> int:
        """The number of symbols and operators; what a reader has to look up counts more."""
        return length(self.term) + self.unseen


def reached(piece: Piece, kept: Sequence[Node], *, back_first: bool = False) -> dict[Any, Any]:
    """The symbols of all nodes that follow from those of the nodes `kept`, as expressions of these.

    Forward by what a node computes, and back through each row that can be inverted: from y = 1 / c follows c = 1 / y.
    """
    symbols = piece.graph.symbols
    known = {symbols[node]: symbols[node] for node in kept}

    def forward() -> bool:
        return any(_forward(known, piece, node) for node in piece.relations)

    def back() -> bool:
        return any(_back(known, piece, node) for node in reversed(list(piece.relations)))  # the latest first

    while (back() or forward()) if back_first else (forward() or back()):
        pass
    return known


def _forward(known: dict[Any, Any], piece: Piece, node: Node) -> bool:
    symbol = piece.graph.symbols[node]
    if symbol in known or not piece.variables[node] <= known.keys():
        return False
    known[symbol] = piece.relations[node].xreplace({s: known[s] for s in piece.variables[node]})
    return True


def _back(known: dict[Any, Any], piece: Piece, node: Node) -> bool:
    symbol = piece.graph.symbols[node]
    if symbol not in known:
        return False
    relation = piece.relations[node]
    for taken, sign in ((relation, 1), (-relation, -1)):  # a switch is one of its inputs, maybe negated
        if taken.is_Symbol:
            return taken not in known and known.setdefault(taken, sign * known[symbol]) is not None
    if is_power(relation):
        base, exponent = relation.as_base_exp()
        return base not in known and known.setdefault(base, root(known[symbol], exponent)) is not None
    operands = [piece.graph.symbols[i] for i in node.inputs]
    missing = [i for i, operand in enumerate(operands) if not variables(operand) <= known.keys()]
    if len(missing) != 1 or len(set(operands)) < len(operands):
        return False
    unknown = operands[missing[0]]
    given = relation.xreplace({o: known[o] for o in operands if o in known})
    found = sigmoid(known[symbol]) if node.primitive in LOGIT else inverted(given, unknown, known[symbol])
    return found is not None and known.setdefault(unknown, found) is not None


def choices(piece: Piece, names: Mapping[Any, Term]) -> Iterator[tuple[Node, ...]]:
    """Sets of nodes that may be kept: the output, the inputs, and one value more; numbers of the layer go with all."""
    graph = piece.graph
    numbers = tuple(node for node in graph.numbers if node in graph.symbols)
    steps = [node for node in graph.nodes if node in piece.relations and node is not graph.output]
    between = [node for node in steps if not _is_multiple(piece, node, names)][-MOST_KEPT:]
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


def _is_multiple(piece: Piece, node: Node, names: Mapping[Any, Term]) -> bool:
    """Whether a value without a name is another one plus or times numbers, and tells no more: x / 2, 1 + tanh(x)."""
    if isinstance(names.get(piece.graph.symbols[node]), Symbol) or switches(node.primitive):
        return False
    free = piece.variables[node] - {piece.graph.symbols[number] for number in piece.graph.numbers}
    return len(free) == 1 and not sympy.diff(piece.relations[node], *free).free_symbols & free


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
        if not variables(slope) <= known.keys():
            continue
        raw = slope.xreplace({s: known[s] for s in variables(slope)})
        operations = sympy.count_ops(raw)
        if raw in seen or (operations > least * (MUCH_LONGER if least < MANY else 1) and len(kept) > 1):
            continue
        seen.add(raw)
        least = min(least, operations)
        for expression in _spellings(raw):
            _enter(found, expression, kept, piece, names, values, expected)
    output = piece.graph.output
    enough = (output, *piece.graph.numbers)
    for solved in () if any(set(form.uses) <= set(enough) for form in found.values()) else _by_solving(piece, slope):
        spelled = itertools.chain(*map(_spellings, solved))
        if sum(_enter(found, one, enough, piece, names, values, expected) for one in spelled):
            break
    sign = 1 if np.all(values[output] >= 0) else -1 if np.all(values[output] <= 0) else 0
    for form in [form for form in found.values() if sign and symbols[output] in form.expression.free_symbols]:
        by_size = form.expression.subs(symbols[output], sign * sympy.Abs(symbols[output]))
        _enter(found, by_size, form.uses, piece, names, values, expected)
    return sorted(found.values(), key=lambda form: (form.length, form.unseen, len(form.uses)))


def finite(found: Sequence[ShortForm], piece: Piece, of: Node, values: Mapping[Node, Any]) -> list[ShortForm]:
    """The forms that have a value at points at which the derivative has one: y / x has none where x is 0."""
    symbols = piece.graph.symbols
    known = np.isfinite(_evaluated(piece.derivative(of), symbols, values)) & np.isfinite(values[piece.graph.output])
    return [f for f in found if np.all(np.isfinite(_evaluated(f.expression, symbols, values)) | ~known)]


def _known(piece: Piece, names: Mapping[Any, Term]) -> Iterator[tuple[tuple[Node, ...], dict[Any, Any]]]:
    """Sets of nodes that may be kept, with the values that follow from each: forward, back, and the shorter of both."""
    for kept in choices(piece, names):
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
) -> bool:  # fmt: skip
    """Keep an expression among the forms found, if it holds."""
    symbols = piece.graph.symbols
    holds = _holds(expression, symbols, values, expected, values[piece.graph.output])
    if holds:
        made = term(expression, names)
        used = tuple(node for node in kept if symbols[node] in expression.free_symbols)
        unseen = STRANGE * len({f for f in TAUGHT if expression.has(f)} - piece.functions)
        unseen += sum(piece.graph.hidden.get(node, 0) for node in used)
        found.setdefault(made, ShortForm(expression, made, used, unseen))
    return holds


def _by_solving(piece: Piece, slope: Any) -> Iterator[tuple[Any, ...]]:
    """Spellings of the slope by the output, where that is an algebraic function of one value v, and so is the slope.

    So it is of y = x / √(1 + x²) with v = x, and of y = e / (1 + e) with v = e.
    """
    graph, symbols = piece.graph, piece.graph.symbols
    if len(graph.inputs) != 1:
        return
    numbers = tuple(node for node in graph.numbers if node in symbols)
    free = {symbols[node] for node in numbers}
    known = reached(piece, (graph.output, *numbers))
    told = [node for node in reversed(list(piece.relations)) if symbols[node] in known][:MOST_TOLD]
    for to in (*graph.inputs, *piece.relations):
        v = symbols[to]
        by_one = reached(piece, (to, *numbers))
        steep = slope.subs({s: item for s, item in by_one.items() if s not in known})
        for w in [symbols[node] for node in told if symbols[node] in by_one]:
            written = by_one[w]
            simple = v is not w and sympy.count_ops(written) <= MOST_SOLVED and variables(written) - free == {v}
            if not simple or not variables(steep) <= {v, *known} or not _has_short_solution(w - written, v):
                continue
            for solution in solutions(w - written, v)[:2]:
                by_output = steep.subs(v, solution).subs(known)
                short = sympy.count_ops(by_output) <= MOST_SIMPLIFIED
                yield (by_output, sympy.simplify(by_output)) if short else (by_output,)


def _spellings(expression: Any) -> Iterator[Any]:
    """Equal expressions: as it came, expanded, as one fraction, factored, and with factors taken out of some terms."""
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
    powers = (power for power in expression.atoms(sympy.Pow) if power.free_symbols)
    roots = {power for power in powers if power.exp.is_Rational and not power.exp.is_Integer}
    if roots:
        ways.append(lambda: expression.subs({root: _turned(root) for root in roots}))
        ways.append(lambda: sympy.expand(sympy.Add(*map(sympy.radsimp, sympy.Add.make_args(expression)))))
    sums = [one for one in (expression, expanded) if len(sympy.Add.make_args(one)) in range(3, MOST_TERMS + 1)]
    ways += [partial(_grouped, one) for one in sums]
    if expression.has(sympy.cosh, sympy.sinh, sympy.sin, sympy.cos) and sympy.count_ops(expression) <= 12:
        ways.append(lambda: sympy.trigsimp(expression))
    for way in ways:
        try:
            other = way()
        except (sympy.PolynomialError, NotImplementedError, TypeError):
            continue
        if other not in seen:
            seen.add(other)
            yield other


def _has_short_solution(equation: Any, v: Any) -> bool:
    """Whether an equation is a quadratic one, or has roots of more than v alone."""
    if not equation.is_algebraic_expr(v):
        return False
    roots = [one for one in equation.atoms(sympy.Pow) if one.has(v) and not one.exp.is_Integer]
    above = sympy.fraction(sympy.together(equation))[0]
    return all(root.base != v for root in roots) if roots else sympy.degree(above, v) <= 2


def _turned(root: Any) -> Any:
    """A root of 1 / z as 1 over a root."""
    above, below = sympy.fraction(root.base)
    return (below / above) ** -root.exp if above in (1, -1) else root


def _grouped(expression: Any) -> Any:
    """A sum with common factors taken out of some of its terms: (1 + t) / 2 + x · (1 − t²) · (1 + x²)."""
    terms = list(expression.args)
    while len(terms) > 1:
        pairs = {pair: sympy.factor_terms(sympy.Add(*pair)) for pair in itertools.combinations(terms, 2)}
        shorter = {pair: _size(one) - sum(map(_size, pair)) for pair, one in pairs.items() if one.is_Mul}
        if not shorter:
            break
        best = min(shorter, key=lambda pair: shorter[pair])
        terms = [pairs[best], *(term for term in terms if term not in best)]
    return sympy.Add(*terms, evaluate=False)


def _size(expression: Any) -> int:
    return sum(1 for _ in sympy.preorder_traversal(expression))


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
