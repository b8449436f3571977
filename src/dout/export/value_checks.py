"""Conditions of the user's that only check: where they do not hold, an error is raised, and nothing is computed."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache

from dout.graph import Where


def is_check(where: Where) -> bool:
    """Whether the condition on a line is that of an `assert`, or of an `if` that does nothing but raise."""
    return any(first <= where.line <= last for first, last in _checks(where.file))


@lru_cache(maxsize=64)
def _checks(file: str) -> tuple[tuple[int, int], ...]:
    """The first and last lines of the conditions of checks."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    found = []
    for node in ast.walk(tree):
        raises = isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Raise)
        if raises or isinstance(node, ast.Assert):
            test = node.test  # type: ignore[attr-defined]
            found.append((test.lineno, test.end_lineno or test.lineno))
    return tuple(found)
