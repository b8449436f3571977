"""Scene → places: each level becomes blocks and links, and open layers are laid out alone and placed as one block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Literal

from dout.draw.layout.column_order import Network
from dout.draw.layout.layout import Block, Layout, Link, Spacing, lay_out
from dout.draw.scene.scene import Item, Label, Level, Stem


class Measure(ABC):
    """The sizes of things in the units of a backend, which says how large labels and bodies are.

    `apart` is the room between stems, `gate` the least height of a gate, `bare` the run of a branch without a label.
    """

    spacing: Spacing
    apart: float
    gate: float
    bare: float

    @abstractmethod
    def body(self, item: Item, inside: Arranged | None) -> Any:
        """The solid part of an item, circle, box or name: its `lead`, `half` its height, the `foot` below, and ports.

        `caption_room` says how much higher the item gets by its caption, given how far labels, and all, reach up.
        """

    @abstractmethod
    def reach(self, label: Label) -> tuple[float, float]:
        """The reach of a label above and below its edge."""

    def extent(self, stem: Stem) -> tuple[float, float]:
        """The reach of a stem up and down, with its label and its name."""
        return self.reach(stem.label)

    @abstractmethod
    def run(self, stem: Stem) -> float:
        """The straight line of a stem."""

    @abstractmethod
    def tail(self, stem: Stem) -> float:
        """The room for the name at the end of a result."""

    def block(self, item: Item, inside: Arranged | None) -> Block:
        """The room that an item and its stems take."""
        body = self.body(item, inside)
        stems = [self.extent(stem) for stem in item.stems]
        outs = body.outs or spread(stems, self.apart, self.spacing.whole)
        above = reach_above(stems, outs)
        up = max(body.half, above)
        up += body.caption_room(above, up)
        down = max([body.half + body.foot, *(below + y for (_, below), y in zip(stems, outs, strict=True))])
        run = max((self.run(stem) + self.tail(stem) for stem in item.stems), default=0.0)
        run = max(run, body.caption_width - body.lead)
        pin: Literal["first", ""] = "first" if item.kind == "entry" else ""
        return Block(body.lead, run, up, down, body.ins, outs, item.kind == "input", pin)

    def branch(self, label: Label) -> Block:
        """The room for the label on a branch: a run and nothing else. Its edge keeps its distance from other edges."""
        up, down = (max(0, room) for room in self.reach(label))
        return Block(0, self.run(Stem(label)) if label else self.bare, up, down, (0,), (0,))

    def exit(self, stem: Stem) -> Block:
        """The room that a gate takes, so that there is enough for the stem that goes on from it outside."""
        up, down = self.extent(stem)
        return Block(0, 0, max(self.gate, up), max(self.gate, down), ins=(0,), pin="last")


def reach_above(stems: Sequence[tuple[float, float]], outs: Sequence[float]) -> float:
    """The reach of stems with these extents above the middle of their item."""
    return max((above - y for (above, _), y in zip(stems, outs, strict=True)), default=0.0)


def spread(extents: Sequence[tuple[float, float]], between: float, whole: bool) -> tuple[float, ...]:
    """Heights around 0 that keep extents (up, down) apart."""
    places: list[float] = []
    y = 0.0
    for i, (up, down) in enumerate(extents):
        y += up + between if i else 0.0
        places.append(y)
        y += down
    middle = places[-1] / 2 if places else 0.0
    return tuple(p - (floor(middle) if whole else middle) for p in places)


@dataclass(frozen=True, eq=False)
class Arranged:
    """A level with its layout. The blocks are its items, then the lanes of branches, by the index of their edge."""

    level: Level
    blocks: tuple[Block, ...]
    layout: Layout
    inside: Mapping[int, Arranged]
    branches: Mapping[int, int]
    links: tuple[Link, ...]

    def gates(self, kind: str) -> list[int]:
        """The gates of an open layer: "entry" in the order of its ports, "exit" in that of its stems."""
        return [i for i, item in enumerate(self.level.items) if item.kind == kind]


def arrange(level: Level, measure: Measure, outside: Sequence[Stem] = ()) -> Arranged:
    """Lay out a level, open layers from the inside outwards; `outside` are the stems that go on from its exits."""
    inside = {
        i: arrange(item.inside, measure, item.stems) for i, item in enumerate(level.items) if item.inside is not None
    }
    exits = iter(outside)
    items = [
        measure.exit(next(exits)) if item.kind == "exit" else measure.block(item, inside.get(i))
        for i, item in enumerate(level.items)
    ]
    joined = join(level, measure, items)
    layout = lay_out(joined.blocks, joined.links, measure.spacing, joined.network)
    return Arranged(level, tuple(joined.blocks), layout, inside, joined.branches, tuple(joined.links))


@dataclass(frozen=True, eq=False)
class Joined:
    """The blocks of a level, its items first, the links between them, and the lane (block) of each branch by edge."""

    blocks: Sequence[Block]
    links: Sequence[Link]
    branches: Mapping[int, int]
    network: Network


def join(level: Level, measure: Measure, items: Sequence[Block]) -> Joined:
    """Link the blocks of a level as its edges say. How large they are plays no part in that.

    What has several uses cannot always stand where each of them wants it. So where the edges into an item cannot come
    in the order of its arguments, they get lanes of their own, in a column before it.
    """
    lanes: set[int] = set()
    while True:
        blocks, links, branches = _with_lanes(level, measure, items, lanes)
        network = Network([(block.pull, block.pin) for block in blocks], links)
        _, disordered = network.rules
        if disordered <= lanes:
            return Joined(blocks, links, branches, network)
        lanes |= disordered


def _with_lanes(
    level: Level, measure: Measure, items: Sequence[Block], lanes: Collection[int]
) -> tuple[list[Block], list[Link], dict[int, int]]:
    """The blocks of a level, with a lane for every label on a branch, and for every edge into the items of `lanes`."""
    blocks = list(items)
    links: list[Link] = []
    branches: dict[int, int] = {}
    for i, edge in enumerate(level.edges):
        source, out = edge.source, edge.stem
        if edge.label or edge.target in lanes:
            branches[i] = len(blocks)
            blocks.append(measure.branch(edge.label))
            links.append(Link(source, out, branches[i], 0))
            source, out = branches[i], 0
        links.append(Link(source, out, edge.target, edge.port))
    return blocks, links, branches
