"""Walks over terms: their parts, names, functions and length, and the replacement of parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
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
    """A term, or several, and all terms in it, each before its own parts."""
    waiting = [item]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Term):
            yield one
            one = parts(one)
        waiting += reversed(one) if isinstance(one, tuple | list) else ()


def names_in(item: Any) -> set[str]:
    """The names of the values and indices in a term, or in several."""
    return {part.name for part in parts_of(item) if isinstance(part, Symbol)}


def calls_in(item: Term) -> set[str]:
    """The functions that a term calls, at any depth."""
    return {part.function for part in parts_of(item) if isinstance(part, FunctionCall)}


def substituted(term: Term, change: Callable[[Term], Term | None]) -> Term:
    """The term with each part for which `change` gives another one replaced by that."""
    changed = change(term)
    if changed is not None:
        return changed
    before = vars(term)
    after = {name: _within(item, change) for name, item in before.items()}
    return term if all(after[name] is item for name, item in before.items()) else replace(term, **after)


def _within(item: Any, change: Callable[[Term], Term | None]) -> Any:
    if isinstance(item, Term):
        return substituted(item, change)
    if not isinstance(item, tuple):
        return item
    after = tuple(_within(part, change) for part in item)
    return item if all(a is b for a, b in zip(after, item, strict=True)) else after
