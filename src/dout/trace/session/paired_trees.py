"""Two trees of dicts and lists in; what stands in the same places of both out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def in_one_place(path: str, mine: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each place that both trees have, by its path, with what stands there in the one and in the other."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in mine:
            if key in theirs:
                yield from in_one_place(f"{path}[{key!r}]" if path else str(key), mine[key], theirs[key])
    elif isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        if len(mine) == len(theirs):
            for i, (one, other) in enumerate(zip(mine, theirs, strict=True)):
                yield from in_one_place(f"{path}[{i}]", one, other)
    else:
        yield path, mine, theirs
