"""What a picture holds, before anything has a place: items, edges, labels. No geometry, no colours.

A `Scene` is a tree of levels: the picture as a whole, and one level inside each open layer. A value that crosses the
border of an open layer enters and leaves through gates, so that a level can be laid out alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dout.draw.shown import Shown
from dout.trace.model import Source

ItemKind = Literal["operator", "layer", "open", "input", "entry", "exit"]


@dataclass(frozen=True)
class Mark:
    """A gradient on an edge. `right` is the derived one where the user's differs; `first` where backward went wrong.

    `sums` says how the gradients of several uses add up: "1.1 + 0.4 =".
    """

    shown: Shown
    source: Source
    right: Shown | None = None
    sums: str = ""
    first: bool = False

    @property
    def wrong(self) -> bool:
        """Whether the user's gradient differs from the derived one."""
        return self.right is not None


@dataclass(frozen=True)
class Label:
    """What stands on an edge: the value above, the gradient below; `hover` says both with every digit."""

    value: Shown | None = None
    gradient: Mark | None = None
    hover: str = ""

    def __bool__(self) -> bool:
        return self.value is not None or self.gradient is not None


@dataclass(frozen=True)
class Stem:
    """The straight piece of edge on which a value leaves its item: to one use, to a branch dot, or to the result."""

    label: Label
    end: Literal["edge", "dot", "result"] = "edge"
    name: str = ""
    thick: bool = False


@dataclass(frozen=True, eq=False)
class Item:
    """One thing on a level.

    `text` is the symbol of an operator, the class of a layer, the name of an input; `caption` the variable a layer is
    kept in; `constants` what is quietly added below; `ports` how many edges come in, top to bottom.
    """

    kind: ItemKind
    text: str
    ports: int = 0
    stems: tuple[Stem, ...] = ()
    caption: str = ""
    constants: tuple[str, ...] = ()
    hover: str = ""
    inside: Level | None = None


@dataclass(frozen=True, eq=False)
class Edge:
    """One use: from stem `stem` of item `source` to port `port` of item `target` (indices into the level's items).

    `label` stands on the branch where a value has several uses.
    """

    source: int
    stem: int
    target: int
    port: int
    label: Label = Label()
    thick: bool = False


@dataclass(frozen=True, eq=False)
class Level:
    """The items and edges of the whole picture, or of the inside of one open layer."""

    items: tuple[Item, ...]
    edges: tuple[Edge, ...]

    def everything(self) -> Iterator[Item]:
        """Every item here and inside open layers."""
        for item in self.items:
            yield item
            if item.inside is not None:
                yield from item.inside.everything()


@dataclass(frozen=True)
class Row:
    """One value in the table that takes the picture's place where there is no room for it."""

    name: str
    label: Label
    made_by: str
    used_by: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture without places: the items, the same as table rows, and what is said below."""

    title: str
    level: Level
    rows: tuple[Row, ...]
    wrong: tuple[str, ...]
    events: tuple[str, ...]
