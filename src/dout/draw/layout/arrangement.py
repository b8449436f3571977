"""Scene → places: each level becomes blocks and links, and open layers are laid out alone and placed as one block."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dout.draw.layout.column_order import Network
from dout.draw.layout.layout import Block, Layout, Link, Spacing, lay_out, network_of
from dout.draw.scene.scene import Item, Label, Level, Stem


class Measure(Protocol):
    """What a backend says about sizes, in its own units."""

    spacing: Spacing

    def block(self, item: Item, inside: Arranged | None) -> Block:
        """The room that an item and its stems take."""

    def branch(self, label: Label) -> Block:
        """The room that the label on a branch takes, if there is one."""

    def exit(self, stem: Stem) -> Block:
        """The room that a gate takes, so that there is enough for the stem that goes on from it outside."""


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
        network = network_of(blocks, links)
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
