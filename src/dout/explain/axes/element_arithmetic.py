"""What a row that acts on each element makes of the formulas of its operands' elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dout.explain.terms.terms import (
    ONE,
    TWO,
    ZERO,
    Cases,
    Compare,
    FunctionCall,
    Power,
    Product,
    Term,
    negated,
    product,
    total,
)
from dout.graph import Node
from dout.ops import by_primitive, primitives

_COMPARISONS = primitives("less less_equal greater greater_equal equal not_equal logical_and logical_or")
_SAME = primitives("positive copy astype asarray item float")
_BOTH, _EITHER = primitives("bitwise_and"), primitives("bitwise_or")  # of conditions; of whole numbers there is no form


def _product(*factors: Term, over: tuple[Term, ...] = ()) -> Term:
    """A product; what is a factor of one case alone, and 0 otherwise, goes into that case."""
    for i, factor in enumerate(factors):
        if isinstance(factor, Cases) and factor.otherwise == ZERO and len(factor.pieces) == 1:
            ((term, condition),) = factor.pieces
            return Cases(((_product(*factors[:i], term, *factors[i + 1 :], over=over), condition),), ZERO)
    return product(*factors, over=over)


def _multiplied(x: Term, y: Term) -> Term:
    return Power(x, TWO) if x == y and not isinstance(x, Cases) else _product(x, y)


def _power(base: Term, exponent: Term) -> Term:
    return base if exponent == ONE else ONE if exponent == ZERO else Power(base, exponent)


_ARITHMETIC: dict[str, Callable[..., Term]] = {
    "add": total,
    "subtract": lambda x, y: total(x, negated(y)),
    "multiply": _multiplied,
    "divide": lambda x, y: _product(x, over=(y,)),
    "negative": negated,
    "reciprocal": lambda x: product(over=(x,)),
    "square": lambda x: Power(x, TWO),
    "pow": _power,
    "power": _power,
    "absolute": lambda x: FunctionCall("abs", (x,)),
    "maximum": lambda x, y: FunctionCall("max", (x, y)),
    "minimum": lambda x, y: FunctionCall("min", (x, y)),
}
_BY_ROW = by_primitive(_ARITHMETIC)
_CHOICE = primitives("where")


def combine(node: Node, operands: list[Term]) -> Term:
    """One element of a node's result, from the elements of its operands."""
    row = node.primitive
    if row in _SAME:
        return operands[0]
    if row in _CHOICE:
        condition, chosen, otherwise = operands
        return chosen if chosen == otherwise else Cases(((chosen, condition),), otherwise)
    if row in _COMPARISONS:
        return Compare(operands[0], row.symbol, operands[1])
    if row in _BOTH | _EITHER and all(isinstance(o, Compare) for o in operands):
        return Compare(operands[0], "∧" if row in _BOTH else "∨", operands[1])
    numbers = [_number(operand) for operand in operands]
    return _BY_ROW[row](*numbers) if row in _BY_ROW else FunctionCall(str(row), tuple(numbers))


def _number(term: Term) -> Term:
    """A condition in the place of a number is 1 where it holds."""
    return Cases(((ONE, term),), ZERO) if isinstance(term, Compare) else term


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
