"""The derivative of an elementwise layer: one short formula, or one a piece, and whether the output alone is enough."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from dout.explain.algebra.calculus import switches
from dout.explain.algebra.exact_values import equal
from dout.explain.algebra.known_constants import in_numbers
from dout.explain.algebra.pieces import Piece, Pointwise, pieces, solutions
from dout.explain.algebra.shortest_forms import ShortForm, finite, forms
from dout.explain.algebra.sympy_terms import term
from dout.explain.axes.term_values import constants_meant
from dout.explain.terms.terms import ZERO, Cases, Compare, FunctionCall, Symbol, Term, between, negated, product
from dout.explain.terms.walk import length, names_in
from dout.graph import Node, topological
from dout.judge.ball_values import Balls

FAR = 1e4  # where the range of y is looked at besides the sample
MOST_FORMS = 40
NEARBY = 1e-9
FEW = 4  # forms of a region that are tried in the others
CHECKED = 5  # points at which a form is compared
_OTHER_SIZES = (0.3, 1.7, 300.0)  # times a number of the layer
_OTHER_NUMBERS = (*_OTHER_SIZES, -1.3)
_Form = TypeVar("_Form", "Derivative", ShortForm)
MORE = 2  # symbols that a formula by the output may have more than another


@dataclass(frozen=True, eq=False)
class Derivative:
    """The derivative of an elementwise layer with respect to one input: the factor that meets the upstream gradient.

    `uses` are the nodes that it is made of. `by_output` says that the output alone is enough. `expression` is the
    formula for SymPy, in the symbols of the graph; None where it has cases. `by_inputs` is one made of the inputs
    alone, if there is one.
    """

    term: Term
    uses: tuple[Node, ...]
    by_output: bool
    expression: Any = None
    by_inputs: Term | None = None


@dataclass(frozen=True, eq=False)
class _Region:
    """A piece, the points of the sample that lie in it, and short forms of the derivative there, shortest first."""

    piece: Piece
    places: Sequence[int]
    forms: list[ShortForm]

    def by(self, graph: Pointwise) -> ShortForm | None:
        """The shortest form in the output and the layer's own numbers."""
        return next((form for form in self.forms if set(form.uses) <= {graph.output, *graph.numbers}), None)


def derivative(graph: Pointwise, of: Node, names: Mapping[Node, Term]) -> Derivative | None:
    """The shortest derivative of a graph with respect to an input; None where none was found that is exactly right.

    `names` says how nodes are called; those without a name are written out. Raises NoFormError.
    """
    checked = _Checked(graph, of, names)
    called = {graph.symbols[node]: item for node, item in names.items() if node in graph.symbols}
    values = graph.at(graph.sample)
    regions = []
    for piece, places in pieces(graph):
        here = {node: column[places] for node, column in values.items()}
        short = forms(piece, of, called, here)[:MOST_FORMS]
        short = _finite_forms(graph, of, piece, places[0], short)
        inside = [place for place in places if np.isfinite(values[graph.output][place])]
        regions.append(_Region(piece, places, [form for form in short if checked.holds(form.term, inside)]))
    if not all(region.forms for region in regions):
        return None
    by_output = [region.by(graph) for region in regions]
    alone = all(by_output) and _told_apart(graph, regions, by_output, values)
    shared = list(_shared(regions)) or _valid_everywhere(regions, checked)
    if graph.numbers and any(switches(node.primitive) for node in graph.nodes):  # a slope of 1 is none elsewhere
        shared = _most_general(shared[:FEW], graph, of, names)
    if shared:
        free = {graph.output, *graph.numbers}
        best = next((f for f in shared if set(f.uses) <= free and f.length <= shared[0].length + MORE), shared[0])
        given = names_in([names[node] for node in (*graph.inputs, *graph.numbers) if node in names])
        by_inputs = next((f.term for f in shared if names_in(f.term) <= given), None)
        return Derivative(best.term, best.uses, alone, best.expression, by_inputs)
    found = _by_cases(graph, called, regions, by_output if alone else ())
    right = [one for one in found if all(checked.holds(one.term, region.places) for region in regions)]
    return next(iter(_most_general(right, graph, of, names)), None)


