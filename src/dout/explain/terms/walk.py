"""What a term is made of: its parts, its functions, and how long it is."""

from __future__ import annotations

from dout.explain.terms.terms import FunctionCall, Number, Term, parts


def length(item: Term) -> int:
    """How many numbers, names, functions and operators a term has."""
    inside = parts(item)
    own = 0 if isinstance(item, Number) and item.value == 1 and not inside else 1
    if isinstance(item, FunctionCall):
        return 1 + sum(map(length, inside))
    if not inside:
        return own
    return sum(map(length, inside)) + max(len(inside) - 1, 0)


def calls_in(item: Term) -> set[str]:
    """The functions that a term calls, at any depth."""
    own = {item.function} if isinstance(item, FunctionCall) else set()
    return own.union(*map(calls_in, parts(item)))
