"""The edits of what a statement writes into: another slice or array, or elements that may be chosen twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dout.adapt.source.syntax import name_of
from dout.check.repair.edits.exchanged_parts import Found, Terms
from dout.check.repair.edits.expression_places import ExpressionPlace

_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def of_target(place: ExpressionPlace, terms: Terms) -> Found:
    """Every edit of this kind of the statement that an expression is the value of, with the `terms` in scope there."""
    yield from _added_at(place, terms)
    yield from _other_target(place, terms)


def _added_at(place: ExpressionPlace, terms: Terms) -> Found:
    """An assignment to elements that an array chooses, or `+=`: of one that is chosen twice a single value remains.

    Of elements that whole numbers choose, one at a time, `+=` loses nothing, nor where one index counts: `a[rows, t]`.
    """
    statement, numpy = place.statement, place.function.numpy
    is_sum = isinstance(statement, ast.AugAssign)
    if not isinstance(statement, ast.Assign | ast.AugAssign) or statement.value is not place.node or not numpy:
        return
    target, *more = [statement.target] if isinstance(statement, ast.AugAssign) else statement.targets
    if more or (isinstance(statement, ast.AugAssign) and not isinstance(statement.op, ast.Add)):
        return
    if not isinstance(target, ast.Subscript) or any(isinstance(n, ast.Slice) for n in ast.walk(target.slice)):
        return
    source, known = place.function.source, dict(terms)
    chosen = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    values = [known.get(source.segment(part)) for part in chosen]
    if all(isinstance(value, int | np.integer) for value in values) or any(map(_counts, chosen, values)):
        return
    if any(getattr(value, "dtype", None) == np.bool_ for value in values):
        return  # it chooses nothing twice
    array, element = source.segment(target.value), source.segment(target)
    index = source.segment(target.slice)
    index = f"({index})" if isinstance(target.slice, ast.Tuple) and not index.startswith("(") else index
    call = f"{numpy}.add.at({array}, {index}, {place.text})"
    run = f"(before := {element} + 0, {call}, {element} - before)" if is_sum else f"({call}, {element})"
    yield 1.15, "index", call, f"{run}[-1]"


def _counts(index: ast.expr, value: Any) -> bool:
    """Whether an index, or the value of its name, is 0, 1, 2 and so on."""
    is_range = isinstance(index, ast.Call) and name_of(index.func) in ("range", "arange")
    return is_range or (isinstance(value, np.ndarray) and value.size > 1 and np.array_equal(value, range(value.size)))


def _other_target(place: ExpressionPlace, terms: Terms) -> Found:
    """Another slice of the array that is written into, as it stands elsewhere, or another array.

    So is `dx[:, s:s + k] += …`, or `dx[mask] = 0` in the place of `dout[mask] = 0`.
    """
    statement, numpy, source = place.statement, place.function.numpy, place.function.source
    if not isinstance(statement, ast.Assign | ast.AugAssign) or statement.value is not place.node or not numpy:
        return
    target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    sign = _SIGNS.get(type(statement.op)) if isinstance(statement, ast.AugAssign) else ""
    if not isinstance(target, ast.Subscript) or sign is None:
        return
    array, parts, known = source.segment(target.value), target.slice, dict(terms)
    pieces = parts.elts if isinstance(parts, ast.Tuple) else [parts]
    others = [(array, source.with_parts(parts, {piece: text})) for piece, text in slices_elsewhere(place, pieces)]
    shape = np.shape(known.get(array, 0))
    alike = (t for t, x in terms if shape and np.shape(x) == shape and t in place.function.locals and t != array)
    others += [(text, source.segment(parts)) for text in alike]
    nothing = {"": source.segment(target), "*": "1"}.get(sign, f"0 * ({place.text})")
    for other, index in others:
        new = f"{other}[{index}] {sign} ({place.text})" if sign else f"({place.text})"
        written = f"{other}.__setitem__({numpy}.s_[{index}], {new})"
        word, cost = ("formula", 1.2) if other == array else ("swapped", 1.25)
        yield cost, word, f"{other}[{index}] {sign}= {place.text}", f"({written}, {nothing})[-1]"


def slices_elsewhere(place: ExpressionPlace, parts: Sequence[ast.expr]) -> Iterator[tuple[ast.expr, str]]:
    """Each slice, with another that its function or class has along the same axis: `j:j + k` beside `a:a + k`."""
    source, function = place.function.source, place.function
    within = function.home if function.owner else function.node
    others = [n.slice for n in ast.walk(within) if isinstance(n, ast.Subscript)]
    rows = [other.elts if isinstance(other, ast.Tuple) else [other] for other in others]
    for axis, piece in enumerate(parts):
        along = (row[axis] for row in rows if len(row) == len(parts) and isinstance(row[axis], ast.Slice))
        texts = dict.fromkeys(map(source.segment, along)) if isinstance(piece, ast.Slice) else {}
        yield from ((piece, text) for text in texts if ":" != text != source.segment(piece))
