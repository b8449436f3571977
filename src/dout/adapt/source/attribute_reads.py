"""Which attributes of an argument a method reads."""

from __future__ import annotations

import ast
from typing import Any

from dout.adapt.source.syntax import read, total, walk


@total(frozenset)
def attributes_read(function: Any, name: str) -> frozenset[str]:
    """The attributes of an argument that a method reads, those of its items too: `prev.out_shape` of `prev`."""
    own = read(function)
    known = {name}
    for node in walk(own.node) if own else ():
        if isinstance(node, ast.Assign) and _is_one_of(node.value, known):
            known |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            known |= {
                n.id for t in node.targets if isinstance(t, ast.Tuple) for n in walk(t) if isinstance(n, ast.Name)
            }
    found = (node for node in walk(own.node) if isinstance(node, ast.Attribute)) if own else ()
    return frozenset(node.attr for node in found if _is_one_of(node.value, known))


def _is_one_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
