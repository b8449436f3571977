"""A syntax tree in; another one with the same nodes, and all that is noted on them, out."""

from __future__ import annotations

import ast
from typing import Any, TypeVar

_N = TypeVar("_N", bound=ast.AST)


_NOTED = ("place", "seen", "has_run", "shares")


def copied_tree(node: _N) -> _N:
    """A copy that may be changed: nodes and lists are new, and what is noted on a node stays on its copy."""
    if isinstance(node, ast.expr_context | ast.operator | ast.unaryop | ast.boolop | ast.cmpop):
        return node  # Python has one of each
    made = type(node)()
    for name in (*node._fields, *node._attributes, *_NOTED):
        if hasattr(node, name):
            setattr(made, name, _copied(getattr(node, name)))
    return made


def _copied(value: Any) -> Any:
    if isinstance(value, ast.AST):
        return copied_tree(value)
    return [_copied(item) for item in value] if isinstance(value, list) else value
