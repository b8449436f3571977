"""What a wrong expression may have been meant to be: one edit of one expression, from the likeliest to the least.

An edit is text, as a user would write it: the text that stands in the expression's place is tried as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.check.cause.functions import Place
from dout.check.cause.insertions import insertions
from dout.check.cause.written import Found, Seen, bare, is_bool, is_product, part

OTHER_FUNCTIONS = {
    "maximum": ("minimum",), "minimum": ("maximum",), "sum": ("mean",), "mean": ("sum",), "argmax": ("argmin",),
    "argmin": ("argmax",), "max": ("min",), "min": ("max",), "hstack": ("vstack",), "vstack": ("hstack",),
    "repeat": ("tile",), "tile": ("repeat",), "exp": ("expm1", "log"), "expm1": ("exp",), "log": ("log1p", "exp"),
    "log1p": ("log",), "sin": ("cos", "tanh"), "cos": ("sin",), "tanh": ("sin", "sinh", "cosh"), "sinh": ("cosh",),
    "cosh": ("sinh",), "sign": ("abs",), "abs": ("sign",), "zeros_like": ("ones_like",), "ones_like": ("zeros_like",),
    "logical_and": ("logical_or",), "logical_or": ("logical_and",), "sqrt": ("square",), "square": ("sqrt",),
    "var": ("std",), "std": ("var",),
}  # fmt: skip
_WORD_OF_FUNCTION = {"sum": "factor", "mean": "factor", "logical_and": "mask", "logical_or": "mask", "sign": "sign",
                     "abs": "sign", "repeat": "axis", "tile": "axis"}  # fmt: skip
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.BitAnd: "&",
              ast.BitOr: "|", ast.Pow: "**"}  # fmt: skip
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


@dataclass(frozen=True, eq=False)
class Edit:
    """`text` in the place of an expression; `word` says what was wrong then, `cost` how far-fetched it is.

    Where it is another part of the statement that is to change in the source, `spans` holds what: (start, end, text).
    """

    place: Place
    text: str
    cost: float
    word: str
    spans: tuple[tuple[int, int, str], ...] = ()

    @property
    def longer(self) -> int:
        """How much longer the source gets."""
        start, end = self.place.function.source.span(self.place.node)
        return len(self.text.encode()) - (end - start)


def edits(place: Place, seen: Seen) -> Iterator[Edit]:
    """Every edit of an expression that might make the gradient right."""
    made: set[str] = {bare(place, place.node)}
    for edit in _all(place, seen):
        if edit.text not in made or edit.spans:
            made.add(edit.text)
            yield edit


def _all(place: Place, seen: Seen) -> Iterator[Edit]:
    node = place.node
    for kind, rule in _RULES.items():
        if isinstance(node, kind):
            for cost, word, text in rule(place, seen):
                yield Edit(place, text, cost, word)
    yield from _of_statement(place)
    for cost, word, text in insertions(place, seen):
        yield Edit(place, text, cost, word)


def _binary(place: Place, seen: Seen) -> Found:
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
        yield from ((1.2, "factor", text) for text in (left, right))
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
        if isinstance(node.right, ast.Constant) and isinstance(node.right.value, int | float):
            n = node.right.value
            yield from ((1.2, "formula", f"{a}**{m}") for m in (n - 1, n + 1, n / 2) if m > 1)
        elif not isinstance(node.right, ast.Constant):
            yield from ((1.3, "formula", f"{a}**({right} {s} 1)") for s in "-+")
    elif kind is ast.MatMult:
        yield from _products(place, node.left, node.right, lambda x, y: f"{x} @ {y}")
    elif kind in (ast.BitAnd, ast.BitOr):
        yield 1.0, "mask", f"{a} {'|' if kind is ast.BitAnd else '&'} {b}"
        yield from ((1.3, "mask", text) for text in (left, right))


def _products(place: Place, left: ast.expr, right: ast.expr, form: Any) -> Found:
    """A matrix product with its sides the other way round, and turned."""
    a, b = part(place, left), part(place, right)
    yield 1.0, "transpose", form(b, a)
    yield 1.0, "transpose", form(_turned(b), _turned(a))
    yield 1.0, "transpose", form(_turned(a), b)
    yield 1.0, "transpose", form(a, _turned(b))
    whole = form(a, b)
    yield 1.1, "transpose", f"{whole}.T" if whole.endswith(")") and "@" not in whole else f"({whole}).T"
    yield 1.2, "transpose", form(_turned(b), a)
    yield 1.2, "transpose", form(b, _turned(a))


def _turned(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"


def _unary(place: Place, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.UnaryOp)
    if isinstance(node.op, ast.USub):
        yield 1.0, "sign", bare(place, node.operand)
    elif isinstance(node.op, ast.Invert | ast.Not):
        yield 1.0, "mask", bare(place, node.operand)


def _compare(place: Place, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Compare)
    if len(node.ops) == 1:
        a, b = part(place, node.left), part(place, node.comparators[0])
        mine = _COMPARISONS.get(type(node.ops[0]))
        for other in ("<", "<=", ">", ">=", "==", "!="):
            if mine and other != mine:
                yield 1.0, "mask", f"{a} {other} {b}"


def _constant(place: Place, seen: Seen) -> Found:
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
        if other != c:
            yield cost, "sign" if other == -c and c else word, f"({other!r})" if other < 0 else repr(other)


def _call(place: Place, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Call)
    function = node.func
    called = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    on_module = (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and not _is_local(place, function.value.id)
    )
    text = bare(place, node)
    for keyword in node.keywords:
        if keyword.arg in ("axis", "axes"):
            for axis in _other_axes(keyword.value, seen.ndim + 2):
                yield 1.0, "axis", _with(place, keyword.value, axis)
        elif keyword.arg == "keepdims" and isinstance(keyword.value, ast.Constant):
            yield 1.0, "broadcast", _with(place, keyword.value, repr(not keyword.value.value))
        elif keyword.arg == "ddof":
            yield from ((1.0, "factor", _with(place, keyword.value, n)) for n in ("0", "1"))
    if called in ("sum", "mean", "max", "min") and text.endswith(")"):
        inner = (
            node.args[0] if on_module and node.args else function.value if isinstance(function, ast.Attribute) else None
        )
        comma = ", " if node.keywords or len(node.args) > on_module else "" if not on_module else ", "
        if not any(k.arg == "keepdims" for k in node.keywords):
            yield 1.1, "broadcast", f"{text[:-1]}{comma}keepdims=True)"
        if not any(k.arg == "axis" for k in node.keywords) and len(node.args) <= on_module:
            for axis in ("0", "1", "-1"):
                yield 1.2, "axis", f"{text[:-1]}{comma}axis={axis})"
                yield 1.2, "axis", f"{text[:-1]}{comma}axis={axis}, keepdims=True)"
        if inner is not None:
            yield 1.4, "axis", bare(place, inner)
    for other in OTHER_FUNCTIONS.get(called, ()):
        if isinstance(function, ast.Attribute):
            start = place.function.source.span(function)[1] - place.function.source.span(node)[0]
            data = text.encode()
            head = data[: start - len(function.attr.encode())].decode()
            word = _WORD_OF_FUNCTION.get(called, "formula")
            yield 1.1, word, head + other + data[start:].decode()
    if called == "where" and len(node.args) == 3:
        head = bare(place, function)
        condition, yes, no = (bare(place, a) for a in node.args)
        yield 1.0, "mask", f"{head}({condition}, {no}, {yes})"
        yield from ((1.5, "mask", t) for t in (yes, no))
    if called in ("dot", "matmul", "outer") and on_module and len(node.args) == 2:
        head = bare(place, function)
        yield from _products(place, node.args[0], node.args[1], lambda x, y: f"{head}({x}, {y})")
    elif called == "dot" and isinstance(function, ast.Attribute) and len(node.args) == 1:
        yield from _products(place, function.value, node.args[0], lambda x, y: f"{x}.dot({y})")
    if called in ("transpose", "moveaxis", "swapaxes", "reshape"):
        yield from _orders(place, node)
    if called == "einsum" and node.args and isinstance(node.args[0], ast.Constant):
        yield from _einsum(place, node)
    if called in ("clip", "cumsum", "flip", "maximum", "minimum", "exp", "log", "sqrt", "abs", "ones_like", "copy"):
        inner = node.args[0] if on_module and node.args else None
        if inner is not None:
            yield 1.5, "formula" if called != "ones_like" else "ignores dout", bare(place, inner)


def _is_local(place: Place, name: str) -> bool:
    return name in place.function.function.__code__.co_varnames


def _with(place: Place, part: ast.AST, text: str) -> str:
    """The expression with one part of it replaced."""
    source = place.function.source
    start, end = source.span(place.node)
    a, b = source.span(part)
    return source.data[start:a].decode() + text + source.data[b:end].decode()


def _other_axes(axis: ast.expr, ndim: int) -> Iterator[str]:
    mine = ast.unparse(axis)
    pairs = [f"({i}, {j})" for i in range(ndim) for j in range(i + 1, ndim)]
    triples = ["(0, 2, 3)", "(0, 1, 2)"] if ndim > 3 else []
    yield from (a for a in (*map(str, range(min(ndim, 4))), "-1", "None", *pairs, *triples) if a != mine)


def _orders(place: Place, node: ast.Call) -> Found:
    """The numbers among a call's arguments, two of them exchanged."""
    parts: list[ast.expr] = [e for a in node.args for e in (a.elts if isinstance(a, ast.Tuple | ast.List) else [a])]
    source = place.function.source
    start, end = source.span(node)
    for i, first in enumerate(parts):
        for second in parts[i + 1 :]:
            if {type(first), type(second)} <= {ast.Constant, ast.UnaryOp, ast.Name, ast.Attribute}:
                (a, b), (c, d) = source.span(first), source.span(second)
                data = source.data
                text = data[start:a] + data[c:d] + data[b:c] + data[a:b] + data[d:end]
                yield 1.2, "transpose", text.decode()


