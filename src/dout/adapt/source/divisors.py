"""Which arguments must divide which."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from dout.adapt.source.scopes import Scope, scopes_of
from dout.adapt.source.syntax import read, total, walk


@total(tuple)
def divisions_for(function: Any, cls: type | None = None) -> tuple[tuple[str, str], ...]:
    """The pairs (whole, part) of arguments that must divide: (("d_model", "n_heads"),); a part may be a number as text.

    Read from `assert d_model % n_heads == 0` and `if d_model % n_heads: raise …`.
    """
    own = read(function)
    if own is None:
        return ()
    found: dict[tuple[str, str], None] = {}
    held = {name: scopes_of(function, name, cls) for name in own.arguments}
    for method in dict.fromkeys(scope.function.node for scopes in held.values() for scope in scopes):
        known = {name: scope for name, scopes in held.items() for scope in scopes if scope.function.node is method}
        for node in walk(method):
            refused = isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise)
            if not (refused or isinstance(node, ast.Assert)):
                continue
            for rest in walk(node.test):
                if isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Mod):
                    whole, part = (_argument(side, known) for side in (rest.left, rest.right))
                    if whole and part:
                        found[whole, part] = None
    return tuple(found)


def _argument(node: ast.expr, known: Mapping[str, Scope]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return str(node.value)
    return next((name for name, scope in known.items() if scope.holds(node)), "")
