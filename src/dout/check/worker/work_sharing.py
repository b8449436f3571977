"""Whose turn a layer is: several processes share the layers of one file, one from the front and the others behind."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

MOST = 4096  # layers of a file that are shared out


def shared(method: str) -> Any:
    """Memory for what is taken, that processes which start in this way have in common."""
    if method == "fork":
        return mmap.mmap(-1, MOST)
    return get_context(method).RawArray("B", MOST)


@dataclass(frozen=True)
class Turns:
    """The layers of a file that are taken, in memory that its processes share; one that `helps` begins at the last.

    No lock is held by anybody who may be killed: at worst two processes judge the same layer.
    """

    taken: Any
    helps: bool = False

    def of(self, names: Sequence[str]) -> Iterator[str]:
        """Take one layer after the other."""
        numbered = list(enumerate(names))[:MOST]
        for place, name in reversed(numbered) if self.helps else numbered:
            if not self.taken[place]:
                self.taken[place] = 1
                yield name
        if not self.helps:
            yield from names[MOST:]

    def left(self, names: Sequence[str]) -> int:
        """How many nobody has taken."""
        return sum(not taken for taken in self.taken[: len(names)])
