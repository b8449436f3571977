"""What a call may have been meant to be: another axis, another function, other sides of a product, another order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from dout.check.repair.scratch_functions import ExpressionPlace
from dout.check.repair.written_expressions import Found, Seen, bare, part, replaced

OTHER_FUNCTIONS = {
    "maximum": ("minimum",), "minimum": ("maximum",), "sum": ("mean", "max", "prod"), "mean": ("sum",),
    "argmax": ("argmin",), "argmin": ("argmax",), "max": ("min", "sum"), "min": ("max",), "hstack": ("vstack",),
    "vstack": ("hstack",), "repeat": ("tile",), "tile": ("repeat",), "exp": ("expm1", "log"), "expm1": ("exp",),
    "log": ("log1p", "exp"), "log1p": ("log",), "sin": ("cos", "tanh"), "cos": ("sin",),
    "tanh": ("sin", "sinh", "cosh"), "sinh": ("cosh",), "cosh": ("sinh",), "sign": ("abs",), "abs": ("sign",),
    "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "logical_and": ("logical_or",),
    "logical_or": ("logical_and",), "sqrt": ("square",), "square": ("sqrt",), "var": ("std",), "std": ("var",),
    "less": ("greater",), "greater": ("less",), "less_equal": ("greater_equal",), "greater_equal": ("less_equal",),
    "floor": ("round", "ceil"), "ceil": ("floor",), "round": ("floor",), "prod": ("sum",),
    "expand_dims": ("squeeze",), "triu": ("tril",), "tril": ("triu",), "log2": ("log",), "log10": ("log",),
    "exp2": ("exp",), "logaddexp": ("maximum",),
}  # fmt: skip
_WORD_OF_FUNCTION = {"sum": "factor", "mean": "factor", "logical_and": "mask", "logical_or": "mask", "sign": "sign",
                     "abs": "sign", "repeat": "axis", "tile": "axis", "less": "mask", "greater": "mask",
                     "less_equal": "mask", "greater_equal": "mask", "triu": "mask", "tril": "mask"}  # fmt: skip


def of_call(place: ExpressionPlace, seen: Seen) -> Found:
    """Every other call, or what is called with, that may have been meant."""
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
                yield 1.0, "axis", replaced(place, keyword.value, axis)
        elif keyword.arg == "keepdims" and isinstance(keyword.value, ast.Constant):
            yield 1.0, "broadcast", replaced(place, keyword.value, repr(not keyword.value.value))
        elif keyword.arg == "ddof":
            yield from ((1.0, "factor", replaced(place, keyword.value, n)) for n in ("0", "1"))
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
        yield from products(place, node.args[0], node.args[1], lambda x, y: f"{head}({x}, {y})")
    elif called == "dot" and isinstance(function, ast.Attribute) and len(node.args) == 1:
        yield from products(place, function.value, node.args[0], lambda x, y: f"{x}.dot({y})")
    if called in ("transpose", "moveaxis", "swapaxes", "reshape"):
        yield from _orders(place, node)
    if called == "einsum" and node.args and isinstance(node.args[0], ast.Constant):
        yield from _einsum(place, node)
    if called in ("clip", "cumsum", "flip", "maximum", "minimum", "exp", "log", "sqrt", "abs", "ones_like", "copy"):
        inner = node.args[0] if on_module and node.args else None
        if inner is not None:
            yield 1.5, "formula" if called != "ones_like" else "ignores dout", bare(place, inner)


def _is_local(place: ExpressionPlace, name: str) -> bool:
    return name in place.function.function.__code__.co_varnames


def _other_axes(axis: ast.expr, ndim: int) -> Iterator[str]:
    mine = ast.unparse(axis)
    pairs = [f"({i}, {j})" for i in range(ndim) for j in range(i + 1, ndim)]
    triples = ["(0, 2, 3)", "(0, 1, 2)"] if ndim > 3 else []
    yield from (a for a in (*map(str, range(min(ndim, 4))), "-1", "None", *pairs, *triples) if a != mine)


def _orders(place: ExpressionPlace, node: ast.Call) -> Found:
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


def _einsum(place: ExpressionPlace, node: ast.Call) -> Found:
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
                    replaced(place, first, repr(",".join(others[:-1]) + "->" + others[-1]).replace("'", '"')),
                )
    if len(node.args) == 3:
        head, a, b = (bare(place, n) for n in (node.func, *node.args[1:]))
        yield 1.1, "transpose", f"{head}({bare(place, first)}, {b}, {a})"


def products(place: ExpressionPlace, left: ast.expr, right: ast.expr, form: Any) -> Found:
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