def _finite_forms(graph: Pointwise, of: Node, piece: Piece, place: int, short: list[ShortForm]) -> list[ShortForm]:
    """The forms that are finite at 0 and ±1, wherever these lie in the piece and the derivative is finite."""
    for at in (0.0, 1.0, -1.0):
        values = graph.at({n: np.array([at if n is of else column[place]]) for n, column in graph.sample.items()})
        here = graph.piece({node: values[node][0] for node in graph.nodes})
        short = finite(short, piece, of, values) if here.key == piece.key else short
    return short


def _most_general(found: Sequence[_Form], graph: Pointwise, of: Node, names: Mapping[Node, Term]) -> list[_Form]:
    """The forms that hold with other numbers of the layer; if none, those that hold with other positive numbers."""
    for others in (_OTHER_NUMBERS, _OTHER_SIZES):
        if general := [one for one in found if _holds_with(one.term, graph, of, names, others)]:
            return general
    return []


def _holds_with(term: Term, graph: Pointwise, of: Node, names: Mapping[Node, Term], others: Sequence[float]) -> bool:
    """Whether a term with conditions is the derivative with other numbers of the layer, too.

    Of max(alpha · x, x) the slope is 1 where x > 0 only as long as alpha < 1.
    """
    free = [node for node in graph.numbers if node.kind == "f"]
    whole = [node for node in graph.numbers if node.kind in "iu"]
    for step, factor in enumerate(others if free or whole else (), 1):
        changed = {node: graph.numbers[node] * factor ** (i + 1) or factor for i, node in enumerate(free)}
        changed |= {node: graph.numbers[node] + step for node in whole}
        other = replace(graph, numbers={**graph.numbers, **changed})
        if not np.isfinite(other.at(other.sample)[other.output]).any():
            continue  # no layer has such a number
        checked = _Checked(other, of, names)
        if not all(checked.holds(term, places) for _, places in pieces(other)):
            return False
    return True


class _Checked:
    """Compares formulas with the gradient that the rows of a graph give, in exact arithmetic, at points of a sample."""

    def __init__(self, graph: Pointwise, of: Node, names: Mapping[Node, Term]) -> None:
        self.graph, self.gradient = graph, graph.element_gradient(of)
        self.named = {n: item.name for n, item in names.items() if isinstance(item, Symbol) and n in graph.element}
        self.found: dict[int, tuple[dict[str, Any], Any]] = {}

    def holds(self, term: Term, places: Sequence[int]) -> bool:
        """Whether a term is the gradient at some of these points of the sample."""
        chosen = np.random.default_rng(2).permutation(places)[:CHECKED]
        points = [self._at(int(place)) for place in chosen]
        given = {name: [values[name] for values, _ in points] for name in self.named.values()}
        return equal(term, given, [gradient for _, gradient in points])

    def _at(self, place: int) -> tuple[dict[str, Any], Any]:
        """The balls of everything with a name, and of the gradient, at one point."""
        if place not in self.found:
            element, graph = self.graph.element, self.graph
            given: dict[Node, Any] = {element[n]: float(values[place]) for n, values in graph.sample.items()}
            given |= {element[n]: item for n, item in graph.numbers.items() if n in element} | {graph.element_seed: 1.0}
            wanted = [element[n] for n in self.named] + ([] if self.gradient is None else [self.gradient])
            balls = Balls(given | constants_meant(topological(wanted, known=given)))
            balls.compute(topological(wanted, known=balls.values))
            values = {name: balls.values[element[n]] for n, name in self.named.items()}
            self.found[place] = values, 0 if self.gradient is None else balls.values[self.gradient]
        return self.found[place]


def _shared(regions: list[_Region]) -> Iterator[ShortForm]:
    """Forms that hold in every region, shortest first."""
    others = [{form.term for form in region.forms} for region in regions[1:]]
    return (form for form in regions[0].forms if all(form.term in known for known in others))


