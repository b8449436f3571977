"""The derivative of an elementwise layer: one short formula, or one a piece, and whether the output alone is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from dout.explain.algebra.exact_values import equal, points_in
from dout.explain.algebra.pieces import Piece, Pointwise, pieces, value_of
from dout.explain.algebra.shortest_forms import ShortForm, forms
from dout.explain.algebra.sympy_terms import length, term
from dout.explain.terms.terms import Cases, Compare, Term
from dout.grad import backpropagate
from dout.graph import INPUT, Node, topological
from dout.judge.ball_values import Balls

FAR = 1e4  # where the range of y is looked at besides the sample
MOST_FORMS = 40


@dataclass(frozen=True, eq=False)
class Derivative:
    """The derivative of an elementwise layer with respect to one input: the factor that meets the upstream gradient.

    `uses` are the nodes that it is made of. `by_output` says that the output alone is enough. `shortest` holds short
    forms with other uses: what else might be kept.
    """

    term: Term
    uses: tuple[Node, ...]
    by_output: bool
    others: tuple[Term, ...] = ()


@dataclass(frozen=True, eq=False)
class _Region:
    """A piece, the points of the sample that lie in it, and short forms of the derivative there, shortest first."""

    piece: Piece
    places: Sequence[int]
    forms: list[ShortForm]

    def by(self, output: Node) -> ShortForm | None:
        return next((form for form in self.forms if set(form.uses) <= {output}), None)


def derivative(graph: Pointwise, of: Node, names: Mapping[Node, Term]) -> Derivative | None:
    """The shortest derivative of a graph with respect to an input; None where none was found that is exactly right.

    `names` says how nodes are called; those without a name are written out. Raises NoFormError.
    """
    called = {graph.symbols[node]: item for node, item in names.items() if node in graph.symbols}
    values = graph.at(graph.sample)
    regions = []
    for piece, places in pieces(graph):
        here = {node: column[places] for node, column in values.items()}
        found = forms(piece, of, called, here)[:MOST_FORMS]
        regions.append(_Region(piece, places, [form for form in found if _is_exact(graph, form, of, places)]))
    if not all(region.forms for region in regions):
        return None
    whole = _common(regions)
    if whole is not None:
        alone = next((f for f in _shared(regions) if set(f.uses) <= {graph.output}), None)
        chosen = alone if alone is not None and alone.length <= whole.length + 1 else whole
        return Derivative(chosen.term, chosen.uses, alone is not None)
    return _by_cases(graph, of, called, regions, values)


def _is_exact(graph: Pointwise, form: ShortForm, of: Node, places: Sequence[int]) -> bool:
    """Whether a form equals the gradient that the rows of the graph give, in exact arithmetic."""
    generator = np.random.default_rng(2)
    shape = of.shape or ()
    chosen = points_in(places, graph.sample, shape, generator)
    given: dict[Node, Any] = {
        node: np.asarray(item, float)[()] if shape else float(item) for node, item in chosen.items()
    }
    given |= {n: np.full(n.shape, graph.numbers[n])[()] for n in graph.nodes if n.primitive is INPUT and n not in given}
    seed = Node(INPUT, (), {}, graph.output.shape, graph.output.dtype)
    gradient = backpropagate({graph.output: seed}).of.get(of)
    balls = Balls({**given, seed: np.ones(graph.output.shape)[()]})
    wanted = [gradient] if gradient is not None else []
    balls.compute(topological([graph.output, *wanted], known=balls.values))
    count = int(np.prod(shape)) if shape else 1
    columns = {graph.symbols[n]: _column(balls.values[n], shape) for n in graph.nodes if n in form.uses}
    expected = _column(balls.values[gradient], shape) if gradient is not None else [0] * count
    return equal(form.expression, columns, expected)


def _column(value: Any, shape: tuple[int, ...]) -> list[Any]:
    return np.broadcast_to(np.asarray(value, dtype=object), shape).ravel().tolist()


def _shared(regions: list[_Region]) -> Iterator[ShortForm]:
    """Forms that hold in every region, shortest first."""
    others = [{form.term for form in region.forms} for region in regions[1:]]
    return (form for form in regions[0].forms if all(form.term in known for known in others))


def _common(regions: list[_Region]) -> ShortForm | None:
    return next(_shared(regions), None)


# --- one formula a piece ----------------------------------------------------------------------------------------------


def _by_cases(
    graph: Pointwise, of: Node, called: Mapping[Any, Term], regions: list[_Region], values: Mapping[Node, Any]
) -> Derivative | None:
    by_output = [region.by(graph.output) for region in regions]
    alone = all(by_output) and _told_apart_by(graph, regions, by_output, values)
    chosen = [region.forms[0] for region in regions]
    if alone and sum(f.length for f in by_output if f) <= sum(f.length for f in chosen) + len(chosen):
        chosen = [form for form in by_output if form]
    made = _cases(graph, called, regions, [form.term for form in chosen])
    if made is None:
        return None
    uses = tuple(dict.fromkeys(node for form in chosen for node in form.uses))
    return Derivative(made, uses, alone)


def _told_apart_by(
    graph: Pointwise, regions: list[_Region], found: Sequence[ShortForm | None], values: Mapping[Node, Any]
) -> bool:
    """Whether the output says in which region a point lies, wherever that makes a difference."""
    if len(graph.inputs) != 1:
        return False
    far = graph.at({graph.inputs[0]: np.array([-FAR, FAR])})[graph.output]
    ranges = []
    for region, form in zip(regions, found, strict=True):
        seen = list(values[graph.output][region.places])
        seen += [far[0]] * (0 in region.places) + [far[1]] * (len(values[graph.output]) - 1 in region.places)
        known = [item for item in seen if not np.isnan(item)]
        if not known:
            return False
        ranges.append((form.term if form else None, min(known), max(known)))
    return all(
        one is other or one[0] == other[0] or one[2] <= other[1] or other[2] <= one[1]
        for one in ranges
        for other in ranges
    )


def _cases(graph: Pointwise, called: Mapping[Any, Term], regions: list[_Region], terms: Sequence[Term]) -> Term | None:
    """The terms with the conditions under which they hold; the last, or the one that holds most often, otherwise."""
    if len(graph.inputs) == 1:
        return _on_intervals(graph, called, regions, terms)
    conditions = {(left, right) for region in regions for left, right in region.piece.conditions}
    if len(conditions) != 1 or len(set(terms)) != 2:
        return None
    ((left, right),) = conditions
    first = regions[0]
    values = graph.at(graph.sample)
    place = first.places[0]
    numbers = {graph.symbols[node]: values[node][place] for node in graph.nodes}
    above = float((left - right).subs(numbers)) > 0
    words = Compare(
        term(first.piece.written_out(left), called), ">" if above else "≤", term(first.piece.written_out(right), called)
    )
    return Cases(((terms[0], words),), terms[1])


def _on_intervals(
    graph: Pointwise, called: Mapping[Any, Term], regions: list[_Region], terms: Sequence[Term]
) -> Term | None:
    (x,) = graph.inputs
    line = graph.sample[x]
    which = np.empty(len(line), int)
    for i, region in enumerate(regions):
        which[region.places] = [j for j, item in enumerate(terms) if item == terms[i]][0]
    runs = [0, *(np.flatnonzero(np.diff(which)) + 1), len(line)]
    bounds = [_boundary(graph, regions, line[end - 1], line[end]) for end in runs[1:-1]]
    if any(bound is None for bound in bounds):
        return None
    edges = [None, *bounds, None]
    intervals = [(terms[which[start]], edges[i], edges[i + 1]) for i, start in enumerate(runs[:-1])]
    last = _rest(intervals)
    pieces = [(item, _within(graph, called, low, high)) for item, low, high in intervals if item != last]
    return Cases(tuple(pieces), last)


def _rest(intervals: Sequence[tuple[Term, Any, Any]]) -> Term:
    """The term that stands without a condition: the one with most intervals, then the shortest."""
    found = [item for item, _, _ in intervals]
    return max(found, key=lambda item: (found.count(item), -length(item), found.index(item) == 0))


def _within(graph: Pointwise, called: Mapping[Any, Term], low: Any, high: Any) -> Term:
    x = called[graph.symbols[graph.inputs[0]]]
    above = Compare(x, ">", term(low, called)) if low is not None else None
    below = Compare(x, "<", term(high, called)) if high is not None else None
    if above is not None and below is not None:
        return Compare(Compare(term(low, called), "<", x), "∧", below)
    found = above or below
    assert found is not None, "an interval without bounds is the whole line"
    return found


def _boundary(graph: Pointwise, regions: list[_Region], low: float, high: float) -> Any:
    """The place between two points at which a condition of a switch turns, as an expression of the layer's numbers."""
    symbol = graph.symbols[graph.inputs[0]]
    numbers = {graph.symbols[node]: item for node, item in graph.numbers.items() if node in graph.symbols}
    for region in regions:
        for left, right in region.piece.conditions:
            difference = region.piece.written_out(left - right)
            if symbol not in difference.free_symbols:
                continue
            for found in _roots(difference, symbol):
                constants = {s: value_of(s) for s in found.free_symbols if value_of(s) is not None}
                place = found.subs(constants).subs(numbers)
                if place.is_number and low - 1e-9 <= float(place) <= high + 1e-9:
                    return found
    return None


def _roots(difference: Any, symbol: Any) -> list[Any]:
    try:
        found = sympy.solve(difference, symbol)
    except NotImplementedError:
        return []
    return [root for root in found if root.is_real is not False]
