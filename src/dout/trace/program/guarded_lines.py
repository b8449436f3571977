"""Lines whose author expects that they may fail: those in a `try` that catches the error."""

from __future__ import annotations

import ast
import functools
import linecache
from types import FrameType


def is_guarded(frame: FrameType, errors: frozenset[str]) -> bool:
    """Whether the line that runs in a frame stands in a `try` that catches one of these errors, by their names."""
    return any(first <= frame.f_lineno <= last for first, last in _guarded(frame.f_code.co_filename, errors))


@functools.lru_cache(maxsize=64)
def _guarded(file: str, errors: frozenset[str]) -> tuple[tuple[int, int], ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    tries = (node for node in ast.walk(tree) if isinstance(node, ast.Try))
    caught = ((node, handler.type) for node in tries for handler in node.handlers)
    guards = [
        node for node, kind in caught
        if kind is None or not errors.isdisjoint(n.id for n in ast.walk(kind) if isinstance(n, ast.Name))
    ]  # fmt: skip
    return tuple((node.body[0].lineno, node.body[-1].end_lineno or 0) for node in guards)
