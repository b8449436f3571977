"""A wrong expression and a right one in; the terms of their sums that differ out, as a word and a shorter change."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np

from dout.check.exact.ratio import ratio_of_floats
from dout.check.repair.edits.expression_places import ExpressionPlace

_MOST_TERMS = 8
_CLOSE, _EXACTLY = 1e-9, 1e-6  # relative to the largest element, and of a ratio

Term = tuple[int, ast.expr]  # its sign


def compared(place: ExpressionPlace, right: str, names: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong with an expression, by a right one in its place: a word, and the right one as a change of it.

    Terms that have equal values are the same. Where others do not go one by one, the word is `formula`.
    """
    space = {**place.function.function.__globals__, **names}
    mine, wanted = [*_terms(place.node)], [*_terms(_expression(right))]
    left, new = _unlike(mine, wanted, space)
    if len(left) < len(mine) and (text := _changed(place, mine, left, new)):
        return _word(left, new, space), text
    mine, wanted = _spread(mine), _spread(wanted)
    if max(len(mine), len(wanted)) > _MOST_TERMS:
        return "formula", right
    return _word(*_unlike(mine, wanted, space), space), right


def _expression(text: str) -> ast.expr:
    return ast.parse(f"({text}\n)", mode="eval").body


def _terms(node: ast.expr, sign: int = 1) -> Iterator[Term]:
    """The terms of a sum, with their signs."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(node.left, sign)
        yield from _terms(node.right, sign if isinstance(node.op, ast.Add) else -sign)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from _terms(node.operand, -sign)
    else:
        yield sign, node


def _spread(terms: Iterable[Term]) -> list[Term]:
    """The terms, with each product of sums as the sum of its products."""
    return [(sign * own, part) for sign, term in terms for own, part in _products(term)]


def _products(node: ast.expr) -> list[Term]:
    """The terms of a product of sums, each as a product."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult | ast.Div):
        return [(1, node)]
    below: list[Term] = [(1, node.right)]
    right = _spread(_terms(node.right)) if isinstance(node.op, ast.Mult) else below
    pairs = product(_spread(_terms(node.left)), right)
    return [(s * t, ast.BinOp(a, node.op, b)) for (s, a), (t, b) in pairs]


def _value(term: Term, space: Mapping[str, Any]) -> Any:
    sign, node = term
    return sign * np.asarray(eval(ast.unparse(node), dict(space)), dtype=float)  # the user's own names


def _unlike(mine: Sequence[Term], wanted: Sequence[Term], space: Mapping[str, Any]) -> tuple[list[Term], list[Term]]:
    """The terms of each side that have no equal on the other."""
    left, new = list[Term](), [(term, _value(term, space)) for term in wanted]
    for term in mine:
        value = _value(term, space)
        twin = next((one for one in new if _are_equal(one[1], value)), None)
        if twin is None:
            left.append(term)
        else:
            new.remove(twin)
    return left, [term for term, _ in new]


def _are_equal(one: Any, other: Any) -> bool:
    with suppress(ValueError):
        distance = np.max(np.abs(one - other), initial=0.0)
        return bool(distance <= _CLOSE * max(np.max(np.abs(one), initial=0.0), np.max(np.abs(other), initial=0.0)))
    return False


def _word(left: Sequence[Term], new: Sequence[Term], space: Mapping[str, Any]) -> str:
    """The word for terms that are there, and those that should be there instead."""
    if not left and new:
        return "missing term"
    if left and not new:
        return "extra term"
    if len(left) == len(new) == 1:
        one, other = _value(left[0], space), _value(new[0], space)
        ratio = ratio_of_floats(one, other, _EXACTLY) if one.shape == other.shape else None
        return "formula" if ratio is None else "sign" if abs(ratio + 1) < _EXACTLY else "factor"
    return "formula"


def _changed(place: ExpressionPlace, mine: Sequence[Term], left: Sequence[Term], new: Sequence[Term]) -> str:
    """The expression with the new terms in the place of those that are `left`; empty if that is not plain."""
    segment = place.function.source.segment
    if not left:
        return place.text + "".join(f" {'+' if sign > 0 else '-'} {ast.unparse(term)}" for sign, term in new)
    (sign, old), *others = left
    if others or len(new) != 1 or new[0][0] != sign or segment(old) == place.text:
        return ""
    return place.function.source.with_parts(place.node, {old: ast.unparse(new[0][1])})
