"""Calls of the user's own small functions in loops, with what the functions do in the place of the calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Set
from types import FunctionType
from typing import Any

from dout.engine.loop_source.liveness import stored

_PREFIX = "_dout_in"
_PERHAPS = ast.IfExp | ast.BoolOp | ast.comprehension | ast.Lambda  # in which a call is perhaps not made
_MOST = 8  # calls, also of those in functions that are called
ReadFunction = Callable[[FunctionType], ast.FunctionDef | None]


def inline_calls(tree: ast.FunctionDef, function: FunctionType, read: ReadFunction) -> dict[str, FunctionType]:
    """Change the loops of a function; gives the functions whose calls are gone, by the names that called them."""
    writer = _Inliner(function.__globals__, stored(tree) | set(function.__code__.co_varnames), read)
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.For):
            node.body[:] = [one for statement in node.body for one in writer.expanded(statement)]
    return writer.done


class _Inliner:
    def __init__(self, names: Mapping[str, Any], local: Set[str], read: ReadFunction) -> None:
        self.names, self.local, self.read = names, local, read
        self.done: dict[str, FunctionType] = {}
        self.count = 0

    def expanded(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        """A statement, after those of the functions that it calls."""
        call = self._call(statement) if isinstance(statement, ast.Assign | ast.AugAssign) else None
        if call is None:
            yield statement
            return
        node, body = call
        self.count += 1
        prefix = f"{_PREFIX}{self.count}_"
        names = [one.arg for one in body.args.args]
        renamed = _Renamed({one: prefix + one for one in {*names, *stored(body)}})
        *inner, last = (renamed.visit(one) for one in _statements(body))
        given = [_named(prefix + name, value) for name, value in zip(names, node.args, strict=True)]
        changed = _Exchanged(node, ast.Name(prefix, ast.Load())).visit(statement)
        for one in (*given, *inner, _named(prefix, last.value)):
            for part in ast.walk(one):
                if isinstance(part, ast.expr | ast.stmt):
                    ast.copy_location(part, statement)
            yield from self.expanded(one)
        yield from self.expanded(changed)

    def _call(self, statement: ast.stmt) -> tuple[ast.Call, ast.FunctionDef] | None:
        """A call that can be replaced, of a function that is nothing but statements in a row."""
        if any(isinstance(node, _PERHAPS) for node in ast.walk(statement)) or self.count >= _MOST:
            return None
        for node in ast.walk(statement):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id in self.local:
                continue
            function = self.names.get(node.func.id)
            if type(function) is not FunctionType or function.__globals__ is not self.names or node.keywords:
                continue
            body = self.read(function)
            if body is not None and _is_plain(body) and len(node.args) == len(body.args.args):
                self.done[node.func.id] = function
                return node, body
        return None


def _named(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _statements(function: ast.FunctionDef) -> list[Any]:
    return [one for one in function.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]


def _is_plain(function: ast.FunctionDef) -> bool:
    """Whether it has positional arguments alone, sets names, and returns at its end."""
    given = function.args
    if given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg or given.defaults:
        return False
    *steps, last = _statements(function) or [ast.Pass()]
    simple = all(isinstance(one, ast.Assign) and all(map(_is_name, one.targets)) for one in steps)
    return simple and isinstance(last, ast.Return) and last.value is not None


def _is_name(target: ast.expr) -> bool:
    return all(map(_is_name, target.elts)) if isinstance(target, ast.Tuple) else isinstance(target, ast.Name)


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


class _Exchanged(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return ast.copy_location(self.new, node) if node is self.old else super().visit(node)
