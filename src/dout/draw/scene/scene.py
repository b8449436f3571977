"""The content of a picture, before anything has a place: items, edges, labels. No geometry, no colours.

A `Scene` is a tree of levels: the picture as a whole, and one level inside each open layer. A value that crosses the
border of an open layer enters and leaves through gates, so that a level can be laid out alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from dout.draw.words.readable_numbers import Shown
from dout.graph import Node
from dout.trace.model.recorded import Gradient, Source

ItemKind = Literal["operator", "layer", "open", "input", "entry", "exit", "result"]


@dataclass(frozen=True)
class Mark:
    """A gradient on an edge. `right` is the derived one where the user's differs; `first` where backward went wrong.

    `sums` says how the gradients of several uses add up: "1.1 + 0.4 =". `along`: the edge runs the way that the
    gradient flows, in a backward drawn as its own graph; there it stands above the edge. `gradient` and `parts` are
    what was made ready.
    """

    shown: Shown
    source: Source
    right: Shown | None = None
    sums: str = ""
    first: bool = False
    gradient: Gradient | None = field(default=None, compare=False, repr=False)
    parts: tuple[Gradient, ...] = field(default=(), compare=False, repr=False)
    along: bool = False

    @property
    def wrong(self) -> bool:
        """True if the user's gradient differs from the derived one."""
        return self.right is not None

    @property
    def style(self) -> str:
        """The style of its text: of a wrong gradient, of one that dout derived, or of the user's own."""
        return "wrong" if self.wrong else "derived" if self.source == "dout" else "gradient"

    @property
    def way(self) -> str:
        """The mark of a gradient that flows against its edge; empty if it flows along."""
        return "" if self.along else "◂ "


@dataclass(frozen=True)
class Label:
    """The texts on an edge: the value above, the gradient below. `hover` has both with every digit.

    `value_since` and `gradient_since` are the steps at which they come to be; `node` makes the value.
    """

    value: Shown | None = None
    gradient: Mark | None = None
    hover: str = ""
    value_since: int = 0
    gradient_since: int = 0
    node: Node | None = field(default=None, compare=False, repr=False)

    def __bool__(self) -> bool:
        return self.value is not None or self.gradient is not None


@dataclass(frozen=True)
class Stem:
    """The straight piece of edge on which a value leaves its item: to one use, to a branch dot, or to the result.

    `thick`: the value is an array; `kept`: it is a residual, which forward kept for backward.
    """

    label: Label
    end: Literal["edge", "dot", "result"] = "edge"
    name: str = ""
    thick: bool = False
    kept: bool = False


@dataclass(frozen=True, eq=False)
class Item:
    """One thing on a level.

    `text` is the symbol of an operator, the class of a layer, the name of an input; `caption` the variable a layer is
    kept in; `constants` what is quietly added below; `ports` how many edges come in, top to bottom; `place` where it
    stands in the order of the run, from 1, if it is a step of its own. `wrong` says which gradients inside a layer are
    wrong, for as long as it is closed; `first` that the first wrong one is among them.
    """

    kind: ItemKind
    text: str
    ports: int = 0
    stems: tuple[Stem, ...] = ()
    caption: str = ""
    constants: tuple[str, ...] = ()
    hover: str = ""
    inside: Level | None = None
    place: int = 0
    wrong: str = ""
    first: bool = False


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
    kept: bool = False


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
class Card:
    """The text about a step: "× backward: swap the inputs", and lines with its numbers."""

    title: str
    lines: tuple[str, ...] = ()
    forward: bool = False


@dataclass(frozen=True)
class Step:
    """One step of the run: `number` counts from 1, `place` is that of the item that works."""

    number: int
    phase: Literal["forward", "backward"]
    place: int
    card: Card


@dataclass(frozen=True)
class TableRow:
    """The row of one value in the table that replaces a picture for lack of room."""

    name: str
    label: Label
    made_by: str
    used_by: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture without places: its items, the notes below, and when asked its values as table `rows` and its `steps`.

    `nothing` is the line that takes the place of a picture without items.
    """

    title: str
    level: Level
    wrong: tuple[str, ...]
    events: tuple[str, ...]
    rows: Callable[[], tuple[TableRow, ...]] = tuple
    steps: Callable[[], tuple[Step, ...]] = tuple
    nothing: str = ""

    @property
    def notes(self) -> list[tuple[str, str]]:
        """The lines below the picture, each with its style: wrong gradients, then the trace's events."""
        return [(f"✗ {text}", "wrong-note") for text in self.wrong] + [(f"! {text}", "note") for text in self.events]