def _einsum(place: Place, node: ast.Call) -> Found:
    first = node.args[0]
    spec: Any = first.value if isinstance(first, ast.Constant) else ""
    if not isinstance(spec, str) or "->" not in spec:
        return
    operands, result = spec.split("->")
    parts = [*operands.split(","), result]
    for k, letters in enumerate(parts):
        for i in range(len(letters)):
            for j in range(i + 1, len(letters)):
                turned = list(letters)
                turned[i], turned[j] = turned[j], turned[i]
                others = [*parts[:k], "".join(turned), *parts[k + 1 :]]
                yield (
                    1.1,
                    "transpose",
                    _with(place, first, repr(",".join(others[:-1]) + "->" + others[-1]).replace("'", '"')),
                )
    if len(node.args) == 3:
        head, a, b = (bare(place, n) for n in (node.func, *node.args[1:]))
        yield 1.1, "transpose", f"{head}({bare(place, first)}, {b}, {a})"


def _attribute(place: Place, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Attribute)
    if node.attr == "T":
        yield 1.0, "transpose", bare(place, node.value)
    yield from _name(place, seen)


def _name(place: Place, seen: Seen) -> Found:
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
            yield 1.3 + 0.2 * made_here + 0.05 * other_kind, "swapped", text
            if not other_kind and not is_bool(value):
                yield 1.9, "formula", f"(1 - {text})"
    if isinstance(seen.value, float | np.floating | np.ndarray) and not is_bool(seen.value):
        yield 1.4, "formula", f"{mine}**2"
        yield 1.4, "formula", f"(1 - {mine})"
        yield 1.7, "formula", f"np.sqrt({mine})"
        yield 1.8, "formula", f"(1 - {mine}**2)"


