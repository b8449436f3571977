"""Conditions of the user's that only check: where they do not hold, an error ends forward, and nothing is computed."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache

from dout.graph import Where

_CATCHING = (ast.Try, ast.TryStar) if hasattr(ast, "TryStar") else (ast.Try,)


def is_check(where: Where) -> bool:
    """Whether all that a line decides is whether an error is raised, and nothing in its file catches that error.

    A recording knows lines, and no columns: a line that holds another statement may decide something else.
    """
    return any(first <= where.line <= last for first, last in _checks(where.file))


@lru_cache(maxsize=64)
def _checks(file: str) -> tuple[tuple[int, int], ...]:
    """The first and last lines of the conditions of checks."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    caught = {id(inner) for node in ast.walk(tree) for one in _caught(node) for inner in ast.walk(one)}
    called = {name for node in ast.walk(tree) if id(node) in caught for name in _called(node)}
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        if function.name in called:
            caught |= {id(inner) for inner in ast.walk(function)}
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return tuple(
        _lines(test) for node, test in _tests(statements)
        if id(node) not in caught and not _decides_more(node, test, statements)
    )  # fmt: skip


def _tests(statements: list[ast.stmt]) -> Iterator[tuple[ast.stmt, ast.expr]]:
    """The conditions where an error is raised otherwise: of `assert`, and of `if` that ends in `raise`."""
    for node in statements:
        raises = isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Raise)
        if raises or isinstance(node, ast.Assert):
            yield node, node.test  # type: ignore[attr-defined]


def _caught(node: ast.AST) -> list[ast.stmt]:
    """The statements whose errors end at a `try`, or at a `with suppress(...)`."""
    if isinstance(node, ast.With):
        names = {name for item in node.items for part in ast.walk(item.context_expr) for name in _called(part)}
        return node.body if "suppress" in names else []
    if not isinstance(node, _CATCHING):
        return []
    handled = any(not isinstance(handler.body[-1], ast.Raise) for handler in node.handlers)
    ended = any(isinstance(inner, ast.Return) for one in node.finalbody for inner in ast.walk(one))
    return node.body if handled or ended else []


def _called(node: ast.AST) -> list[str]:
    """The name by which a call calls."""
    if not isinstance(node, ast.Call):
        return []
    function = node.func
    return [function.attr] if isinstance(function, ast.Attribute) else [getattr(function, "id", "")]


def _decides_more(check: ast.stmt, test: ast.expr, statements: list[ast.stmt]) -> bool:
    """Whether the lines of a condition hold another statement, or give a name to what the condition computes."""
    inside = {id(inner) for inner in ast.walk(check)}
    first, last = _lines(test)
    return any(isinstance(part, ast.NamedExpr) for part in ast.walk(test)) or any(
        start <= last and first <= end
        for start, end in (_header(other) for other in statements if id(other) not in inside)
    )


def _header(statement: ast.stmt) -> tuple[int, int]:
    """The lines on which a statement decides something: all, or those before what is indented below."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Try):
        return 0, 0
    deciding = next(
        (part for part in (getattr(statement, name, None) for name in ("test", "iter", "subject")) if part), None
    )
    if hasattr(statement, "body") or hasattr(statement, "cases"):
        end = deciding.end_lineno if deciding is not None else statement.lineno
        return statement.lineno, end or statement.lineno
    return _lines(statement)


def _lines(node: ast.stmt | ast.expr) -> tuple[int, int]:
    return node.lineno, node.end_lineno or node.lineno
