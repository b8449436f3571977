"""An explanation as a textbook prints it: the formula, the derivative of each input, and what backward needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from dout.explain.formats.outline import (
    equation,
    formula_of,
    gradient_name,
    keeping_sentence,
    only_passes_on,
)
from dout.explain.formats.outline_cells import Cell, Equation, LocalDerivative
from dout.explain.formats.words import Language, said_reason
from dout.explain.model.explanation import Explanation, Quantity, StepPart
from dout.explain.terms.notation import PUTTING
from dout.explain.terms.terms import ONE, Partial, Product, Sum, Symbol, Term, negated, product, total
from dout.explain.terms.walk import calls_in, names_in, parts_of, substituted


def brief(explanation: Explanation, language: Language = "en") -> tuple[Cell, ...]:
    """The formula, the derivative, and what backward needs.

    Where the derivative speaks of steps of forward, these stand in the place of the formula; and before it the
    gradients that it speaks of.
    """
    formula, derivatives = formula_of(explanation), _derivatives(explanation)
    spoken = {one.of for one in derivatives} | names_in([one.sides for one in derivatives])
    inner = {q.name for q in explanation.forward if q.term is not None} - set(explanation.outputs)
    lines: list[Cell] = [formula] if formula is not None else []
    if formula is None or spoken & inner:
        lines = [equation(Symbol(q.name), term, of=q.name) for q, term in _forward(explanation, spoken)]
    conditions = {one.of: one.forms[-1][1] for one in explanation.simplified if len(one.forms) == 1}
    for one in derivatives:
        reason = conditions.get(one.of)
        lines += [one] if reason is None else [one, said_reason(reason, language)]
    keeping = keeping_sentence(explanation, language)
    return (*lines, *((keeping,) if keeping else ()))


def _forward(explanation: Explanation, spoken: Collection[str]) -> Iterator[tuple[Quantity, Term]]:
    """The steps of forward. A step with a single later use, and no other mention, is written out there.

    What is written into an array keeps a line of its own.
    """
    made = [(q, q.term) for q in explanation.forward if q.term is not None]
    uses = [name for _, term in made for name in _every_name(term)]
    known: dict[str, Term] = {}
    for quantity, term in made:
        name = quantity.name
        whole = _tidy(substituted(term, lambda part: known.get(_plain_name(part))))
        writes = calls_in(whole) & PUTTING
        if name not in spoken and name not in explanation.outputs and uses.count(name) == 1 and not writes:
            known[name] = whole
        else:
            yield quantity, whole


def _tidy(term: Term) -> Term:
    """A term in which a product is no factor of another one, and a sum no term."""
    if isinstance(term, Product):
        made = product(*map(_tidy, term.factors), over=tuple(map(_tidy, term.over)))
        return negated(made) if term.negative else made
    return total(*map(_tidy, term.terms)) if isinstance(term, Sum) else term


def _plain_name(part: Any) -> str:
    """The name of a whole value; "" of another term."""
    return part.name if isinstance(part, Symbol) and not part.indices else ""


def _every_name(term: Term) -> Iterator[str]:
    """The names in a term, each as often as it stands there; that of an array of which elements are chosen twice."""
    for part in parts_of(term):
        if isinstance(part, Symbol):
            yield from (part.name,) * (2 if part.indices else 1)


def _derivatives(explanation: Explanation) -> list[Equation]:
    """The gradient of each input; and before them those that they are written with."""
    every = [part for step in explanation.steps for part in step.parts]
    handed_on = {f"d{part.of}": part.gradient for part in every if only_passes_on(part)}

    def made_of(term: Term) -> Term:
        """The term with the gradient that a sum hands on, in the place of another name for it."""
        known = substituted(term, lambda part: handed_on.get(_plain_name(part)))
        return known if known == term else made_of(known)

    sides = [(_sides(explanation, part), part.of) for part in every if not only_passes_on(part)]
    equations = [Equation(left, (made_of(right),), of) for (left, right), of in sides if left != right]
    inputs = {q.name for q in explanation.forward if q.term is None}
    last = {one.of: Equation(None, (made_of(one.forms[-1][0]),), one.of) for one in explanation.simplified if one.forms}
    for one in equations:
        if one.of in inputs:
            last.setdefault(one.of, one)
    by_name: dict[str, list[Equation]] = {}
    for one in equations:
        by_name.setdefault(getattr(one.left, "name", ""), []).append(one)
    wanted, waiting = set[str](), [name for one in last.values() for name in names_in(one.sides)]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in wanted:
            wanted.add(name)
            waiting += [inner for one in by_name[name] for inner in names_in(one.sides)]
    shown = [one for one in equations if getattr(one.left, "name", "") in wanted and one.of not in last]
    whole = [_derivative(explanation, of, one.sides[0]) if one.left is None else one for of, one in last.items()]
    return [*shown, *whole]


def _sides(explanation: Explanation, part: StepPart) -> tuple[Term, Term]:
    """The equation of a part: of one element where whole arrays have no word for what is put in some places."""
    is_itself = part.gradient == gradient_name(explanation, part.of)  # there is no word for all of it
    if part.index is not None and (is_itself or calls_in(part.gradient) & PUTTING):
        return part.index
    return gradient_name(explanation, part.of, part.share), part.gradient


def _derivative(explanation: Explanation, of: str, term: Term) -> Equation:
    """The derivative of the output, where the gradient is a multiple of the output's; else the gradient."""
    outputs = explanation.outputs
    if isinstance(term, Product) and len(outputs) == 1 and Partial(outputs[0]) in term.factors:
        rest = [factor for factor in term.factors if factor != Partial(outputs[0])]
        if len(rest) == len(term.factors) - 1:
            local = Product(tuple(rest) or (ONE,), term.over, term.negative)
            alone = len(rest) == 1 and not term.over and not term.negative
            return Equation(LocalDerivative(outputs[0], of), (rest[0] if alone else local,), of)
    return Equation(gradient_name(explanation, of), (term,), of)
