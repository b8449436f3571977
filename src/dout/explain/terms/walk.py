"""What a term is made of: its parts, its functions, and how long it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from dout.explain.terms.terms import Call, Number, Term


def length(item: Term) -> int:
    """How many numbers, names, functions and operators a term has."""
    inside = list(parts(item))
    own = 0 if isinstance(item, Number) and item.value == 1 and not inside else 1
    if isinstance(item, Call):
        return 1 + sum(map(length, inside))
    if not inside:
        return own
    return sum(map(length, inside)) + max(len(inside) - 1, 0)


def parts(item: Any) -> Iterator[Term]:
    """The terms directly inside a term."""
    for field in fields(item):
        yield from _terms_in(getattr(item, field.name))


def _terms_in(value: Any) -> Iterator[Term]:
    if isinstance(value, Term):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _terms_in(part)


def calls_in(item: Term) -> set[str]:
    """The functions that a term calls, at any depth."""
    own = {item.function} if isinstance(item, Call) else set()
    return own.union(*map(calls_in, parts(item)))
