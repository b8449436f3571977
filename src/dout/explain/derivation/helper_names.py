"""The names that a forward gives to what its helper functions return: `gate = sigmoid(a)`."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from types import CodeType
from typing import Any

from dout.files import dedented
from dout.graph import INPUT, Node
from dout.trace.record.trace import Trace

Place = tuple[int | None, ...]


def helper_names(function: Callable[..., Any], trace: Trace) -> dict[Node, str]:
    """The names of values that helpers return to straight-line code of a function; none where that is not certain."""
    code = getattr(function, "__code__", None)
    body = _body(function) if isinstance(code, CodeType) else None
    found: dict[Node, str] = {}
    if body is None:
        return found
    nodes = [n for n in trace.graph.nodes if n not in trace.backward and n.primitive is not INPUT and n in trace.sites]
    for helper in dict.fromkeys(trace.sites[n].f_code for n in nodes):
        if helper is code:
            continue
        names = list(_names_of_calls(body, helper, getattr(function, "__globals__", {})))
        returned = list(_returned(nodes, helper, trace))
        if None not in returned and len(names) == len(returned):
            found |= {node: name for node, name in zip(returned, names, strict=True) if node is not None and name}
    return found


def _body(function: Callable[..., Any]) -> list[ast.stmt] | None:
    with suppress(OSError, TypeError, SyntaxError):
        tree = ast.parse(dedented(inspect.getsource(function)))
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.FunctionDef):
            return tree.body[0].body
    return None


def _names_of_calls(body: Sequence[ast.stmt], helper: CodeType, known: dict[str, Any]) -> Iterator[str]:
    """The name that each call of a helper gives to its result, in the order in which the calls run; "" for none."""
    for statement in body:
        for call in _calls(statement):
            if getattr(_called(call.func, known), "__code__", None) is helper:
                plain = isinstance(statement, ast.Assign) and statement.value is call and len(statement.targets) == 1
                yield _name(statement.targets[0]) if plain and isinstance(statement, ast.Assign) else ""


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls in a statement, those in an argument before the call that takes it."""
    for child in ast.iter_child_nodes(tree):
        yield from _calls(child)
    if isinstance(tree, ast.Call):
        yield tree


def _called(function: ast.expr, known: dict[str, Any]) -> Any:
    if isinstance(function, ast.Name):
        return known.get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return getattr(known.get(function.value.id), function.attr, None)
    return None


def _name(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""


def _returned(nodes: Sequence[Node], helper: CodeType, trace: Trace) -> Iterator[Node | None]:
    """The node that each call of a helper returned; None if its last node is not the whole returned value."""
    values = _values_returned(helper)
    before, last = -1, None
    for node in nodes:
        site = trace.sites[node]
        if site.f_code is helper and site.f_lasti > before:
            before, last = site.f_lasti, node
            continue
        if last is not None:
            yield last if _place(helper, before) in values else None
        before, last = (site.f_lasti, node) if site.f_code is helper else (-1, None)
    if last is not None:
        yield last if _place(helper, before) in values else None


def _place(code: CodeType, instruction: int) -> Place:
    return next(islice(code.co_positions(), instruction // 2, None), ())


def _values_returned(code: CodeType) -> set[Place]:
    """The places of the expressions that a function returns."""
    with suppress(SyntaxError, ValueError):
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
        returns = (n.value for n in ast.walk(tree) if isinstance(n, ast.Return) and n.value is not None)
        return {(v.lineno, v.end_lineno, v.col_offset, v.end_col_offset) for v in returns}
    return set()
