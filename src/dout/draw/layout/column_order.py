"""The column of each block, and the order in each column: the steps of a layered drawing without coordinates.

Source: Sugiyama, Tagawa and Toda (1981), with two rules of our own: an input stands next to its use, and the arguments
of a node keep their order, top to bottom, whatever that costs in crossings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise, product

from dout.draw.layout.crossings import Crossings, Piece
from dout.draw.layout.order_rules import ColumnRules
from dout.draw.layout.ranks import ranks

MOST_SWEEPS, FEWEST_SWEEPS = 24, 4  # for small and for large pictures
_LARGE = 1000  # pieces: then one start has to do
_PATIENCE = 4  # sweeps without gain before giving up


class Network:
    """Blocks and links as numbers, with a virtual block in every column that a link only passes.

    `kinds` says of each block whether it is pulled to the right, and whether it is pinned ("first", "last", or "").
    `pieces` lead from column to column; `chains` are the virtual blocks of each link.
    """

    def __init__(self, kinds: Sequence[tuple[bool, str]], links: Sequence[Piece]) -> None:
        self.kinds = kinds
        self.links = links
        self.rank = ranks([pin for _, pin in kinds], [(link[0], link[2]) for link in links])
        self.pieces: list[Piece] = []
        self.chains: list[list[int]] = []
        self.virtual = 0
        for source, out, target, port in links:
            chain: list[int] = []
            last, last_out = source, out
            for rank in range(self.rank[source] + 1, self.rank[target]):
                virtual = len(self.rank)
                self.rank.append(rank)
                chain.append(virtual)
                self.pieces.append((last, last_out, virtual, 0))
                last, last_out = virtual, 0
            self.pieces.append((last, last_out, target, port))
            self.chains.append(chain)
            self.virtual += len(chain)
        self.width = max(self.rank, default=-1) + 1  # columns

    @cached_property
    def rules(self) -> tuple[list[ColumnRules], set[int]]:
        """The rules of order for each column, and the blocks whose arguments cannot keep their order.

        Such a block gets a value twice with another one in between, or gets two values in one order while another block
        in its column gets them in the other.
        """
        rules = [ColumnRules() for _ in range(self.width)]
        for side, column in (("first", 0), ("last", -1)):
            gates = [block for block, (_, pin) in enumerate(self.kinds) if pin == side]
            if gates:
                rules[column].add(gates)
        arriving: dict[int, list[Piece]] = {}
        for piece in self.pieces:
            if piece[2] < len(self.kinds):
                arriving.setdefault(piece[2], []).append(piece)
        refused = set()
        for target, pieces in arriving.items():
            if len(pieces) > 1:
                pieces.sort(key=lambda p: p[3])
                chain = [b[0] for a, b in pairwise([(-1, 0, 0, 0), *pieces]) if a[0] != b[0]]
                backwards = any(a[0] == b[0] and a[1] > b[1] for a, b in pairwise(pieces))
                if backwards or not rules[self.rank[target] - 1].add(chain):
                    refused.add(target)
        return rules, refused


def put_in_order(network: Network) -> list[list[int]]:
    """Return the columns, each with its blocks (virtual ones too) from top to bottom.

    The start is the order in which a walk from the outputs, argument by argument, meets the blocks, or the given one;
    sweeps by barycentre and swaps of neighbours then take crossings out, and the best order seen is kept. Through all
    of that what leads to one block stays in the order of its ports, and gates in theirs.
    """
    rules, _ = network.rules
    starts = [_by_walk] if len(network.pieces) > _LARGE else [_by_walk, _as_given]
    best, fewest = None, 0
    for start, forward in product(starts, (True, False)[: len(starts)]):
        columns, found = _improved(network, start(network), rules, forward)
        if best is None or found < fewest:
            best, fewest = columns, found
        if fewest == 0:
            break
    return best or []


def _improved(
    network: Network, columns: list[list[int]], rules: list[ColumnRules], forward: bool
) -> tuple[list[list[int]], int]:
    """The best order that sweeps from one start come upon, the first one `forward` or not, and its crossings."""
    crossings = Crossings(network.pieces, len(network.rank))
    for column, rule in zip(columns, rules, strict=True):
        rule.enforce(column)
        crossings.note(column)
    best, fewest = [list(c) for c in columns], crossings.count(columns)
    fruitless = 0
    sweeps = max(FEWEST_SWEEPS, MOST_SWEEPS - len(network.pieces) // 200)
    for sweep in range(sweeps):
        if fewest == 0 or fruitless == _PATIENCE:
            break
        for i in range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1):
            other = len(columns[i - 1 if forward else i + 1])
            rules[i].sort(columns[i], crossings.means(columns[i], other, forward))
            crossings.note(columns[i])
        crossings.swap(columns, rules, sweeps, ties=sweep % 2 == 1)
        found = crossings.count(columns)
        forward = not forward
        fruitless += 1
        if found < fewest:
            best, fewest, fruitless = [list(c) for c in columns], found, 0
    return best, fewest


def _as_given(network: Network) -> list[list[int]]:
    """Columns in the order of the blocks; where edges pass, that of half the way."""
    place = [float(block) for block in range(len(network.rank))]
    for (source, _, target, _), chain in zip(network.links, network.chains, strict=True):
        for virtual in chain:
            place[virtual] = (source + target) / 2
    columns: list[list[int]] = [[] for _ in range(network.width)]
    for block in sorted(range(len(place)), key=place.__getitem__):
        columns[network.rank[block]].append(block)
    return columns


def _by_walk(network: Network) -> list[list[int]]:
    """Columns in the order of a walk from the outputs back through the arguments."""
    before: list[list[tuple[int, int]]] = [[] for _ in network.rank]
    used = [False] * len(network.rank)
    for source, _, target, port in network.pieces:
        before[target].append((port, source))
        used[source] = True
    columns: list[list[int]] = [[] for _ in range(network.width)]
    seen = [False] * len(network.rank)
    stack = [block for block in range(len(network.rank)) if not used[block]][::-1]
    while stack:
        block = stack.pop()
        if seen[block]:
            continue
        seen[block] = True
        columns[network.rank[block]].append(block)
        stack.extend(source for _, source in sorted(before[block], reverse=True))
    return columns
