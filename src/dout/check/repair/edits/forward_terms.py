"""What forward computes in, as backward would write it, out: `self.x - self.mean` of the `x - mean` of forward."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

from dout.check.repair.edits.expression_places import ScratchFunction

_MOST_LEAVES, _MOST = 3, 8


def forward_terms(forward: Iterable[ScratchFunction], names: Mapping[str, Any]) -> list[str]:
    """The short sums, products and powers of forward whose parts have a name among those of a place in backward."""
    found: dict[str, None] = {}
    held = getattr(names.get("self"), "__dict__", {})
    for function in forward:
        kept = _kept(function)
        for node in ast.walk(function.node):
            leaves = [leaf for leaf in ast.walk(node) if isinstance(leaf, ast.Name | ast.Attribute | ast.Constant)]
            if isinstance(node, ast.BinOp) and len(leaves) <= 2 * _MOST_LEAVES and _is_plain(node):
                term = _Renamed(names, kept, held).visit(ast.parse(ast.unparse(node), mode="eval").body)
                found.setdefault(ast.unparse(term))
    return [*found][:_MOST]


def _is_plain(node: ast.BinOp) -> bool:
    """Whether it is made of few names and numbers, not of numbers alone."""
    leaves, parts = list[ast.expr](), [node.left, node.right]
    while parts:
        part = parts.pop()
        if isinstance(part, ast.BinOp):
            parts += [part.left, part.right]
        elif isinstance(part, ast.UnaryOp):
            parts.append(part.operand)
        elif isinstance(part, ast.Name | ast.Constant) or _is_of_self(part):
            leaves.append(part)
        else:
            return False
    return len(leaves) <= _MOST_LEAVES and not all(isinstance(leaf, ast.Constant) for leaf in leaves)


def _is_of_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _kept(function: ScratchFunction) -> dict[str, str]:
    """The names that a function keeps in attributes of the same value: `self.x = x`."""
    nodes = (n for n in ast.walk(function.node) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Name))
    pairs = ((node.value.id, target) for node in nodes for target in node.targets if isinstance(node.value, ast.Name))
    return {name: target.attr for name, target in pairs if isinstance(target, ast.Attribute) and _is_of_self(target)}


class _Renamed(ast.NodeTransformer):
    """Puts the attribute that holds a value in the place of a name that forward alone has."""

    def __init__(self, names: Mapping[str, Any], kept: Mapping[str, str], held: Mapping[str, Any]) -> None:
        self.names, self.kept, self.held = names, kept, held

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The name, or `self.name`."""
        attribute = self.kept.get(node.id, node.id)
        if node.id in self.names or attribute not in self.held:
            return node
        return ast.Attribute(ast.Name("self", ast.Load()), attribute, ast.Load())
