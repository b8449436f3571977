"""What a row of the spelling asks of the text that it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dout.explain.spelling.size_words import Shapes, SizeWords
from dout.explain.spelling.written_text import WrittenText
from dout.graph import Node


class Spelling(Protocol):
    """What a row asks of the text it stands in."""

    sizes: SizeWords
    last_axis: bool  # write -1 for the last axis
    dot: bool  # write np.dot for products of matrices

    def statics(self, node: Node, key: str, default: Any = None) -> tuple[Any, ...]:
        """A static parameter of a node, in each of the recordings."""

    def shapes(self, node: Node) -> Shapes:
        """The shape of a node's value, in each of the recordings."""

    def dtype(self, dtype: Any) -> str:
        """The expression of a dtype: `dout.dtype`."""

    def special(self, name: str) -> str:
        """What the user's module calls a function of scipy.special. Raises UnspelledError where it has none."""


Operands = Sequence[WrittenText]
