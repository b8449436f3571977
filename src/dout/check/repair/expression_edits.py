"""What a wrong expression may have been meant to be: one edit of one expression, from the likeliest to the least.

An edit is text, as a user would write it: the text that stands in the expression's place is tried as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.check.repair.call_edits import of_call, products
from dout.check.repair.forward_echoes import Echoes, echoed
from dout.check.repair.insertions import insertions, word_of_factor
from dout.check.repair.scratch_functions import ExpressionPlace
from dout.check.repair.statement_edits import of_statement
from dout.check.repair.written_expressions import Found, Seen, bare, is_bool, is_product, part, replaced

_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_ALONG = frozenset({"sum", "mean", "max", "min", "prod", "std", "var", "argmax", "argmin", "cumsum", "any", "all"})
_CONTRARY = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "!=", "!=": "=="}


@dataclass(frozen=True, eq=False)
class Edit:
    """`text` in the place of an expression; `word` says what was wrong then, `cost` how far-fetched it is.

    Where it is another part of the statement that is to change in the source, `spans` holds what: (start, end, text).
    """

    place: ExpressionPlace
    text: str
    cost: float
    word: str
    spans: tuple[tuple[int, int, str], ...] = ()

    @property
    def longer(self) -> int:
        """How much longer the source gets."""
        start, end = self.place.function.source.span(self.place.node)
        return len(self.text.encode()) - (end - start)


def edits(place: ExpressionPlace, seen: Seen, elsewhere: Echoes) -> Iterator[Edit]:
    """Every edit of an expression that might make the gradient right."""
    made: set[str] = {bare(place, place.node)}
    for edit in (*_all(place, seen), *(Edit(place, t, c, w) for c, w, t in echoed(place, elsewhere))):
        if edit.text not in made or edit.spans:
            made.add(edit.text)
            yield edit


def _all(place: ExpressionPlace, seen: Seen) -> Iterator[Edit]:
    node = place.node
    for kind, rule in _RULES.items():
        if isinstance(node, kind):
            for cost, word, text in rule(place, seen):
                yield Edit(place, text, cost, word)
    for cost, word, text, spans in of_statement(place):
        yield Edit(place, text, cost, word, spans)
    for cost, word, text in insertions(place, seen):
        yield Edit(place, text, cost, word)


def _binary(place: ExpressionPlace, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.BinOp)
    a, b, kind = part(place, node.left), part(place, node.right), type(node.op)
    left, right = bare(place, node.left), bare(place, node.right)
    # An operator of the same rank may keep the left side as it stands.
    after = right if is_product(node.right) else b
    if kind is ast.Add:
        yield 1.0, "sign", f"{left} - {after}"
        yield 1.3, "sign", f"{right} - {a}"
        yield 2.5, "factor", f"{a} * {b}"
        yield from ((1.6, "extra term", text) for text in (left, right))
    elif kind is ast.Sub:
        yield 1.0, "sign", f"{left} + {right}"
        yield 1.1, "sign", f"{right} - {a}"
        yield 2.5, "factor", f"{a} * {b}"
        yield 1.6, "extra term", left
    elif kind is ast.Mult:
        yield 1.0, "factor", f"{left if is_product(node.left) else a} / {b}"
        yield 1.3, "factor", f"{right if is_product(node.right) else b} / {a}"
        known = dict(seen.terms)
        for gone, text in ((right, left), (left, right)):
            yield 1.2, word_of_factor(place, gone, known[gone]) if gone in known else "factor", text
        yield 2.2, "factor", f"{a} + {b}"
        yield 2.2, "factor", f"{a} - {b}"
        if seen.ndim == 2:
            yield 2.0, "matmul", f"{a} @ {b}"
    elif kind is ast.Div:
        yield 1.0, "factor", f"{left if is_product(node.left) else a} * {b}"
        yield 1.4, "factor", f"{right if is_product(node.right) else b} / {a}"
        yield 1.2, "factor", left
        yield 1.4, "formula", f"{left if is_product(node.left) else a} / {b}**2"
        yield 1.4, "formula", f"{left if is_product(node.left) else a} / np.sqrt({right})"
    elif kind is ast.Pow:
        yield 1.2, "formula", left
        if isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Add | ast.Sub):  # (1 - y)**2: 1 - y**2
            sign = "+" if isinstance(node.left.op, ast.Add) else "-"
            yield 1.1, "formula", f"{bare(place, node.left.left)} {sign} {part(place, node.left.right)}**{b}"
        if isinstance(node.right, ast.Constant) and isinstance(node.right.value, int | float):
            n = node.right.value
            yield from ((1.2, "formula", f"{a}**{m}") for m in (n - 1, n + 1, n / 2) if m > 1)
        elif not isinstance(node.right, ast.Constant):
            yield from ((1.3, "formula", f"{a}**({right} {s} 1)") for s in "-+")
    elif kind is ast.MatMult:
        yield from products(place, node.left, node.right, lambda x, y: f"{x} @ {y}")
    elif kind in (ast.BitAnd, ast.BitOr):
        yield 1.0, "mask", f"{a} {'|' if kind is ast.BitAnd else '&'} {b}"
        yield from ((1.3, "mask", text) for text in (left, right))


def _unary(place: ExpressionPlace, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.UnaryOp)
    if isinstance(node.op, ast.USub):
        tamed = "abs(" in bare(place, node.operand) and isinstance(place.parents[0], ast.Call)  # exp(-abs(x))
        yield 1.3 if tamed else 1.0, "axis" if _is_axis(place) else "sign", bare(place, node.operand)
    elif isinstance(node.op, ast.Invert | ast.Not):
        yield 1.0, "mask", bare(place, node.operand)


def _compare(place: ExpressionPlace, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Compare)
    mine = _COMPARISONS.get(type(node.ops[0]))
    if mine and len(node.ops) == 1:
        a, b = part(place, node.left), part(place, node.comparators[0])
        for other in _COMPARISONS.values():
            cost = 1.0 if other == _CONTRARY[mine] else 1.9 if {other, mine} & {"==", "!="} else 1.1
            yield cost, "mask", f"{a} {other} {b}"


def _constant(place: ExpressionPlace, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Constant)
    c: Any = node.value
    in_comparison = any(isinstance(p, ast.Compare) for p in place.parents)
    added = any(isinstance(p, ast.BinOp) and isinstance(p.op, ast.Add | ast.Sub) for p in place.parents[:1])
    power = isinstance(place.parents[0], ast.BinOp) and isinstance(place.parents[0].op, ast.Pow)
    word = "mask" if in_comparison else "formula" if added or power else "factor"
    for cost, other in (
        (1.1, c / 2),
        (1.1, 2 * c),
        (1.2, c - 1),
        (1.2, c + 1),
        (1.3, 0),
        (1.3, 1),
        (1.2, -c),
        (1.5, 4 * c),
    ):
        other = int(other) if type(c) is int and other == int(other) else other
        if other != c and not (power and other == 0):
            other_word = "axis" if _is_axis(place) else "sign" if other == -c and c else word
            yield cost, other_word, f"({other!r})" if other < 0 else repr(other)


def _is_axis(place: ExpressionPlace) -> bool:
    """Whether a number says along which axis: x.sum(-1), np.sum(x, axis=-1)."""
    parent = next((p for p in place.parents if not isinstance(p, ast.UnaryOp)), None)
    if isinstance(parent, ast.keyword):
        return parent.arg == "axis"
    return isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in _ALONG


def _attribute(place: ExpressionPlace, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Attribute)
    if node.attr == "T":
        yield 1.0, "transpose", bare(place, node.value)
    yield from _name(place, seen)


def _name(place: ExpressionPlace, seen: Seen) -> Found:
    """Another value of the same shape in its place."""
    mine = bare(place, place.node)
    parent = place.parents[0]
    is_turned = isinstance(parent, ast.Attribute) and parent.attr == "T"
    if seen.ndim == 2 and not mine.endswith(".T") and not is_turned:
        yield 1.1, "transpose", f"{mine}.T"
    for text, value in seen.terms:
        alike = np.shape(value) == seen.shape
        if not alike and text != mine and text.startswith("self.") and mine.startswith("self."):
            yield 1.7, "swapped", text
        if alike and text != mine:
            made_here = text in place.function.function.__code__.co_varnames and text != "dout"
            other_kind = is_bool(value) != is_bool(seen.value)
            yield 1.3 + 0.2 * made_here + 0.6 * other_kind, "swapped", text
            if not other_kind and not is_bool(value) and type(value) is not int:
                yield 1.9, "formula", f"(1 - {text})"
    if isinstance(seen.value, float | np.floating | np.ndarray) and not is_bool(seen.value):
        yield 1.4, "formula", f"{mine}**2"
        yield 1.4, "formula", f"(1 - {mine})"
        yield 1.7, "formula", f"np.sqrt({mine})"
        yield 1.8, "formula", f"(1 - {mine}**2)"


def _subscript(place: ExpressionPlace, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Subscript)
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if isinstance(place.parents[0], ast.For) and isinstance(node.slice, ast.Slice):
        yield 1.1, "missing term", bare(place, node.value)
    for piece in parts:
        if isinstance(piece, ast.Slice) and piece.step is None and (piece.lower is None) != (piece.upper is None):
            bound = piece.lower or piece.upper
            assert bound is not None
            text = bare(place, bound)
            yield 1.2, "formula", replaced(place, piece, f"{text}:" if piece.lower is None else f":{text}")
    if len(parts) == 1 and isinstance(parts[0], ast.Constant) and isinstance(parts[0].value, int):
        yield from ((1.3, "swapped", replaced(place, parts[0], str(n))) for n in (0, 1, 2, 3))
    yield from _name(place, seen)


def _tuple(place: ExpressionPlace, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Tuple)
    source = place.function.source
    start, end = source.span(node)
    for i, first in enumerate(node.elts):
        for second in node.elts[i + 1 :]:
            (a, b), (c, d) = source.span(first), source.span(second)
            data = source.data
            one, other = data[a:b], data[c:d]
            word = "sign" if one == b"-" + other or other == b"-" + one else "swapped"
            yield 1.0, word, (data[start:a] + other + data[b:c] + one + data[d:end]).decode()


_RULES: dict[type[ast.expr], Any] = {
    ast.BinOp: _binary, ast.UnaryOp: _unary, ast.Compare: _compare, ast.Constant: _constant, ast.Call: of_call,
    ast.Attribute: _attribute, ast.Name: _name, ast.Subscript: _subscript, ast.Tuple: _tuple,
}  # fmt: skip
