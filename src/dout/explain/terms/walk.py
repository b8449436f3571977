"""What a term is made of: its parts, its names, its functions, and how long it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from dout.explain.terms.terms import FunctionCall, Number, Symbol, Term, parts


def length(item: Term) -> int:
    """How many numbers, names, functions and operators a term has."""
    inside = parts(item)
    own = 0 if isinstance(item, Number) and item.value == 1 and not inside else 1
    if isinstance(item, FunctionCall):
        return 1 + sum(map(length, inside))
    if not inside:
        return own
    return sum(map(length, inside)) + max(len(inside) - 1, 0)


def parts_of(item: Any) -> Iterator[Term]:
    """A term, or several, and all terms in it, of whatever kind."""
    if isinstance(item, Term):
        yield item
        item = [getattr(item, field.name) for field in fields(item)]
    for part in item if isinstance(item, tuple | list) else ():
        yield from parts_of(part)


def names_in(item: Any) -> set[str]:
    """The names of the values and indices in a term, or in several."""
    return {part.name for part in parts_of(item) if isinstance(part, Symbol)}


def calls_in(item: Term) -> set[str]:
    """The functions that a term calls, at any depth."""
    return {part.function for part in parts_of(item) if isinstance(part, FunctionCall)}
