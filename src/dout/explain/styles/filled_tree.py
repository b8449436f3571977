"""A syntax tree in; a copy with expressions in the place of names, out."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TypeVar

from dout.run import deep_copy

_N = TypeVar("_N", bound=ast.AST)


def filled_tree(node: _N, given: Mapping[str, ast.expr]) -> _N:
    """A copy of a tree with a copy of an expression in the place of each name that is `given` one."""
    made: _N = _Filling(given).visit(deep_copy(node))
    return made


class _Filling(ast.NodeTransformer):
    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """An argument in the place of its parameter."""
        return deep_copy(self.given.get(node.id, node))
