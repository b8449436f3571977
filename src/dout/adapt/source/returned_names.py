"""What a function returns, by the names that it has there."""

from __future__ import annotations

import ast
from typing import Any

from dout.adapt.source.syntax import items_of, name_of, read, total, walk
from dout.trace.session.pairing import is_named_as_gradient


@total(tuple)
def returned_by(function: Any) -> tuple[str, ...]:
    """The names in a function's only `return`: ("dx", "dh"); empty where there are several, or it computes there."""
    own = read(function)
    found = [node.value for node in walk(own.node) if isinstance(node, ast.Return)] if own else []
    items = items_of(found[0]) if len(found) == 1 and found[0] is not None else []
    return tuple(item.id for item in items) if all(isinstance(item, ast.Name) for item in items) else ()  # type: ignore[attr-defined]


@total(bool)
def gives_gradients(function: Any) -> bool:
    """Whether a function returns its gradients with what they are of: `return loss, dx`."""
    own = read(function)
    return own is not None and returns_gradients(own.node)


def returns_gradients(function: ast.AST) -> bool:
    """The same of a function's syntax."""
    found = (node.value for node in walk(function) if isinstance(node, ast.Return))
    return any(isinstance(value, ast.Tuple) and _ends_in_gradients(value.elts) for value in found)


def _ends_in_gradients(items: list[ast.expr]) -> bool:
    names = [name_of(item) for item in items]
    return bool(names[1:]) and all(map(is_named_as_gradient, names[1:])) and not is_named_as_gradient(names[0])


@total(bool)
def has_no_return(function: Any) -> bool:
    """Whether a function ends without a `return` of anything, be it None."""
    own = read(function)
    return own is not None and not any(
        isinstance(node, ast.Return) and node.value is not None for node in walk(own.node)
    )
