"""The source of a function in; the same with hooks that note the values of its names and expressions, out."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

_HERE, _VALUE = "__dout_here__", "__dout_value__"
_EXPRESSIONS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Subscript, ast.IfExp)


class Watch:
    """What was seen while a function ran: bits of values, by name after each line, and by expression."""

    def __init__(self) -> None:
        self.names: dict[tuple[int, str], list[tuple[Any, Any]]] = {}
        self.expressions: dict[tuple[int, ...], list[tuple[Any, Any]]] = {}
        self.runs: dict[int, int] = {}

    @property
    def hooks(self) -> dict[str, Any]:
        """The functions that watched code calls, by name."""
        return {_HERE: self.here, _VALUE: self.value}

    def here(self, line: int, names: Mapping[str, Any]) -> None:
        """Note all local values after a line."""
        self.runs[line] = self.runs.get(line, 0) + 1
        for name, value in names.items():
            if (found := digest(value)) is not None:
                self.names.setdefault((line, name), []).append((found, value))

    def value(self, place: tuple[int, ...], value: Any) -> Any:
        """Note the value of an expression, and give it back."""
        if (found := digest(value)) is not None:
            self.expressions.setdefault(place, []).append((found, value))
        return value


def digest(value: Any) -> Any:
    """The bits of an array or number; None of anything else."""
    if isinstance(value, np.ndarray | np.generic):
        return (value.shape, value.dtype.str, np.asarray(value).tobytes()) if value.dtype.kind in "biuf" else None
    return (type(value).__name__, repr(value)) if type(value) in (bool, int, float) else None


def span_of(node: ast.AST) -> tuple[int, ...]:
    """Where an expression begins and ends: its lines and columns."""
    return tuple(getattr(node, key, 0) for key in ("lineno", "col_offset", "end_lineno", "end_col_offset"))


def watching(text: str, owner: str) -> ast.FunctionDef:
    """The function of a text with hooks, as it is compiled in a class named `owner`."""
    definition = ast.parse(text).body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    made: ast.FunctionDef = _Mangled(owner).visit(_Watching().visit(definition))
    return made


class _Watching(ast.NodeTransformer):
    """Adds a hook after each statement and around each expression."""

    def __init__(self) -> None:
        self.depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        if self.depth:
            return node
        self.depth += 1
        body = [part for statement in node.body for part in self._visited(statement)]
        node.body = [hook(_HERE, 0), *body]
        return node

    def visit(self, node: ast.AST) -> Any:
        """Leave alone what may run many times, or not at all."""
        many = ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
        return node if isinstance(node, many) else super().visit(node)

    def _visited(self, statement: ast.stmt) -> list[ast.stmt]:
        last = statement.end_lineno or statement.lineno
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            return [statement]
        for name in ("body", "orelse", "finalbody"):
            if isinstance(getattr(statement, name, None), list):
                inner = [part for one in getattr(statement, name) for part in self._visited(one)]
                setattr(statement, name, inner)
        for handler in getattr(statement, "handlers", []):
            handler.body = [part for one in handler.body for part in self._visited(one)]
        for name, value in ast.iter_fields(statement):
            if isinstance(value, ast.expr) and name != "target":
                setattr(statement, name, self.visit(value))
        ends = isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue)
        return [statement] if ends else [statement, hook(_HERE, last)]

    def generic_visit(self, node: ast.AST) -> Any:
        """Wrap an expression that is read."""
        place = span_of(node)
        node = super().generic_visit(node)
        if isinstance(node, _EXPRESSIONS) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super":
                return node
            where = ast.Tuple([ast.Constant(n) for n in place], ast.Load())
            return ast.Call(ast.Name(_VALUE, ast.Load()), [where, node], [])
        return node


class _Mangled(ast.NodeTransformer):
    """Gives private names, `__x`, the form that they have inside their class."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def mangled(self, name: str) -> str:
        """The name, as Python compiles it there."""
        is_private = name.startswith("__") and not name.endswith("__")
        return f"_{self.owner}{name}" if is_private and self.owner else name

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        node.attr = self.mangled(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        node.id = self.mangled(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> Any:
        node.arg = self.mangled(node.arg)
        return self.generic_visit(node)


def hook(name: str, *given: str | int) -> ast.stmt:
    """A call of a function that watches: of constants, and of all local values."""
    inside = ast.Call(ast.Name("locals", ast.Load()), [], [])
    return ast.Expr(ast.Call(ast.Name(name, ast.Load()), [*map(ast.Constant, given), inside], []))
