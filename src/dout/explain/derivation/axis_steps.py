"""The backward of a layer whose steps go along axes: in index and matrix form, with shapes at each step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from dout.explain.axes.axis_parts import axis_part
from dout.explain.derivation.closed_steps import SOFTMAX
from dout.explain.derivation.elementwise_steps import ElementwiseSteps, operator_of, over_cases
from dout.explain.derivation.forward_graph import Forward
from dout.explain.derivation.loss_forms import LossForm, LossForms
from dout.explain.derivation.norm_forms import NormForms
from dout.explain.derivation.part_code import part_code
from dout.explain.model.explanation import DerivationStep, Phrase, Simplified, StepPart
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.notation import PUTTING, numbered
from dout.explain.terms.terms import ONE, Number, Sum, Symbol, Term, negated, product, total
from dout.explain.terms.text_printer import text
from dout.explain.terms.walk import calls_in
from dout.graph import CONSTANT, Graph, Node, topological
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.reduce import count_along
from dout.rewrite.simplify import is_elementwise, simplified, simplify

_INFIX = primitives("add subtract multiply divide matmul dot pow power square")
_MEANS = primitives("mean var std")
_OF_SCORES = primitives("sigmoid special_softmax special_log_softmax")
_CLOSED = by_primitive({f"special_{name}": name for name in SOFTMAX})
MOST_ADDED = 6  # gradients of one value that are written out
MOST_WRITTEN = 12  # symbols of a gradient that has no formula of elements


class AxisSteps:
    """The steps of one forward."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.elements = ElementwiseSteps(forward)
        self.shares: dict[Node, list[StepPart]] = {}
        self.handed_on: dict[Node, Symbol] = {}  # by a sum, to a term that has no row of its own
        self.instead: dict[Node, Node] = {}  # shorter gradients that were found
        self.waiting: list[Node] = []  # steps that were left out, of which nothing is said yet
        self.told: set[Node] = set()  # values whose gradient has been given its own name
        self.called: Mapping[Node, Term] = {node: Symbol(name) for node, name in forward.names.items()}
        self.upstream: dict[Node, str] = dict.fromkeys(forward.seeds.values(), "dout")
        if len(forward.outputs) > 1:
            self.upstream = {
                seed: numbered(f"d{forward.names[node]}", int(self._uses[node] > 1))
                for node, seed in forward.seeds.items()
            }

    @property
    def letters(self) -> Mapping[Node, tuple[str, ...]]:
        """A letter for every axis."""
        return self.forward.letters

    @cached_property
    def values(self) -> Mapping[Node, Any]:
        """Generic values of everything that has a name."""
        return self.elements.points.floats

    def steps(self) -> tuple[DerivationStep, ...]:
        """All steps from the output to the inputs."""
        found: list[DerivationStep] = []
        for node in reversed(self.forward.steps):
            gradient = self.forward.gradients.of.get(node)
            if gradient is None:
                continue
            if node in self.forward.left_out:
                self._leave_out(node)
                continue
            found += self._of_turns(found)
            self.upstream.setdefault(gradient, f"d{self.forward.names[node]}")
            parts = tuple(self._parts(node)) or tuple(self._passed_on(node))
            if parts:
                name, number = self.forward.names[node], len(found) + 1
                told = all(part.index or part.reason or part.local for part in parts)
                says = None if told else Phrase("row", {"says": node.primitive.says})
                if node.primitive in _CLOSED:
                    says = Phrase("closed", {"name": _CLOSED[node.primitive]})
                found.append(DerivationStep(number, self._operator(node), name, node, parts, says))
        found += self._of_turns(found)
        return tuple(found)

    def _leave_out(self, node: Node) -> None:
        """Count the gradients of a step that is not told."""
        self.waiting.append(node)
        for argument, input_ in enumerate(node.inputs):
            if self._has_gradient(node, argument):
                share = len(self.shares.get(input_, ())) + (input_ in self.forward.outputs) + 1
                part = StepPart(self.forward.names[input_], Symbol(f"d{self.forward.names[input_]}"), None, share=share)
                self.shares.setdefault(input_, []).append(part)

    def _of_turns(self, told: Sequence[DerivationStep]) -> Iterator[DerivationStep]:
        """The step for the turns that were just left out, with the gradients that are complete by now."""
        turns, self.waiting = self.waiting, []
        if not turns:
            return
        loop = next(loop for loop in self.forward.loops if turns[0] in {n for turn in loop.turns for n in turn})
        numbers = [step.number for step in told if any(step.node in turn for turn in loop.turns)]
        key = "other turns" if len(set(numbers)) > 1 else "other turns, one step"
        count = len(turns) // len(loop.turns[0])
        says = Phrase(key, {"count": count, "first": min(numbers), "last": max(numbers)})
        inputs = dict.fromkeys(i for node in turns for i in node.inputs if i not in self.forward.left_out)
        whole = [
            i
            for i in inputs
            if self._uses[i] > 1 and len(self.shares.get(i, ())) + (i in self.forward.outputs) == self._uses[i]
        ]
        parts = tuple(map(self._sum, whole))
        yield DerivationStep(len(told) + 1, "for", self.forward.names[turns[0]], turns[0], parts, says)

    def _operator(self, node: Node) -> str:
        """The step as it stands in the formula: x · W, + b."""
        if node.primitive not in _INFIX:
            return operator_of(node)
        called = {n: item for n, item in self.called.items() if n is not node}
        passing = [place for place in range(len(node.inputs)) if self._passes(node, place)]
        for place in passing if len(passing) == 1 else ():
            if node.primitive is PRIMITIVES["add"]:
                return f"+ {text(term_of(node.inputs[1 - place], called))}"
        return text(term_of(node, called))

    def _parts(self, node: Node) -> Iterator[StepPart]:
        for argument, input_ in enumerate(node.inputs):
            if self._has_gradient(node, argument) and self._passes(node, argument):
                self.handed_on[input_] = self._upstream(node)
            elif self._has_gradient(node, argument):
                part = self._part(node, argument)
                self.shares.setdefault(input_, []).append(part)
                yield part
                if part.share and part.share == self._uses[input_]:
                    yield self._sum(input_)

    def _passed_on(self, node: Node) -> Iterator[StepPart]:
        """The gradients of a sum whose terms have no names of the user's: each is that of the sum."""
        for argument, input_ in enumerate(node.inputs):
            if self._has_gradient(node, argument):
                edge = self.forward.gradients.on[node, argument]
                self.told.add(input_)
                yield StepPart(self.forward.names[input_], self._upstream(node), self.elements.value(edge))

    def _passes(self, node: Node, argument: int) -> bool:
        """Whether a step hands its gradient on as it is to a value that has no other use and no name of the user's."""
        input_, edge = node.inputs[argument], self.forward.gradients.on.get((node, argument))
        hidden = input_ in self.forward.steps and not self.forward.is_named(input_)
        return hidden and edge in self.upstream and self._uses[input_] == 1

    def _has_gradient(self, node: Node, argument: int) -> bool:
        input_ = node.inputs[argument]
        counts = input_ in self.forward.varying and input_.kind == "f"
        return (node, argument) in self.forward.gradients.on and counts

    @cached_property
    def _counts(self) -> frozenset[int]:
        """How many elements the means of forward are of."""
        means = [n for n in self.forward.steps if n.primitive in _MEANS]
        return frozenset(count_along(n.inputs[0].shape, n.static.get("axis")) for n in means)

    @cached_property
    def _uses(self) -> Counter[Node]:
        """How many gradients each value adds up: one a use, and of an output the one that comes in."""
        steps = [(node, i) for node in self.forward.steps for i in range(len(node.inputs))]
        used = (node.inputs[i] for node, i in steps if self._has_gradient(node, i))
        return Counter([*self.forward.outputs, *used])

    def _part(self, node: Node, argument: int) -> StepPart:
        input_, edge = node.inputs[argument], self.forward.gradients.on[node, argument]
        name, value = self.forward.names[input_], self.elements.value(edge)
        came_in = input_ in self.forward.outputs
        share = len(self.shares.get(input_, ())) + came_in + 1 if self._uses[input_] > 1 else 0
        dout = self._upstream(node)
        if edge in self.upstream:
            passed = dout if edge is self.forward.gradients.of[node] else Symbol(self.upstream[edge])
            if not share:
                self.told.add(input_)
            return StepPart(name, passed, value, share=share)
        if is_elementwise(node) and input_.shape == node.shape:
            local = self.elements.checked(node, self.elements.slope_of(node, argument), [edge])
            if local and self.elements.holds(over_cases(dout, local[-1]), [edge]):
                return StepPart(name, over_cases(dout, local[-1]), value, local, share=share)
        names = {**self.forward.names, **{n: d for n, d in self.upstream.items() if n is not edge}}
        names[self.forward.gradients.of[node]] = dout.name
        found = axis_part(node, argument, edge, names, self.letters, self.values)
        called = {n: Symbol(word) for n, word in names.items()}
        gradient = found.term or self._written(edge, called) or Symbol(f"d{name}")
        index = found.index and (replace(found.index[0], name=numbered(f"d{name}", share)), found.index[1])
        code = self._code(edge, names)
        local = self._repeated_local(node, argument, edge) if index is not None else ()
        return StepPart(name, gradient, value, local, index, self._shapes(found.shapes), code, found.reason, share)

    def _code(self, edge: Node, names: Mapping[Node, str]) -> str:
        """A line of NumPy for a gradient, of the gradients that have been told."""
        needed = topological([edge])
        inside = {*needed} - {edge}
        told = {str(i): node for i, node in enumerate(names) if node in inside and node in self.upstream}
        graph = simplify(Graph(needed, {}, {**told, "d": edge}))
        again = {graph.outputs[mark]: node for mark, node in told.items()}
        called = {**names, **{new: names[node] for new, node in again.items()}}
        values = {**self.values, **{new: self.values[node] for new, node in again.items() if node in self.values}}
        return part_code(graph.outputs["d"], called, values, self._counts)

    def _repeated_local(self, node: Node, argument: int, edge: Node) -> tuple[Term, ...]:
        """The local derivative of a step by an input that is repeated, where the sum hides it: −xn / std."""
        if not is_elementwise(node) or not node.inputs[argument].shape:
            return ()
        dout = Symbol("dout" if self.forward.outputs == (node,) else f"d{self.forward.names[node]}")
        forms = self.elements.slope_of(node, argument)
        forms = tuple(form for form in forms if self.elements.holds(product(dout, form), [edge], node.shape))
        return () if not forms or isinstance(forms[-1], Symbol | Number) or forms[-1] == negated(ONE) else forms

    def _written(self, edge: Node, called: Mapping[Node, Term]) -> Term | None:
        """The gradient as it is computed; None if it is long, or if a number in it may be the count of a mean."""
        plain = simplified(edge)
        constants = [n.static["value"] for n in topological([plain], known=called) if n.primitive is CONSTANT]
        counted = any(value in self._counts for value in constants if np.ndim(value) == 0)
        return None if counted else term_of(plain, called, short=MOST_WRITTEN)

    def _shapes(self, text: str) -> str:
        """How shapes go together, with lengths that are multiples of others as such: (N, 4·H)."""
        return re.sub(r"\w+", lambda word: self.forward.multiples.get(word[0], word[0]), text)

    def _upstream(self, node: Node) -> Symbol:
        """The upstream gradient of a step; by its own name once a step has introduced it."""
        if node in self.told:
            return Symbol(f"d{self.forward.names[node]}")
        return self.handed_on.get(node) or Symbol(self.upstream[self.forward.gradients.of[node]])

    def _sum(self, of: Node) -> StepPart:
        """The whole gradient of a value that is used several times."""
        name, count = self.forward.names[of], self._uses[of]
        parts = [Symbol(numbered(f"d{name}", i + 1)) for i in range(count)]
        if count > MOST_ADDED:
            parts = [*parts[:2], Symbol("…"), parts[-1]]
        key = "output and uses add up" if of in self.forward.outputs else "uses add up"
        why = Phrase(key, {"name": Symbol(name), "count": count})
        return StepPart(name, Sum(tuple(parts)), self.elements.value(self.forward.gradients.of[of]), reason=why)

    def simplified(self) -> tuple[Simplified, ...]:
        """The gradient of each input and parameter, from the gradients of the steps."""
        wanted = [n for n in (*self.forward.inputs, *self.forward.learned) if n in self.shares]
        losses, norms = LossForms(self.forward), NormForms(self.forward, self.elements.points)
        scores = ((node, losses.of(node)) for node in self._scores)
        names = self.forward.names
        found = [Simplified(names[node], ((form.term, form.condition),)) for node, form in scores if form is not None]
        for node in wanted:
            whole = losses.of(node) or self._of_each(node)
            if whole is None and node in self.forward.inputs and (normal := norms.of(node)) is not None:
                whole, self.instead[node] = LossForm(normal[0]), normal[1]
            if whole is not None:
                found.append(Simplified(self.forward.names[node], ((whole.term, whole.condition),)))
            elif self._is_told(node) and not calls_in(parts := self._added_up(node)) & PUTTING:
                found.append(Simplified(self.forward.names[node], ((parts, None),)))
        return tuple(found)

    def _of_each(self, of: Node) -> LossForm | None:
        """The gradient of an input of a layer that acts on each element, with values that are repeated."""
        outputs, steps = self.forward.outputs, self.forward.steps
        if len(outputs) > 1 or of.shape != outputs[0].shape or not all(map(is_elementwise, steps)):
            return None
        found = self.elements.shortest(of)
        if found is None:
            return None
        gradient = over_cases(Symbol("dout"), found.term)
        return LossForm(gradient) if self.elements.holds(gradient, [self.forward.gradients.of[of]]) else None

    @property
    def _scores(self) -> list[Node]:
        """What a sigmoid or a softmax inside is taken of: a book gives its gradient, whatever is before it."""
        taken = dict.fromkeys(n.inputs[0] for n in self.forward.steps if n.primitive in _OF_SCORES)
        return [n for n in taken if n in self.forward.steps and n in self.shares]

    def _added_up(self, of: Node) -> Term:
        return total(*(part.gradient for part in self.shares[of]))

    def _is_told(self, of: Node) -> bool:
        """Whether every part of a gradient has a formula."""
        unknown = Symbol(f"d{self.forward.names[of]}")
        return all(part.gradient != unknown for part in self.shares[of])
