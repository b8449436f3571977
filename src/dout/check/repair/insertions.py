"""What may be missing in an expression: a factor, a term, a sum over an axis, a sign."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from dout.check.repair.scratch_functions import ExpressionPlace
from dout.check.repair.written_expressions import Found, Seen, bare, is_bool, is_product, part


def _is_term(place: ExpressionPlace) -> bool:
    """Whether an expression is a whole: what is assigned, returned, added, summed; a factor may be missing there."""
    parent = place.parents[0]
    if isinstance(parent, ast.stmt):
        return isinstance(parent, ast.Assign | ast.AugAssign | ast.Return | ast.Expr)
    if isinstance(parent, ast.BinOp):
        below = isinstance(parent.op, ast.Div) and parent.right is place.node
        return isinstance(parent.op, ast.Add | ast.Sub | ast.MatMult) or below
    if isinstance(parent, ast.Tuple):
        return len(place.parents) == 2 and isinstance(place.parents[1], ast.Return | ast.Assign)
    return isinstance(parent, ast.Call | ast.UnaryOp) or (
        isinstance(parent, ast.Attribute) and parent.value is place.node
    )


def _fits(term: Any, value: Any) -> bool:
    try:
        np.broadcast_shapes(np.shape(term), np.shape(value))
    except ValueError:
        return False
    return True


def word_of_factor(place: ExpressionPlace, text: str, value: Any) -> str:
    """What it is called that this factor is missing."""
    if text == "dout" and not any(isinstance(n, ast.Name) and n.id == text for n in ast.walk(place.statement)):
        return "ignores dout"
    array = np.asarray(value)
    masks = array.dtype == bool or (array.size > 1 and bool(np.all((array == 0) | (array == 1))))
    return "mask" if masks or "mask" in text else "factor"


def _upstream(place: ExpressionPlace) -> str:
    """What the function calls the gradient that it is given."""
    arguments = place.function.node.args.args
    return arguments[1].arg if len(arguments) > 1 else "dout"


def insertions(place: ExpressionPlace, seen: Seen) -> Found:
    """Every edit that puts something in: cost, word and text."""
    value = seen.value
    constant = isinstance(place.node.operand if isinstance(place.node, ast.UnaryOp) else place.node, ast.Constant)
    if not isinstance(value, float | bool | np.generic | np.ndarray) and not constant:
        return
    if is_bool(value):
        text = part(place, place.node)
        if not (isinstance(place.node, ast.UnaryOp) and isinstance(place.node.op, ast.Invert)):
            yield 1.1, "mask", f"~{text}"
        for term, known in seen.terms:
            if is_bool(known) and _fits(known, value) and term != text:
                yield 1.8, "mask", f"{text} & {term}"
                yield 1.9, "mask", f"{text} | {term}"
        return
    number = isinstance(value, float | np.floating | np.ndarray) or constant
    if not number or not _is_term(place):
        return
    parent = place.parents[0]
    statement = isinstance(parent, ast.stmt | ast.Tuple)
    whole, side = bare(place, place.node), part(place, place.node)
    left = whole if is_product(place.node) else side
    more = 0.0 if statement else 0.1
    if not isinstance(place.node, ast.UnaryOp) and not constant:
        yield 1.05 + more, "sign", f"-{left}" if is_product(place.node) else f"-{side}"
    if constant:
        for term, known in seen.terms:
            if isinstance(known, np.ndarray) and not is_bool(known):
                yield 1.6, "missing term", f"{whole} + {term}"
                yield 1.6, "missing term", f"{whole} - {term}"
                yield 1.7, "factor", f"{whole} * {term}"
                yield 1.75, "factor", f"{whole} / {term}"
        return
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div):
        yield 1.5, "missing term", f"1 + {whole}"
    if np.ndim(value) >= 1:
        for axis in range(np.ndim(value)):
            yield 1.5 + more, "broadcast", f"{side}.sum(axis={axis})"
            yield 1.6 + more, "broadcast", f"{side}.sum(axis={axis}, keepdims=True)"
            yield 1.9 + more, "broadcast", f"{side}.mean(axis={axis}, keepdims=True)"
            yield 2.0 + more, "missing term", f"{whole} - {side}.mean(axis={axis}, keepdims=True)"
        yield 1.7 + more, "broadcast", f"{side}.sum()"
    if np.ndim(value) == 2:
        yield 1.2 + more, "transpose", f"{side}.T"
    for factor, cost in (("2", 1.5), ("0.5", 1.6), ("3", 2.0)):
        yield cost + more, "factor", f"{factor} * {left}"
    whole_numbers = [t for t, known in seen.terms if type(known) is int][:5]
    for i, first in enumerate(whole_numbers):
        for second in whole_numbers[i + 1 :]:
            yield 2.0 + more, "factor", f"{left} / ({first} * {second})"
    for length, _ in _lengths(seen):
        yield 1.6 + more, "factor", f"{left} / {length}"
        yield 1.8 + more, "factor", f"{left} * {length}"
    for term, known in seen.terms:
        if term == whole or not _fits(known, value):
            continue
        word = word_of_factor(place, term, known)
        yield 1.5 + more, word, f"{left} * {term}"
        if is_bool(known):
            yield 1.7 + more, "mask", f"{left} * ~{term}"
            continue
        far = 0.0 if np.shape(known) == np.shape(value) else 0.05
        yield 1.65 + more + far, "factor", f"{left} / {term}"
        yield 1.6 + more + far, "missing term", f"{whole} + {term}"
        yield 1.6 + more + far, "missing term", f"{whole} - {term}"
        yield 1.8 + more + far, "factor", f"{left} * (1 - {term})"
        yield 1.9 + more + far, "factor", f"{left} * (1 - {term}**2)"
        yield 1.9 + more + far, "factor", f"{left} * {term}**2"
        yield 2.0 + more + far, "factor", f"{left} / {term}**2"
        yield 2.1 + more + far, "factor", f"{left} * {term} * (1 - {term})"
        upstream = next((t for t in seen.terms if t[0] == _upstream(place)), None)
        if upstream and term != upstream[0] and np.shape(known) == np.shape(value) == np.shape(upstream[1]):
            yield 2.1 + more, "missing term", f"{whole} - {upstream[0]} * {term}"
            yield 2.1 + more, "missing term", f"{whole} + {upstream[0]} * {term}"
        for axis in range(np.ndim(value)) if np.shape(known) == np.shape(value) else ():
            along = f"axis={axis}, keepdims=True"
            yield 2.0 + more, "missing term", f"{whole} - {term} * {side}.sum({along})"
            yield 2.05 + more, "missing term", f"{term} * ({whole} - ({left} * {term}).sum({along}))"
            yield 2.05 + more, "missing term", f"{whole} - ({left} * {term}).sum({along})"
            yield 2.1 + more, "missing term", f"{whole} - {term} * ({left} * {term}).sum({along})"
            yield 2.2 + more, "missing term", f"{whole} - {term} * ({left} * {term}).mean({along})"
        yield 2.2 + more + far, "mask", f"{left} * ({term} > 0)"
        yield 2.3 + more + far, "factor", f"{left} * np.exp({term})"
        yield 2.3 + more + far, "factor", f"{left} * np.cos({term})"


def _lengths(seen: Seen) -> Iterator[tuple[str, int]]:
    """Lengths of axes as a user would write them."""
    known: dict[int, str] = {}
    for text, value in sorted(seen.terms, key=lambda t: t[0] != "dout"):
        for axis, n in enumerate(np.shape(value)):
            if n > 1:
                known.setdefault(n, f"{text}.shape[{axis}]")
        if np.ndim(value) > 1:
            known.setdefault(np.size(value), f"{text}.size")
    yield from ((text, n) for n, text in known.items())
