"""What is asked of Python's syntax trees in several rooms."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TypeVar

from dout.run import deep_copy

_N = TypeVar("_N", bound=ast.AST)


def parsed(text: str) -> ast.expr:
    """A text as an expression."""
    return ast.parse(text, mode="eval").body


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a text or a number alone, as a docstring is."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def items_of(node: ast.expr) -> list[ast.expr]:
    """The items of a tuple; of anything else, that alone."""
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


def names_of(tree: ast.AST) -> set[str]:
    """The names that stand in a tree."""
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


def own_attribute(node: ast.AST) -> str | None:
    """The name of an attribute of self; None of anything else."""
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if is_own else None  # type: ignore[attr-defined]


def filled_tree(node: _N, given: Mapping[str, ast.expr]) -> _N:
    """A copy of a tree with a copy of an expression in the place of each name that is `given` one."""
    made: _N = _Filling(given).visit(deep_copy(node))
    return made


class _Filling(ast.NodeTransformer):
    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A name that stands for another is read and written as it was."""
        found = deep_copy(self.given.get(node.id, node))
        if isinstance(found, ast.Name):
            found.ctx = node.ctx
        return found