def _valid_everywhere(regions: list[_Region], checked: _Checked) -> list[ShortForm]:
    """Forms of one region that also hold in the others: 2 · √y is 0 at y = 0."""
    few = [form for region in regions for form in region.forms[:FEW] if form.uses]
    found = [form for form in few if all(checked.holds(form.term, region.places) for region in regions)]
    return sorted(found, key=lambda form: (form.length, len(form.uses)))


# --- one formula a piece ----------------------------------------------------------------------------------------------


def _by_cases(
    graph: Pointwise, called: Mapping[Any, Term], regions: list[_Region], by_output: Sequence[ShortForm | None]
) -> list[Derivative]:
    """The derivative with conditions on the input, and with the condition as it stands in the layer."""
    shared_by = Counter(form.term for region in regions for form in region.forms)
    chosen = [min(region.forms, key=lambda form: form.length - MORE * shared_by[form.term]) for region in regions]
    others = [form for form in by_output if form is not None]
    if others and sum(f.length for f in others) <= sum(f.length for f in chosen) + len(chosen):
        chosen = others
    terms = [form.term for form in chosen]
    made = [_on_intervals(graph, called, regions, terms)] if len(graph.inputs) == 1 else []
    made.append(_by_the_switch(graph, called, regions, terms))
    uses = tuple(dict.fromkeys(node for form in chosen for node in form.uses))
    return [Derivative(term, uses, bool(others)) for term in made if term is not None]


def _told_apart(
    graph: Pointwise, regions: list[_Region], found: Sequence[ShortForm | None], values: Mapping[Node, Any]
) -> bool:
    """Whether the output says in which region a point lies, wherever that makes a difference."""
    if len({form.term for form in found if form}) == 1:
        return True
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


def _by_the_switch(
    graph: Pointwise, called: Mapping[Any, Term], regions: list[_Region], terms: Sequence[Term]
) -> Term | None:
    """Two terms with the one condition of the layer."""
    conditions = {_turning(*sides): sides for region in regions for sides in region.piece.conditions}
    if len(conditions) != 1 or len(terms) != 2:
        return None
    ((left, right),) = conditions.values()
    first = regions[0]
    values = graph.at(graph.sample)
    place = first.places[0]
    numbers = {graph.symbols[node]: values[node][place] for node in graph.nodes}
    above = float((left - right).subs(numbers)) > 0
    sides = [term(first.piece.written_out(side), called) for side in (left, right)]
    here, there = terms
    if here == ZERO or (there != ZERO and length(there) < length(here)):
        here, there, above = there, here, not above
    larger, smaller = sides if above else sides[::-1]
    return Cases(((here, Compare(larger, ">", smaller)),), there)


def _turning(left: Any, right: Any) -> Any:
    """The same for conditions that turn together: max(0, x), min(x, 0) and 2 · x > 0."""
    _, difference = (left - right).primitive()
    return -difference if difference.could_extract_minus_sign() else difference


