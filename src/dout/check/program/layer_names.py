"""The classes and functions of a file that may be layers, read from its text: nothing runs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from dout.adapt.argument_names import names_plain_upstream
from dout.adapt.interface.function_pairs import forward_names
from dout.adapt.interface.method_pairs import may_be_backward
from dout.adapt.source.returned_names import returns_gradients
from dout.adapt.source.switches import has_derivative_switch
from dout.adapt.tapes.tape_syntax import closure_in, closures_handed_on, may_keep_a_tape


def layer_names(statements: Sequence[ast.stmt], is_base: Callable[[str], bool] = lambda name: True) -> frozenset[str]:
    """The names in a file of classes with forward or backward, and of functions with their derivative.

    `is_base` says of the name of a base whether it may have these. Where JAX is told of a gradient every name counts.
    """
    tree = ast.Module([*statements], [])
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    functions = [node for node in statements if isinstance(node, ast.FunctionDef)]
    named: list[ast.ClassDef | ast.FunctionDef] = [*classes, *functions]
    if any(isinstance(n, ast.Attribute | ast.Name) and ast.unparse(n).endswith("custom_vjp") for n in ast.walk(tree)):
        return frozenset(node.name for node in named)
    found = {node.name for node in classes if has_backward(node) or any(map(is_base, base_names(node)))}
    found |= {node.name for node in classes if any(_pairs(methods(node))) or may_keep_a_tape(node)}
    found.update(*_pairs({node.name for node in functions}))
    return frozenset(found | {node.name for node in named if _gives_gradients(node)})


def has_backward(node: ast.ClassDef) -> bool:
    """Whether a class has a method that is called as a forward or a backward."""
    return any(map(may_be_backward, methods(node)))


def base_names(node: ast.ClassDef) -> Iterator[str]:
    """What the classes are called that a class derives from, without their modules."""
    return (ast.unparse(base).rpartition(".")[2] for base in node.bases)


def methods(node: ast.ClassDef) -> set[str]:
    """The names of a class's methods, and of what else it sets."""
    found = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    names = (target for item in node.body if isinstance(item, ast.Assign) for target in item.targets)
    return found | {target.id for target in names if isinstance(target, ast.Name)}


def _pairs(names: set[str]) -> Iterator[tuple[str, str]]:
    """The functions among these that are called as one and its derivative."""
    return ((ahead, name) for name in names for ahead in forward_names(name) if ahead in names)


def _gives_gradients(node: ast.AST) -> bool:
    written = [part for part in ast.walk(node) if isinstance(part, ast.FunctionDef)]
    hands_on = (name for part in written for name in closures_handed_on(part))
    return any(map(names_plain_upstream, hands_on)) or any(
        returns_gradients(part) or has_derivative_switch(part) or closure_in(part) for part in written
    )
