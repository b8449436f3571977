"""What a row of the spelling asks of the text that it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
        """The user's name for a function of scipy.special. Raises UnspelledError if the module has none."""


@dataclass(frozen=True)
class WrittenLine:
    """A statement, with the node that it computes."""

    text: str
    node: Node | None = None


class Writing(Spelling, Protocol):
    """What a row asks that takes lines of its own: values at hand, those with a name or text by now, and the lines."""

    leaves: dict[Node, str]
    texts: dict[Node, WrittenText]
    uses: dict[Node, int]
    lines: list[WrittenLine]
    taken: set[str]

    def same(self, node: Node) -> Node:
        """The first node of the same value."""

    def text(self, node: Node, *, root: bool = False) -> WrittenText:
        """The text of a value."""

    def statement(self, node: Node, text: WrittenText) -> WrittenText:
        """Give a value a name."""

    def unframed(self, node: Node, *, repeated: bool = False) -> Node:
        """A value without the axes that broadcasting adds."""

    def is_fresh(self, node: Node) -> bool:
        """Whether a value is made in the statement that it is written in."""

    def name_for(self, node: Node) -> str:
        """A free name for a value."""

    def like(self, node: Node) -> str | None:
        """An array at hand of a node's shape and dtype."""


Operands = Sequence[WrittenText]
