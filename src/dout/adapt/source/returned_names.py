"""What a function returns, by the names that it has there."""

from __future__ import annotations

import ast
from typing import Any

from dout.adapt.source.syntax import items_of, read, total, walk


@total(tuple)
def returned_by(function: Any) -> tuple[str, ...]:
    """The names in a function's only `return`: ("dx", "dh"); empty where there are several, or it computes there."""
    own = read(function)
    found = [node.value for node in walk(own.node) if isinstance(node, ast.Return)] if own else []
    items = items_of(found[0]) if len(found) == 1 and found[0] is not None else []
    return tuple(item.id for item in items) if all(isinstance(item, ast.Name) for item in items) else ()  # type: ignore[attr-defined]


@total(bool)
def has_no_return(function: Any) -> bool:
    """Whether a function ends without a `return` of anything, be it None."""
    own = read(function)
    return own is not None and not any(
        isinstance(node, ast.Return) and node.value is not None for node in walk(own.node)
    )
