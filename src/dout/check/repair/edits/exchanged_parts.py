"""The edits that exchange what an expression is made of: its indices, one name in all of it, the lengths it counts."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dout.check.repair.edits.expression_places import ExpressionPlace, ScratchFunction

Terms = Sequence[tuple[str, Any]]
# A cost, a word, and the text of the expression; where the whole statement changes, its text and the expression's.
Found = Iterator[tuple[float, str, str] | tuple[float, str, str, str]]
_MOST_RENAMED = 6
_MOST_LIMITS = 4
_MOST_FACTORS = 8
_LOGARITHMS = {"log2": 2, "log10": 10}
_CUTS = ("minimum", "maximum", "clip")
_SOME = ("1:", ":-1", ":, 1:", ":, :-1")  # all but the bias, which stands first or last


def of_parts(place: ExpressionPlace, terms: Terms) -> Found:
    """Every edit of this kind of an expression, with the `terms` in scope there."""
    yield from _other_index(place)
    yield from _renamed(place, terms)
    yield from _counted(place, terms)
    yield from _other_length(place, terms)
    yield from _one_off(place)
    yield from _called_once(place)
    yield from _of_some_alone(place)
    yield from _named_index(place, terms)
    yield from _within_limits(place)
    yield from _without_factors(place)
    yield from _in_natural_logarithms(place)


def exchanged(place: ExpressionPlace, whole: ast.AST, parts: Sequence[ast.expr]) -> Iterator[str]:
    """The source of `whole` with two of its parts exchanged."""
    source = place.function.source
    for first, second in itertools.combinations(parts, 2):
        one, other = source.segment(first), source.segment(second)
        if one != other:
            yield source.with_parts(whole, {first: other, second: one})


def _other_index(place: ExpressionPlace) -> Found:
    """Two indices exchanged: `W[:, j, i]`."""
    match place.node:
        case ast.Subscript(slice=ast.Tuple(elts=parts)):
            names = [part for part in parts if isinstance(part, ast.Name)]
            yield from ((1.1, "swapped", text) for text in exchanged(place, place.node, names))


def _renamed(place: ExpressionPlace, terms: Terms) -> Found:
    """One name wherever it stands in what is assigned or returned: `s * (1 - s)` for `x * (1 - x)`.

    So it is with a number in indices: `a[:, p : p + n]`.
    """
    is_part = isinstance(place.node, ast.Subscript)
    is_whole = isinstance(place.node, ast.BinOp | ast.Call) and isinstance(place.parents[0], ast.stmt | ast.Tuple)
    if not is_part and not is_whole:
        return
    source, values = place.function.source, dict(terms)
    names: dict[str, list[ast.AST]] = {}
    for node in ast.walk(place.node):
        if isinstance(node, ast.Name | ast.Attribute) and (text := source.segment(node)) in values:
            names.setdefault(text, []).append(node)
    for name, nodes in names.items():
        alike = [t for t, v in terms if t != name and np.shape(v) == np.shape(values[name]) and "[" not in t]
        is_kind = type(values[name]) is int if is_part else np.ndim(values[name])
        for other in alike[:_MOST_RENAMED] if len(nodes) > 1 and is_kind else ():
            yield 1.4, "swapped" if is_part else "formula", source.with_parts(place.node, dict.fromkeys(nodes, other))


def _named_index(place: ExpressionPlace, terms: Terms) -> Found:
    """A number by its name in the place of a literal one: `shape[self.axis]` for `shape[0]`."""
    match place.node:
        case ast.Subscript(value=array, slice=ast.Constant(int(number))):
            word = "axis" if getattr(array, "attr", "") == "shape" else "swapped"
            known = (text for text, value in terms if type(value) is int and value != number and -4 <= value < 4)
            yield from ((1.2, word, place.replaced(place.node.slice, text)) for text in known)


def _within_limits(place: ExpressionPlace) -> Found:
    """A condition with the other limit that the class cuts off at: `(x > 0) & (x < 6)`, where forward has that 6."""
    match place.node:
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE() as side], comparators=[limit]):
            source, other = place.function.source, "<" if isinstance(side, ast.Gt | ast.GtE) else ">"
            for text in _limits(place.function):
                if text != source.segment(limit):
                    yield 1.45, "mask", f"({place.text}) & ({source.segment(left)} {other} {text})"


@functools.lru_cache(maxsize=64)
def _limits(function: ScratchFunction) -> tuple[str, ...]:
    """The numbers and attributes at which the class of a function, or its file, cuts off: `np.minimum(x, 6)`."""
    calls = (n for n in ast.walk(function.home) if isinstance(n, ast.Call))
    cuts = [n for n in calls if isinstance(n.func, ast.Attribute) and n.func.attr in _CUTS]
    told = (a for call in cuts for a in call.args if isinstance(a, ast.Constant | ast.UnaryOp | ast.Attribute))
    return tuple(dict.fromkeys(map(function.source.segment, told)))[:_MOST_LIMITS]


def _without_factors(place: ExpressionPlace) -> Found:
    """A product without two or three of its factors: of a loss joined with its activation `y * (1 - y)` is gone."""
    if place.is_operand_of(ast.Mult, ast.Div):  # of the whole product
        return
    factors, node = list[tuple[str, str]](), place.node
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        sign = " * " if isinstance(node.op, ast.Mult) else " / "
        factors.insert(0, (sign, _atom(place, node.right)))
        node = node.left
    factors.insert(0, (" * ", _atom(place, node)))
    for number in (2, 3) if 2 < len(factors) < _MOST_FACTORS else ():
        for left in itertools.combinations(factors, max(len(factors) - number, 0)):
            if left and left[0][0] == " * ":
                yield 1.2 + 0.15 * number, "factor", "".join(itertools.chain(*left)).removeprefix(" * ")


def _atom(place: ExpressionPlace, node: ast.expr) -> str:
    """The source of a factor, in parentheses where it needs them."""
    text = place.function.source.segment(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare | ast.IfExp) else text


def _in_natural_logarithms(place: ExpressionPlace) -> Found:
    """The derivative of a logarithm in bits, or in digits, has `np.log(2)` below: where the file takes such ones."""
    numpy, node = place.function.numpy, place.node
    if not numpy or not isinstance(place.parents[0], ast.stmt | ast.Tuple) or isinstance(node, ast.Tuple):
        return
    is_product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div)
    text = place.text if is_product else _atom(place, node)
    for name, base in _LOGARITHMS.items():
        if f".{name}(" in place.function.source.text:
            yield 1.45, "factor", f"{text} / {numpy}.log({base})"


def _counted(place: ExpressionPlace, terms: Terms) -> Found:
    """All elements of an array but those along one axis, for one length: `x.shape[0] * x.shape[2]`."""
    node, source = place.node, place.function.source
    match node:
        case ast.Subscript(value=ast.Attribute(value=array, attr="shape"), slice=ast.Constant(int(axis))):
            text = source.segment(array)
        case ast.Call(func=ast.Name("len"), args=[array]):
            text, axis = source.segment(array), 0
        case _:
            return
    number = np.ndim(dict(terms).get(text, 0))
    for other in (i for i in range(number) if i != axis and number > 2):
        yield 1.3, "factor", " * ".join(f"{text}.shape[{i}]" for i in range(number) if i != other)


def _other_length(place: ExpressionPlace, terms: Terms) -> Found:
    """The length of another axis, `x.shape[3]` for `x.shape[2]`, or of another array: `a.shape[1]` for `b.shape[1]`."""
    match place.node:
        case ast.Subscript(value=ast.Attribute(value=array, attr="shape"), slice=ast.Constant(int(axis)) as index):
            text, values = place.function.source.segment(array), dict(terms)
            number = np.ndim(values.get(text, 0))
            own = (i for i in range(number) if i not in (axis, axis + number))
            yield from ((1.15, "axis", place.replaced(index, str(i))) for i in own)
            others = [t for t, value in terms if t != text and np.ndim(value) == number and "[" not in t]
            for other in others[:_MOST_RENAMED] if number else ():
                yield 1.25, "swapped", place.replaced(array, other)


def _one_off(place: ExpressionPlace) -> Found:
    """A limit of a slice, an index or a range without the 1 that is added to it, or taken away: `a[i : i + n + 1]`."""
    match place.node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=ast.Constant(1)) if _is_limit(place):
            yield 1.05, "extra term", place.function.source.segment(left)


def _is_limit(place: ExpressionPlace) -> bool:
    above = place.parents[0]
    is_index = isinstance(above, ast.Subscript) and above.slice is place.node
    is_range = isinstance(above, ast.Call) and isinstance(above.func, ast.Name) and above.func.id == "range"
    return isinstance(above, ast.Slice) or is_index or is_range


def _called_once(place: ExpressionPlace) -> Found:
    """What a function of the user's is given, in place of what it returns, where that is given to another one."""
    match place.node, place.parents[0]:
        case ast.Call(args=[inner], keywords=[]), ast.Call() if not place.is_of_module:
            yield 1.4, "formula", place.function.source.segment(inner)


def _of_some_alone(place: ExpressionPlace) -> Found:
    """A sum into some elements alone: `grad[1:] += k * w[1:]`, where a penalty leaves the bias out."""
    statement, numpy, source = place.statement, place.function.numpy, place.function.source
    match statement:
        case ast.AugAssign(target=ast.Name(name) as target, op=ast.Add() | ast.Sub(), value=value) if (
            value is place.node and numpy
        ):
            sign = "+" if isinstance(statement.op, ast.Add) else "-"
        case _:
            return
    for part in _SOME:
        run = (
            f"(lambda dout_some: (dout_some.__setitem__({numpy}.s_[{part}], ({place.text})[{part}]), dout_some)[-1])"
            f"({numpy}.zeros_like({source.segment(target)}))"
        )
        yield 1.3, "extra term", f"{name}[{part}] {sign}= ({place.text})[{part}]", run
