"""The source of a class in; the same with calls of one-line functions, and second names of containers, written out."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from dout.explain.spelling.syntax_trees import filled_tree, is_text, names_of, own_attribute
from dout.files import dedented
from dout.run import deep_copy


def written_out(tree: ast.ClassDef, cls: type, space: Mapping[str, Any]) -> ast.ClassDef:
    """The class with each call of a one-line function of the user's replaced by the expression that it returns."""
    made = deep_copy(tree)
    for method in made.body:
        if isinstance(method, ast.FunctionDef) and method.name in ("forward", "backward"):
            for _ in range(3):  # functions that call functions
                _Calls(cls, space, {a.arg for a in method.args.args}).visit(method)
            _containers(method)
    return made


class _Calls(ast.NodeTransformer):
    def __init__(self, cls: type, space: Mapping[str, Any], own: set[str]) -> None:
        self.cls, self.space, self.own = cls, space, own

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The expression that a function returns, in the place of its call."""
        self.generic_visit(node)
        function, skipped = self._function(node.func)
        if function is None or node.keywords:
            return node
        try:
            definition = ast.parse(dedented(inspect.getsource(function))).body[0]
        except (OSError, TypeError, SyntaxError):
            return node
        body = getattr(definition, "body", None)
        if not isinstance(definition, ast.FunctionDef) or not isinstance(body, list):
            return node
        body = [s for s in body if not is_text(s)]
        names = [a.arg for a in definition.args.args][skipped:]
        if len(body) != 1 or not isinstance(body[0], ast.Return) or len(names) != len(node.args):
            return node
        value = body[0].value
        if value is None or not self._may_repeat(value, names, node.args):
            return node
        given = dict(zip(names, node.args, strict=True))
        if skipped:
            given["self"] = ast.Name("self", ast.Load())
        filled = filled_tree(value, given)
        inside = names_of(value) - set(names) - {"self"}
        if any(function.__globals__.get(n) is not self.space.get(n) for n in inside):
            return node
        for part in ast.walk(filled):
            ast.copy_location(part, node)
        return filled

    def _function(self, node: ast.expr) -> tuple[FunctionType | None, int]:
        if isinstance(node, ast.Name) and node.id not in self.own:
            found = self.space.get(node.id)
            return (found, 0) if isinstance(found, FunctionType) and not _is_library(found) else (None, 0)
        if (name := own_attribute(node)) is not None:
            found = inspect.getattr_static(self.cls, name, None)
            if isinstance(found, staticmethod):
                return found.__func__, 0  # type: ignore[return-value]
            return (found, 1) if isinstance(found, FunctionType) else (None, 0)
        return None, 0

    @staticmethod
    def _may_repeat(value: ast.expr, names: list[str], arguments: list[ast.expr]) -> bool:
        """Whether no costly argument would be computed twice, and no name is bound inside."""
        if any(isinstance(n, ast.Lambda | ast.comprehension | ast.NamedExpr) for n in ast.walk(value)):
            return False
        counts = {name: sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(value)) for name in names}
        plain = ast.Name | ast.Attribute | ast.Constant | ast.Subscript
        return all(counts[n] <= 1 or isinstance(a, plain) for n, a in zip(names, arguments, strict=True))


def _is_library(function: FunctionType) -> bool:
    return function.__module__.partition(".")[0] in ("numpy", "scipy")


def _containers(method: ast.FunctionDef) -> None:
    """`p = self.params` and `p["W"]`: written as `self.params["W"]`, where p is nothing else."""
    stores = [n.id for n in ast.walk(method) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    for statement in list(method.body):
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        name, value = statement.targets[0].id, statement.value
        reads = [
            n for n in ast.walk(method) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        ]
        keyed = [
            n.value for n in ast.walk(method)
            if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant) and isinstance(n.slice.value, str)
        ]  # fmt: skip
        if own_attribute(value) and stores.count(name) == 1 and reads and all(read in keyed for read in reads):
            method.body.remove(statement)
            method.body = [filled_tree(statement, {name: value}) for statement in method.body]