def _subscript(place: Place, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Subscript)
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for piece in parts:
        if isinstance(piece, ast.Slice) and piece.step is None and (piece.lower is None) != (piece.upper is None):
            bound = piece.lower or piece.upper
            assert bound is not None
            text = bare(place, bound)
            yield 1.2, "formula", _with(place, piece, f"{text}:" if piece.lower is None else f":{text}")
    if len(parts) == 1 and isinstance(parts[0], ast.Constant) and isinstance(parts[0].value, int):
        yield from ((1.3, "swapped", _with(place, parts[0], str(n))) for n in (0, 1, 2, 3))
    yield from _name(place, seen)


def _tuple(place: Place, seen: Seen) -> Found:
    node = place.node
    assert isinstance(node, ast.Tuple)
    source = place.function.source
    start, end = source.span(node)
    for i, first in enumerate(node.elts):
        for second in node.elts[i + 1 :]:
            (a, b), (c, d) = source.span(first), source.span(second)
            data = source.data
            yield 1.0, "swapped", (data[start:a] + data[c:d] + data[b:c] + data[a:b] + data[d:end]).decode()


_RULES: dict[type[ast.expr], Any] = {
    ast.BinOp: _binary, ast.UnaryOp: _unary, ast.Compare: _compare, ast.Constant: _constant, ast.Call: _call,
    ast.Attribute: _attribute, ast.Name: _name, ast.Subscript: _subscript, ast.Tuple: _tuple,
}  # fmt: skip


def _of_statement(place: Place) -> Iterator[Edit]:
    """Another sign of assignment: += for =, -= for +=, /= for *=."""
    statement = place.statement
    if place.parents[0] is not statement:
        return
    source, text = place.function.source, bare(place, place.node)
    start, _ = source.span(place.node)
    if isinstance(statement, ast.AugAssign) and statement.value is place.node:
        target = bare(place, statement.target)
        after = source.span(statement.target)[1]
        sign = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}.get(type(statement.op))
        swapped = {"+=": ("-=", f"-({text})", "sign"), "-=": ("+=", f"-({text})", "sign"),
                   "*=": ("/=", f"1 / ({text})", "factor"), "/=": ("*=", f"1 / ({text})", "factor")}  # fmt: skip
        if sign:
            fresh, run, word = swapped[sign]
            yield Edit(place, run, 0.9, word, ((after, start, f" {fresh} "),))
        if sign == "+=":
            yield Edit(place, f"({text}) - {target}", 1.4, "extra term", ((after, start, " = "),))
    elif isinstance(statement, ast.Assign) and statement.value is place.node and len(statement.targets) == 1:
        target_node = statement.targets[0]
        if isinstance(target_node, ast.Tuple) and not isinstance(place.node, ast.Tuple):
            yield from _unpacked(place, target_node, text)
        if isinstance(target_node, ast.Name | ast.Subscript | ast.Attribute):
            target = bare(place, target_node)
            after = source.span(target_node)[1]
            yield Edit(place, f"{target} + ({text})", 1.2, "missing term", ((after, start, " += "),))


def _unpacked(place: Place, target: ast.Tuple, text: str) -> Iterator[Edit]:
    """Two of the names that a tuple is unpacked into, exchanged."""
    source = place.function.source
    for i, first in enumerate(target.elts):
        for j, second in enumerate(target.elts[i + 1 :], i + 1):
            if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
                order = [*range(len(target.elts))]
                order[i], order[j] = j, i
                run = f"(lambda t: ({', '.join(f't[{k}]' for k in order)},))(tuple({text}))"
                (a, b), (c, d) = source.span(first), source.span(second)
                spans = ((a, b, source.data[c:d].decode()), (c, d, source.data[a:b].decode()))
                yield Edit(place, run, 1.0, "swapped", spans)
