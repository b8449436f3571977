"""The backward of a layer that acts on each element: step by step, simplified, and what it needs.

The gradient so far is written in inputs, the output and values that the user has named; steps without a name are
written out. Where that gets long, it is written with the gradient of the step before.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from dout.explain.algebra.calculus import SLOPES, UNCHANGED, applied_form, form_of
from dout.explain.algebra.derivative_forms import Derivative, derivative
from dout.explain.algebra.exact_values import upstream_name
from dout.explain.algebra.known_constants import as_number
from dout.explain.algebra.pieces import NoFormError, Pointwise, local_slopes
from dout.explain.algebra.sympy_terms import term
from dout.explain.derivation.exact_points import ExactPoints
from dout.explain.derivation.forward_graph import Forward
from dout.explain.model.explanation import DerivationStep, Phrase, Simplified, StepPart
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.notation import numbered
from dout.explain.terms.row_terms import SWITCH_SLOPES
from dout.explain.terms.terms import (
    ONE,
    Cases,
    Partial,
    Sum,
    SumOver,
    Symbol,
    Term,
    product,
    total,
)
from dout.explain.terms.walk import length
from dout.graph import CONSTANT, INPUT, Graph, Node, evaluate, topological
from dout.ops import PRIMITIVES
from dout.rewrite.stable_forms import stable_forms

SHORT = 5  # a value of more symbols is called by its letter
LONG = 14  # a gradient of more symbols is written with the gradient of the step before
SAME = 1e-12  # relative difference of equal values
LONGEST_REASON = 20  # symbols of an equation that is a reason
MOST_WRITTEN = 60  # symbols of a formula, or operations of a slope, that is written out: beyond, SymPy takes minutes

Forms = tuple[Term, ...]


def operator_of(node: Node) -> str:
    """How a step is written in a picture: /, +, exp, ×(−1)."""
    return "×(−1)" if node.primitive is PRIMITIVES["negative"] else node.primitive.symbol or str(node.primitive)


class ElementwiseSteps:
    """The steps of one forward."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.called: Mapping[Node, Term] = {node: Symbol(name) for node, name in forward.names.items()}
        self.symbols: dict[Node, Any] = {}
        for node in forward.nodes:
            self.symbols[node] = self._symbol(node)
        self.names: dict[Any, Term] = {s: self.called[n] for n, s in self.symbols.items() if n in self.called}
        self.upstream = {node: sympy.Symbol(f"∂{name}", real=True) for node, name in forward.names.items()}
        self.names |= {s: Partial(forward.names[n]) for n, s in self.upstream.items()}
        self.shares: Counter[Node] = Counter()
        self.untold: list[Node] = []  # steps without a formula that is exactly right
        self.so_far: dict[Node, Any] = {node: self.upstream[node] for node in forward.outputs}

    def _symbol(self, node: Node) -> Any:
        if node.primitive is CONSTANT:
            return as_number(node.static["value"])
        if node.inputs and node in self.forward.fixed:
            return applied_form(node, *(self.symbols[i] for i in node.inputs))
        return sympy.Symbol(self.forward.names[node], real=True)

    # --- one step ---------------------------------------------------------------------------------------------------

    def steps(self) -> tuple[DerivationStep, ...]:
        """All steps from the output to the inputs."""
        found: list[DerivationStep] = []
        for node in reversed(self.forward.steps):
            if node in self.so_far:
                parts = tuple(self._parts(node))
                if parts:
                    name, number = self.forward.names[node], len(found) + 1
                    says = Phrase("row", {"says": node.primitive.says})
                    found.append(DerivationStep(number, operator_of(node), name, node, parts, says))
        return tuple(found)

    def _parts(self, node: Node) -> Iterator[StepPart]:
        for input_ in dict.fromkeys(node.inputs):
            edges = self.edges(node, input_)
            if not edges or input_ not in self.forward.varying or input_.kind == "b":
                continue
            try:
                local, slope = self.local(node, input_)
            except NoFormError:
                gradient: Term | None = self._by_row(edges)
                local, self.so_far[input_] = (), None
            else:
                gradient = self._so_far(node, input_, local[-1], slope)
                local = self.checked(node, local, edges)
            if gradient is not None and not self.holds(gradient, edges):
                gradient = over_cases(Partial(self.forward.names[node]), local[-1]) if local else None
            if gradient is None:
                self.untold.append(node)
            else:
                value = functools.reduce(operator.add, map(self.value, edges))
                self.shares[input_] += 1
                share = self.shares[input_] if self.users[input_] > 1 else 0
                name, whole = self.forward.names[input_], self._summed(input_, gradient)
                why = Phrase("one for all", {"name": Symbol(name)}) if isinstance(whole, SumOver) else None
                yield StepPart(name, whole, value, local, reason=why, share=share)
                if share and share == self.users[input_] and input_ in self.forward.steps:
                    yield StepPart(name, self._uses_added_up(input_), self.value(self.forward.gradients.of[input_]))

    def _uses_added_up(self, of: Node) -> Sum:
        """The gradient of a value that is used several times, by the gradients of its uses."""
        return Sum(tuple(Partial(numbered(self.forward.names[of], i + 1)) for i in range(self.users[of])))

    def _by_row(self, edges: Sequence[Node]) -> Term | None:
        """The gradient that a row of no known form passes on, as its own backward computes it."""
        gradients = {
            node: Partial(self.forward.names[of])
            for of, node in self.forward.gradients.of.items()
            if of in self.forward.names and node not in edges
        }
        found = [term_of(edge, {**self.called, **gradients}, short=MOST_WRITTEN) for edge in edges]
        return None if None in found else total(*(item for item in found if item is not None))

    @cached_property
    def users(self) -> Counter[Node]:
        """How many steps pass a gradient to each value."""
        on = {(node, node.inputs[i]) for node, i in self.forward.gradients.on}
        return Counter(of for _, of in on)

    def edges(self, node: Node, of: Node) -> list[Node]:
        """The gradients that a step passes to one of its inputs: one for each place at which it stands."""
        on = self.forward.gradients.on
        return [on[node, i] for i, item in enumerate(node.inputs) if item is of and (node, i) in on]

    def checked(self, node: Node, local: Forms, edges: Sequence[Node]) -> Forms:
        """The forms of a local derivative with which a step passes on what its gradients are."""
        upstream = Partial(self.forward.names[node])
        return tuple(form for form in local if self.holds(over_cases(upstream, form), edges))

    def _summed(self, of: Node, gradient: Term) -> Term:
        """A gradient, added up over all elements where its value is one number for all of them."""
        return gradient if of.shape == self.forward.outputs[0].shape else SumOver((), gradient)

    def local(self, node: Node, of: Node) -> tuple[Forms, Any]:
        """Equal forms of a local derivative, and SymPy's expression of it, None where the row switches."""
        operands = [self.symbols[i] for i in node.inputs]
        places = [i for i, item in enumerate(node.inputs) if item is of]
        if node.primitive in UNCHANGED:
            return (ONE,), sympy.Integer(1)
        if form_of(node.primitive) is None:
            return (self._switched(node, of),), None
        slope = sum(local_slopes(node, operands)[i] for i in places)
        forms = [term(slope, self.names)]
        if node.primitive in SLOPES and self.forward.is_named(node):
            by_output = sum(SLOPES[node.primitive](self.symbols[node], *operands)[i] for i in places)
            if by_output.free_symbols <= {self.symbols[node]}:
                slope = by_output
                forms.append(term(slope, self.names))
        return tuple(dict.fromkeys(forms)), slope

    def slope_of(self, node: Node, argument: int) -> Forms:
        """Equal forms of a local derivative; by the output where that is simpler. Each use of an input counts alone."""
        operands = [self.symbols[i] for i in node.inputs]
        if node.primitive in UNCHANGED:
            return (ONE,)
        if form_of(node.primitive) is None:
            return (self._switched(node, node.inputs[argument]),)
        found = [term(local_slopes(node, operands)[argument], self.names)]
        if node.primitive in SLOPES:
            found.append(term(SLOPES[node.primitive](self.symbols[node], *operands)[argument], self.names))
        return tuple(dict.fromkeys(found))

    def _switched(self, node: Node, of: Node) -> Term:
        """The derivative of a row that switches between its inputs, with the condition."""
        place = node.inputs.index(of)
        rule = SWITCH_SLOPES.get(node.primitive)
        if rule is None:
            raise NoFormError(node)
        conditions = [n for n in self.forward.steps if np.dtype(n.dtype) == np.bool_]  # these are written out
        named = {n: item for n, item in self.called.items() if n not in conditions}
        return rule(place, [term_of(i, named) for i in node.inputs])

    # --- what has come so far ---------------------------------------------------------------------------------------

    def _so_far(self, node: Node, of: Node, local: Term, slope: Any) -> Term:
        before = self.so_far[node]
        passed = None if slope is None or before is None else before * self._written_out(slope)
        made = None if passed is None else term(passed, self.names)
        if made is None or length(made) > LONG:
            passed = None if slope is None else self.upstream[node] * slope
            made = over_cases(Partial(self.forward.names[node]), local) if passed is None else term(passed, self.names)
            passed = None if length(made) > LONG else passed
        earlier = self.so_far.get(of, 0)
        self.so_far[of] = None if passed is None or earlier is None else earlier + passed
        return made

    def _written_out(self, slope: Any) -> Any:
        """An expression without the symbols of steps that have no name, as long as it does not get very long."""
        for node in reversed(self.forward.steps):
            if not self.forward.is_named(node) and self.symbols[node] in slope.free_symbols:
                if form_of(node.primitive) is None or sympy.count_ops(slope) > MOST_WRITTEN:
                    continue
                slope = slope.subs(self.symbols[node], applied_form(node, *(self.symbols[i] for i in node.inputs)))
        return slope

    def value(self, gradient: Node) -> Any:
        """The number or array that a gradient is in the recorded run, for an upstream gradient of ones."""
        return self._values[gradient]

    @cached_property
    def _values(self) -> Mapping[Node, Any]:
        seeds = {seed: np.ones(seed.shape)[()] for seed in self.forward.seeds.values()}
        wanted = [*self.forward.gradients.of.values(), *self.forward.gradients.on.values()]
        with np.errstate(all="ignore"):
            return evaluate(wanted, {**self.forward.values, **seeds})

    # --- simplified -------------------------------------------------------------------------------------------------

    def shortest(self, of: Node) -> Derivative | None:
        """The shortest derivative, of the stable form of the graph."""
        known = {n: self.called[n] for n in (*self.forward.inputs, *self.forward.parameters)}
        if term_of(self.forward.outputs[0], known, short=MOST_WRITTEN) is None:
            return None
        nodes, (last,) = list(self._stable), self.forward.outputs
        if of not in nodes:
            return None
        numbers = {n: float(self.forward.values[n]) for n in self.forward.parameters if n.shape == () and n is not of}
        varied = tuple(n for n in nodes if n.primitive is INPUT and n not in numbers)
        names = {node: self.called[node] for node in varied} | {n: self.called[n] for n in numbers if n in nodes}
        names[nodes[-1]] = self.called[last]
        hidden: dict[Node, int] = {}
        for node in nodes:
            if node not in names and node.primitive is not CONSTANT:
                own = self._stable[node]
                named = self.forward.is_named(own)
                written = term_of(node, {n: item for n, item in names.items() if n not in hidden})
                lettered = own in self.called and (named or length(written) > SHORT)
                names[node] = self.called[own] if lettered else written
                hidden |= {node: length(written)} if lettered and not named else {}
        pointwise = Pointwise(nodes[-1], varied, numbers, self.forward.names, hidden)
        try:
            found = derivative(pointwise, of, names)
        except NoFormError:
            return None
        if found is None:
            return None
        mine = {pointwise.symbols[node]: self.symbols.get(self._stable[node]) for node in found.uses}
        has_symbols = found.expression is not None and None not in mine.values()
        expression = found.expression.subs(mine) if has_symbols else None
        return replace(found, uses=tuple(self._stable[node] for node in found.uses), expression=expression)

    @cached_property
    def _stable(self) -> Mapping[Node, Node]:
        """The nodes of the stable form, the output last; each with that of the forward which has its value, if any."""
        inputs = {self.forward.names[n]: n for n in (*self.forward.inputs, *self.forward.parameters)}
        output = stable_forms(Graph(self.forward.nodes, inputs, {"y": self.forward.outputs[0]})).outputs["y"]
        with np.errstate(all="ignore"):
            values = evaluate([output], self.points.given)
        found: dict[Node, Node] = {}
        for node in topological([output]):
            alike = (n for n in self.called if n.primitive is node.primitive and n.shape == node.shape)
            same = (n for n in alike if np.allclose(self.points.floats[n], values[node], rtol=SAME, atol=0))
            found[node] = node if node in self.called else next(same, node)
        found[output] = self.forward.outputs[0]
        return found

    def simplified(self, of: Node) -> tuple[Simplified, Derivative | None]:
        """The gradient of an input in ever shorter forms, each equal to the one before; the last one's derivative."""
        found = self.shortest(of)
        (output,) = self.forward.outputs
        raw = self.so_far.get(of)
        forms: list[tuple[Term, Phrase | None]] = []
        if raw is not None and self._is_gradient(term(raw, self.names), of):
            forms.append((term(raw, self.names), None))
        elif 1 < self.shares[of] == self.users[of]:
            forms.append((self._uses_added_up(of), None))
            before = found and found.by_inputs and over_cases(Partial(self.forward.names[output]), found.by_inputs)
            forms += [(before, None)] if before and self._is_gradient(before, of) else []
        if found is not None:
            last = over_cases(Partial(self.forward.names[output]), found.term)
            if not self._is_gradient(last, of):
                found = None
            elif not forms or forms[-1][0] != last:
                forms += [form for form in self._between(raw, found, of) if forms and form[0] != forms[-1][0]]
                forms += [(last, self._reason(forms, raw, found))] if not forms or forms[-1][0] != last else []
        return Simplified(self.forward.names[of], tuple((self._summed(of, one), why) for one, why in forms)), found

    def holds(self, item: Term, gradients: Sequence[Node], shape: tuple[int, ...] = ()) -> bool:
        """Whether a term is a gradient, or the sum of several, in exact arithmetic; its elements are of a `shape`."""
        shape = shape or gradients[0].shape or self.forward.outputs[0].shape
        return self.points.holds(item, self._named, gradients, shape)

    def _is_gradient(self, item: Term, of: Node) -> bool:
        """Whether a term is the gradient of a value, in exact arithmetic."""
        gradient = self.forward.gradients.of.get(of)
        return gradient is not None and self.holds(item, [gradient])

    def is_value(self, node: Node, item: Term) -> bool:
        """Whether a term is the value of a node, in exact arithmetic."""
        return self._agree(self.called[node], item)

    def _agree(self, left: Term, right: Term) -> bool:
        """Whether two terms have the same values, in exact arithmetic."""
        return self.points.agree(left, right, self._named, self.forward.outputs[0].shape)

    @cached_property
    def _named(self) -> Mapping[str, Node]:
        """Values and gradients by their names in terms."""
        names, gradients = self.forward.names, self.forward.gradients.of
        found = {upstream_name(name): gradients[node] for node, name in names.items() if node in gradients}
        found |= {f"d{name}": gradients[node] for node, name in names.items() if node in gradients}
        found |= {"dout": self.forward.seeds[self.forward.outputs[0]]}
        return {**found, **{name: node for node, name in names.items()}}

    @cached_property
    def points(self) -> ExactPoints:
        """Where formulas are compared with derived gradients."""
        return ExactPoints(self.forward)

    def _between(self, raw: Any, found: Derivative, of: Node) -> Iterator[tuple[Term, Phrase | None]]:
        """The form in which the definition of the output stands for one of its factors."""
        ahead = self._leftover(raw, found)
        if ahead is None:
            return
        common, mine, _ = ahead
        (output,) = self.forward.outputs
        symbol = self.symbols[output]
        if symbol not in mine.free_symbols:
            return
        written = self._written_out(applied_form(output, *(self.symbols[i] for i in output.inputs)))
        whole, right = term(common * mine.subs(symbol, written), self.names), term(written, self.names)
        if self._is_gradient(whole, of) and self._agree(self.called[output], right):
            yield whole, Phrase("since", {"left": self.called[output], "right": right})

    def _leftover(self, raw: Any, found: Derivative) -> tuple[Any, Any, Any] | None:
        """What the gradient as it came and the short one have in common, and the rest of each."""
        (output,) = self.forward.outputs
        if raw is None or found.expression is None or form_of(output.primitive) is None:
            return None
        short = found.expression * self.upstream[output]
        common = sympy.gcd(raw, short)
        apart = sympy.Add(*(part / common for part in sympy.Add.make_args(raw)))
        rest = apart if common == self.upstream[output] else sympy.cancel(raw / common)
        return common, rest, sympy.cancel(short / common)

    def _reason(self, forms: list[tuple[Term, Phrase | None]], raw: Any, found: Derivative) -> Phrase | None:
        if raw is None and found.by_inputs is not None and len(forms) > 1:
            sides = {"left": found.by_inputs, "right": found.term}
            return Phrase("since", sides) if self._agree(*sides.values()) else None
        ahead = self._leftover(raw, found)
        if ahead is None or not forms:
            return None
        common, mine, short = ahead
        (output,) = self.forward.outputs
        if len(forms) > 1:
            written = self._written_out(applied_form(output, *(self.symbols[i] for i in output.inputs)))
            mine = mine.subs(self.symbols[output], written)
        whole = common == self.upstream[output]
        sides = {"left": term(mine, self.names), "right": found.term if whole else term(short, self.names)}
        plain = mine.free_symbols <= set(self.symbols.values()) and sides["left"] != sides["right"]
        plain = plain and sum(map(length, sides.values())) <= LONGEST_REASON
        return Phrase("since", sides) if plain and self._agree(*sides.values()) else None


def over_cases(factor: Term, item: Term) -> Term:
    """A factor times a term; of a term with cases, in each of them."""
    if not isinstance(item, Cases):
        return product(factor, item)
    pieces = tuple((over_cases(factor, one), condition) for one, condition in item.pieces)
    return Cases(pieces, over_cases(factor, item.otherwise))
