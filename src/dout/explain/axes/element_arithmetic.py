"""What a row that acts on each element makes of the formulas of its operands' elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dout.explain.terms.node_terms import row_term
from dout.explain.terms.row_terms import as_number
from dout.explain.terms.terms import ONE, TWO, ZERO, Cases, Compare, Power, Product, Term, product
from dout.graph import Node
from dout.ops import by_primitive, primitives

_SAME = primitives("positive copy astype asarray item float")
_CHOICE = primitives("where")


def _product(*factors: Term, over: tuple[Term, ...] = ()) -> Term:
    """A product; what is a factor of one case alone, and 0 otherwise, goes into that case."""
    for i, factor in enumerate(factors):
        if isinstance(factor, Cases) and factor.otherwise == ZERO and len(factor.pieces) == 1:
            ((term, condition),) = factor.pieces
            return Cases(((_product(*factors[:i], term, *factors[i + 1 :], over=over), condition),), ZERO)
    return product(*factors, over=over)


def _multiplied(x: Term, y: Term) -> Term:
    return Power(x, TWO) if x == y and not isinstance(x, Cases) else _product(x, y)


_FORMS: dict[str, Callable[[Term, Term], Term]] = {
    "multiply": _multiplied,
    "divide": lambda x, y: _product(x, over=(y,)),
}
_PRODUCTS = by_primitive(_FORMS)


def combine(node: Node, operands: list[Term]) -> Term:
    """One element of a node's result, from the elements of its operands."""
    row = node.primitive
    if row in _SAME:
        return operands[0]
    if row in _CHOICE and operands[1] == operands[2]:
        return operands[1]
    if row in _PRODUCTS:
        return _PRODUCTS[row](*map(as_number, operands))
    return row_term(node, operands)


def condition(parts: Sequence[Term]) -> Term:
    """All of several conditions."""
    whole = parts[0]
    for part in parts[1:]:
        whole = Compare(whole, "∧", part)
    return whole


def scaled(term: Term, over: tuple[Term, ...]) -> Term:
    """A term divided by others: (Σₙ x[n]) / N."""
    kept = tuple(divisor for divisor in over if divisor != ONE)
    return Product((term,), kept) if kept and not isinstance(term, Product) else product(term, over=kept)
