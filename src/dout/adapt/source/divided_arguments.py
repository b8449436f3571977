"""Which arguments of a constructor have to be multiples of another: `self.heads // self.groups`."""

from __future__ import annotations

import ast
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.adapt.source.scopes import scopes_of
from dout.adapt.source.syntax import total, walk


@total(tuple)
def divided_by(function: Any, name: str, cls: type | None = None) -> tuple[str, ...]:
    """The other arguments that are divided by this one, for a whole number or a rest."""
    others = {p.name: scopes_of(function, p.name, cls) for p in taken_by(function) if p.name != name}
    divided = [
        (scope.function.node, node.left)
        for scope in scopes_of(function, name, cls)
        for node in walk(scope.function.node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv | ast.Mod) and scope.holds(node.right)
    ]
    return tuple(
        other
        for other, scopes in others.items()
        if any(scope.function.node is within and scope.holds(left) for scope in scopes for within, left in divided)
    )
