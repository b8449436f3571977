"""Nodes of a graph as terms: what a value is computed as, from the values that have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from dout.explain.terms.axis_row_terms import AXIS_FORMS
from dout.explain.terms.known_numbers import term_of_number
from dout.explain.terms.row_terms import CONDITIONS, FORMS, TWINS, WHOLE, as_condition, as_number
from dout.explain.terms.terms import FunctionCall, Symbol, Term
from dout.graph import CONSTANT, INPUT, Node, topological
from dout.ops import primitives

_EQUALITIES = primitives("equal not_equal")
_UNKNOWN = Symbol("?")


@overload
def term_of(node: Node, names: Mapping[Node, Term], *, short: None = None) -> Term: ...


@overload
def term_of(node: Node, names: Mapping[Node, Term], *, short: int) -> Term | None: ...


def term_of(node: Node, names: Mapping[Node, Term], *, short: int | None = None) -> Term | None:
    """What a node computes from the nodes in `names`, which stand by their terms.

    With `short`, None where the formula would have more parts than that. A row without a form is a function by its
    name, and an input without a name is "?". Constants are not computed with, and masked writes stay writes:
    `dout.rewrite` goes before.
    """
    done: dict[Node, Term] = dict(names)
    size: dict[Node, int] = {}
    for one in topological([node], known=names.keys()):
        inputs = tuple(done[i] for i in one.inputs)
        done[one] = _made(one, inputs)
        moved = bool(inputs) and done[one] is inputs[0]
        size[one] = sum(size.get(i, 1) for i in one.inputs) + (not moved)
        if short is not None and size[one] > short:
            return None
    return done[node]


def _made(node: Node, inputs: tuple[Term, ...]) -> Term:
    """One node, from the terms of its inputs."""
    row = node.primitive
    if row is CONSTANT:
        return term_of_number(node.static["value"])
    if row is INPUT:
        return _UNKNOWN
    return AXIS_FORMS[row](node, inputs) if row in AXIS_FORMS else row_term(node, inputs)


def row_term(node: Node, inputs: Sequence[Term]) -> Term:
    """The term that an elementwise row computes from the terms of its inputs; a function call if no form is known."""
    row = node.primitive
    if row not in FORMS:
        return FunctionCall(str(row).removeprefix("special_"), tuple(inputs))
    if node.kind == "b":
        row = TWINS.get(row, row)
    if row in _EQUALITIES and all(i.kind == "b" for i in node.inputs):
        return FORMS[row](*inputs)
    wanted = CONDITIONS.get(row, ())
    terms = [
        as_number(term) if place not in wanted else term if one.kind == "b" else as_condition(term)
        for place, (one, term) in enumerate(zip(node.inputs, inputs, strict=True))
    ]
    form = WHOLE[row] if row in WHOLE and node.kind in "iu" else FORMS[row]
    return form(*terms, **{key: value for key, value in node.static.items() if key in _KEPT})


_KEPT = frozenset({"decimals", "ndigits"})  # static parameters that say what is computed, not how
