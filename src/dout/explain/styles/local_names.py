"""A method and the paths in it; the local name of each, out, such that no two values get one name."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from dout.explain.spelling.syntax_trees import names_of
from dout.explain.styles.layer_parts import LayerParts

_RESERVED = {"ctx", "torch", "jax", "jnp", "math", "residuals", "partial", "once_differentiable"}


def local_names(
    parts: LayerParts, method: ast.FunctionDef, paths: Iterable[str], wishes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A local name for each path in a method: the attribute's or the wished one, unless another value has it.

    Forward's `self.x = x` needs no second name, when x is bound once.
    """
    bound = _bindings(method)
    taken = set(bound) | _RESERVED | names_of(method)
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        wish = (wishes or {}).get(path) or _wish(path)
        free = wish not in taken or (wish not in _RESERVED and _is_same(parts, method, path, wish, bound))
        while not free or wish in found.values():
            wish = f"kept_{wish}"
            free = wish not in taken
        found[path] = wish
    return found


def _wish(path: str) -> str:
    attribute, _, key = path.removeprefix("self.").partition("[")
    if not key:
        return attribute
    item = ast.literal_eval(key.removesuffix("]"))
    return item if isinstance(item, str) and item.isidentifier() else f"{attribute}_{item}"


def _bindings(method: ast.FunctionDef) -> dict[str, int]:
    """How often each local name is bound; in a loop counts as often."""
    counts: dict[str, int] = {}

    def bind(name: str, times: int) -> None:
        counts[name] = counts.get(name, 0) + times

    def visit(node: ast.AST, times: int) -> None:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bind(node.id, times)
        inner = 2 if isinstance(node, ast.For | ast.While) else times
        for child in ast.iter_child_nodes(node):
            visit(child, inner)

    for argument in [*method.args.posonlyargs, *method.args.args][1:]:
        bind(argument.arg, 1)
    for statement in method.body:
        visit(statement, 1)
    return counts


def _is_same(parts: LayerParts, method: ast.FunctionDef, path: str, name: str, bound: dict[str, int]) -> bool:
    """Whether a local name is bound once, and is the value of the path: `self.x = x` or `x = self.x`."""
    if bound.get(name) != 1:
        return False
    stores = 0
    for node in ast.walk(method):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            if parts.path_of(target) == path:
                stores += 1
                if not (isinstance(value, ast.Name) and value.id == name):
                    return False
            elif isinstance(target, ast.Name) and target.id == name and parts.path_of(value) == path:
                return not any(p == path and w for p, w, _ in parts.uses(method.body))
        elif isinstance(node, ast.AugAssign) and parts.path_of(node.target) == path:
            return False
    return stores == 1