def _on_intervals(
    graph: Pointwise, called: Mapping[Any, Term], regions: list[_Region], terms: Sequence[Term]
) -> Term | None:
    """The terms with the intervals in which they hold; the last, or the one that holds most often, otherwise."""
    (x,) = graph.inputs
    line = graph.sample[x]
    which = np.empty(len(line), int)
    for i, region in enumerate(regions):
        which[region.places] = terms.index(terms[i])
    runs = [0, *(np.flatnonzero(np.diff(which)) + 1), len(line)]
    bounds = [_boundary(graph, regions, line[end - 1], line[end]) for end in runs[1:-1]]
    if any(bound is None for bound in bounds):
        return None
    edges = [None, *bounds, None]
    intervals = [(terms[which[start]], edges[i], edges[i + 1]) for i, start in enumerate(runs[:-1])]
    first, final = intervals[0], intervals[-1]
    if first[0] == negated(final[0]) != ZERO and _number(graph, first[2]) <= 0 <= _number(graph, final[1]):
        outer = product(FunctionCall("sign", (called[graph.symbols[x]],)), final[0])
        if first[2] == final[1]:
            return outer
        intervals = [(outer, *first[1:]), *intervals[1:-1], (outer, *final[1:])]
    last = _rest(intervals)
    within: dict[Term, list[Term]] = {}
    for item, low, high in intervals:
        if item != last:
            within.setdefault(item, []).append(_within(graph, called, low, high))
    outside = [(low, high) for item, low, high in intervals if item == last]
    if len(within) == 1 and len(outside) == 1 and None not in outside[0]:  # in both directions: |x| > 1, x ≠ 0
        ((low, high),) = outside
        passed = _passed(graph, called, regions, low, high) if low != high else None
        apart = passed or _outside(graph, called, low, high)
        return Cases(((next(iter(within)), apart),), last)
    joined = [(item, functools.reduce(lambda a, b: Compare(a, "∨", b), found)) for item, found in within.items()]
    return Cases(tuple(joined), last)


def _passed(graph: Pointwise, called: Mapping[Any, Term], regions: list[_Region], low: Any, high: Any) -> Term | None:
    """The condition that the output is not the one number that it is inside an interval, if it is that only there."""
    output, x = (graph.symbols[node] for node in (graph.output, *graph.inputs))
    ends = [float(_number(graph, end)) for end in (low, high)]
    written = [region.piece.written_out(output) for region in regions]
    (inside, *others) = {one for one in written if x not in one.free_symbols} or {x}
    outside = [_number(graph, root) for one in written if one != inside for root in solutions(one - inside, x)]
    if others or inside is x or len(outside) < len(regions) - written.count(inside):
        return None
    only_there = all(root.is_real is False or ends[0] <= root <= ends[1] for root in outside)
    return Compare(called[output], "≠", term(inside, called)) if only_there else None


def _outside(graph: Pointwise, called: Mapping[Any, Term], low: Any, high: Any) -> Term:
    """The condition of both sides of an interval, or of a point."""
    x = called[graph.symbols[graph.inputs[0]]]
    if low == high:
        return Compare(x, "≠", term(low, called))
    if low == -high:
        return Compare(FunctionCall("abs", (x,)), ">", term(high, called))
    return Compare(Compare(x, "<", term(low, called)), "∨", Compare(x, ">", term(high, called)))


def _rest(intervals: Sequence[tuple[Term, Any, Any]]) -> Term:
    """The term that stands without a condition: 0, or the one with most intervals, then the first."""
    found = [item for item, _, _ in intervals]
    if ZERO in found:
        return ZERO
    return max(found, key=lambda item: (found.count(item), found.index(item) == 0))


def _within(graph: Pointwise, called: Mapping[Any, Term], low: Any, high: Any) -> Term:
    x = called[graph.symbols[graph.inputs[0]]]
    above = Compare(x, ">", term(low, called)) if low is not None else None
    below = Compare(x, "<", term(high, called)) if high is not None else None
    if above is not None and below is not None and low == -high:
        return Compare(FunctionCall("abs", (x,)), "<", term(high, called))
    if above is not None and below is not None:
        return between(term(low, called), x, term(high, called))
    found = above or below
    assert found is not None, "an interval without bounds is the whole line"
    return found


def _boundary(graph: Pointwise, regions: list[_Region], low: float, high: float) -> Any:
    """The place between two points at which a condition of a switch turns, as an expression of the layer's numbers."""
    for root in (root for region in regions for root in region.piece.roots):
        place = _number(graph, root)
        if place.is_number and low - NEARBY <= float(place) <= high + NEARBY:
            return root
    return None


def _number(graph: Pointwise, expression: Any) -> Any:
    """An expression with the layer's numbers in the place of their symbols."""
    numbers = {graph.symbols[node]: item for node, item in graph.numbers.items() if node in graph.symbols}
    return in_numbers(expression, numbers)
