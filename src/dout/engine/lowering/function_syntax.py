"""The syntax tree of a function that is there, and which of its names keep one value where they are read."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from itertools import count
from pathlib import Path
from types import FunctionType
from typing import Any


def syntax_of(function: FunctionType) -> Any:
    """The definition of a function, or the lambda, in its file."""
    code = function.__code__
    return _definitions(code.co_filename)[code.co_firstlineno, code.co_name]


@cache
def _definitions(file: str) -> dict[tuple[int, str], Any]:
    found: dict[tuple[int, str], Any] = {}
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            found[first, node.name] = node
        elif isinstance(node, ast.Lambda):
            assert (node.lineno, "<lambda>") not in found, f"which lambda of line {node.lineno} of {file} is meant?"
            found[node.lineno, "<lambda>"] = node
    return found


def surroundings(function: FunctionType) -> dict[str, Any]:
    """What the names of a function mean that it does not set itself."""
    closure = function.__closure__ or ()
    held = zip(function.__code__.co_freevars, (cell.cell_contents for cell in closure), strict=True)
    return {**function.__globals__, **dict(held)}


@cache
def changing(definition: Any) -> frozenset[str]:
    """The names that are set more than once, or read outside of the statements in which they are set.

    Raises TypeError for statements that nobody lowers, and expressions that set names.
    """
    seen = _Names()
    for argument in definition.args.args:
        seen.stores[argument.arg] += 1
        seen.places[argument.arg] = ()
    for statement in definition.body if isinstance(definition.body, list) else []:
        seen.visit(statement)
    outside = {name for name, path in seen.reads if path[: len(seen.places.get(name, ()))] != seen.places.get(name, ())}
    return frozenset(outside | {name for name, count in seen.stores.items() if count > 1})


class _Names(ast.NodeVisitor):
    """Counts where names are set, and notes in which suites they are read."""

    def __init__(self) -> None:
        self.path: tuple[int, ...] = ()
        self.suites = count()
        self.stores: Counter[str] = Counter()
        self.places: dict[str, tuple[int, ...]] = {}
        self.reads: list[tuple[str, tuple[int, ...]]] = []

    def visit(self, node: ast.AST) -> None:
        """Count what is in a node: other statements, and names in scopes of their own, would be counted wrongly."""
        other = isinstance(node, ast.stmt) and not isinstance(node, _STATEMENTS)
        if other or isinstance(node, _BINDING) or (isinstance(node, ast.For) and node.orelse):
            raise TypeError(f"a kernel has no `{ast.unparse(node)}`")
        super().visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.stores[node.id] += 1
            self.places.setdefault(node.id, self.path)
        else:
            self.reads.append((node.id, self.path))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.stores[node.target.id] += 1
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self._suite([node.target, *node.body])

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._suite(node.body)
        self._suite(node.orelse)

    def _suite(self, nodes: Any) -> None:
        outer, self.path = self.path, (*self.path, next(self.suites))
        for node in nodes:
            self.visit(node)
        self.path = outer


_STATEMENTS = (
    ast.Assign, ast.AugAssign, ast.Break, ast.Continue, ast.Expr, ast.For, ast.If, ast.Pass, ast.Return,
)  # fmt: skip
_BINDING = ast.NamedExpr, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp
