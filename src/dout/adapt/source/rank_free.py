"""Whether a function is written for arrays of any number of axes, or for several that it tells apart."""

from __future__ import annotations

import ast
from collections.abc import Container
from typing import Any

from dout.adapt.source.syntax import literal, name_of, read, total, walk
from dout.trace.model.user_source import behind


@total(bool)
def counts_from_the_end(function: Any) -> bool:
    """Whether a function names an axis from the end, asks for the number of axes, or writes `...` for some of them."""
    own = read(behind(function))
    return own is not None and any(map(_is_rank_free, walk(own.node)))


def _is_rank_free(node: ast.AST) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())) | ast.Attribute(attr="ndim"):
            return True
        case ast.Constant():
            return node.value is Ellipsis
    return False


@total(tuple)
def axis_counts(function: Any, but: Container[str] = ()) -> tuple[int, ...]:
    """The numbers of axes that a function tells apart: 4 of `x.ndim == 4`, 3 of `len(x.shape) > 2`.

    Those of arrays of some names do not count: the axes of labels are not those of scores.
    `range(2, x.ndim)` has one axis with 3, two with 4, three with 5.
    """
    own = read(behind(function))
    found: set[int] = set()
    for node in walk(own.node) if own is not None else ():
        match node:
            case ast.Compare(
                left=ast.Attribute(value, "ndim") | ast.Call(args=[ast.Attribute(value, "shape")]) as left,
                ops=[op],
                comparators=[right],
            ) if name_of(value) not in but:
                found.update(_told_apart(left, op, right))
            case ast.Call(func=ast.Name("range"), args=[ast.Constant(value=int(first)), ast.Attribute(attr="ndim")]):
                found.update(range(first + 1, first + 4))
    return tuple(sorted(found))


def _told_apart(left: ast.expr, op: ast.cmpop, right: ast.expr) -> list[int]:
    if isinstance(left, ast.Call) and name_of(left.func) != "len":
        return []
    value = literal(right)
    counts = value if isinstance(value, tuple | list) else [value]
    return [n + isinstance(op, ast.Gt | ast.LtE) for n in counts if type(n) is int]
