"""The places of all things: columns, the order in each, and coordinates, in units that the caller chooses.

The picture is a row of columns with gaps between them. Blocks (a node with the straight piece of edge that leaves it,
labels included) stand in columns; an edge runs straight through every column on its way, on a line of its own, and
bends only in gaps. So no edge can meet a foreign block or label: what shares a column is kept apart vertically.

>>> apple = count = Block(30, 60, 12, 12, outs=(0,), pull=True)
>>> times = Block(40, 60, 20, 20, ins=(-10, 10), outs=(0,))
>>> placed = lay_out([apple, count, times], [Link(0, 0, 2, 0), Link(1, 0, 2, 1)], Spacing(between=2))
>>> placed.y
(12.0, 38.0, 25.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dout.draw.layout.column_order import Network, put_in_order
from dout.draw.layout.coordinates import set_heights

GAP = 26.0  # between columns, at least
CLIMB = 0.15  # wider by that much of what an edge climbs,
WIDER = 30.0  # and by that at most
_SHIFTS = (1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0)

Bend = tuple[float, float]  # where an edge leaves one column and where it enters the next


@dataclass(frozen=True, slots=True)
class Block:
    """A thing in a column: `lead` wide, then a straight run of at least `run`, reaching `up` and `down` from its y.

    `ins` and `outs` are its ports: where edges meet it, relative to its y. A block with `pull` (an input) stands next
    to its use, at the right end of its column; `pin` holds gates in the first or last column, in their given order.
    """

    lead: float
    run: float
    up: float
    down: float
    ins: tuple[float, ...] = ()
    outs: tuple[float, ...] = ()
    pull: bool = False
    pin: Literal["", "first", "last"] = ""


class Link(NamedTuple):
    """An edge, from out-port `out` of block `source` to in-port `port` of block `target`."""

    source: int
    out: int
    target: int
    port: int


def fixed_gap(bends: Sequence[Bend]) -> float:
    """A gap that is wider where edges climb far."""
    return GAP + min(WIDER, max((abs(a - b) for a, b in bends), default=0) * CLIMB)


@dataclass(frozen=True)
class Spacing:
    """Room `between` neighbours in a column; how wide a `gap` is for the bends in it; `whole` units only, or not.

    If bends are not `passable`, the columns right of them are shifted by a few units until they are.
    """

    between: float = 8
    gap: Callable[[Sequence[Bend]], float] = fixed_gap
    whole: bool = False
    passable: Callable[[Sequence[Bend]], bool] | None = None


@dataclass(frozen=True)
class Route:
    """The way of a link: `lines[i]` is its height in column `first + i`, up to the column of its target."""

    first: int
    lines: tuple[float, ...]


@dataclass(frozen=True)
class Layout:
    """Left end `x` and height `y` of each block, and where its run starts and ends; the columns; a route per link."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    run: tuple[tuple[float, float], ...]
    column: tuple[int, ...]
    columns: tuple[tuple[float, float], ...]
    routes: tuple[Route, ...]
    width: float
    height: float


def lay_out(blocks: Sequence[Block], links: Sequence[Link], spacing: Spacing, network: Network | None = None) -> Layout:
    """Place blocks and links: columns by total length, order by arguments and crossings, heights by regression."""
    network = network or Network([(b.pull, b.pin) for b in blocks], links)
    columns = put_in_order(network)
    up = [b.up for b in blocks] + [0.0] * network.virtual
    down = [b.down for b in blocks] + [0.0] * network.virtual
    real = len(blocks)
    pieces = [
        (
            (
                source,
                target,
                blocks[source].outs[out] if source < real else 0.0,
                blocks[target].ins[port] if target < real else 0.0,
            ),
            1.0 if source < real and target < real else 2.0,
        )
        for source, out, target, port in network.pieces
    ]
    heights = set_heights(columns, up, down, pieces, spacing.between, whole=spacing.whole)

    def bends() -> list[list[Bend]]:
        """The bends in the gap right of each column."""
        found: list[list[Bend]] = [[] for _ in columns]
        for (source, target, leaves, meets), _ in pieces:
            found[network.rank[source]].append((heights[source] + leaves, heights[target] + meets))
        return found

    if spacing.passable is not None:
        _make_passable(columns, bends(), heights, spacing.passable)
    top = min((y - u for y, u in zip(heights, up, strict=True)), default=0.0)
    heights = [y - top for y in heights]
    height = max((y + d for y, d in zip(heights, down, strict=True)), default=0.0)
    spans = _spans(blocks, columns, bends(), spacing)
    x, run = _across(blocks, columns, spans)
    routes = tuple(
        Route(
            network.rank[link.source],
            (
                heights[link.source] + blocks[link.source].outs[link.out],
                *(heights[v] for v in chain),
                heights[link.target] + blocks[link.target].ins[link.port],
            ),
        )
        for link, chain in zip(links, network.chains, strict=True)
    )
    width = spans[-1][1] if spans else 0.0
    return Layout(x, tuple(heights[: len(blocks)]), run, tuple(network.rank[:real]), spans, routes, width, height)


def _make_passable(
    columns: list[list[int]],
    through: list[list[Bend]],
    heights: list[float],
    passable: Callable[[Sequence[Bend]], bool],
) -> None:
    """Shift whole columns up or down where edges that swap their heights would stand in each other's way."""
    shift = 0.0
    for i, bends in enumerate(through):
        for block in columns[i]:
            heights[block] += shift
        for more in (0.0, *_SHIFTS):
            if passable([(start + shift, end + shift + more) for start, end in bends]):
                shift += more
                break


def _spans(
    blocks: Sequence[Block], columns: list[list[int]], through: list[list[Bend]], spacing: Spacing
) -> tuple[tuple[float, float], ...]:
    """Left and right end of each column."""
    spans, left = [], 0.0
    for column, bends in zip(columns, through, strict=True):
        here = [blocks[b] for b in column if b < len(blocks)]
        pulled = [b for b in here if b.pull]
        width = max((b.lead + b.run for b in here if not b.pull), default=0.0)
        if pulled:
            width = max(width, max(b.lead for b in pulled) + max(b.run for b in pulled))
        spans.append((left, left + width))
        left += width + spacing.gap(bends)
    return tuple(spans)


def _across(
    blocks: Sequence[Block], columns: list[list[int]], spans: Sequence[tuple[float, float]]
) -> tuple[tuple[float, ...], tuple[tuple[float, float], ...]]:
    """Left end of each block and its run. Pulled blocks stand at the right, their runs equally long."""
    x = [0.0] * len(blocks)
    run = [(0.0, 0.0)] * len(blocks)
    for column, (left, right) in zip(columns, spans, strict=True):
        longest = max((blocks[b].run for b in column if b < len(blocks) and blocks[b].pull), default=0.0)
        for b in column:
            if b < len(blocks):
                start = right - longest if blocks[b].pull else left + blocks[b].lead
                x[b] = start - blocks[b].lead
                run[b] = (start, right)
    return tuple(x), tuple(run)
