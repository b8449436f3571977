"""Which column each block stands in, and in which order: the steps of a layered drawing that need no coordinates.

Source: Sugiyama, Tagawa and Toda (1981), with two rules of our own: an input stands next to its use, and the arguments
of a node keep their order, top to bottom, whatever that costs in crossings.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

SWEEPS = 6
_PORTS = 4096  # more than a block has
_PATIENCE = 2  # sweeps without gain before giving up

Piece = tuple[int, int, int, int]  # source, out-port, target, in-port


class Network:
    """Blocks and links as numbers, with a virtual block in every column that a link only passes.

    `kinds` says of each block whether it is pulled to the right, and whether it is pinned ("first", "last", or "").
    `pieces` lead from column to column; `chains` are the virtual blocks of each link.
    """

    def __init__(self, kinds: Sequence[tuple[bool, str]], links: Sequence[Piece]) -> None:
        self.kinds = kinds
        self.links = links
        self.rank = _ranks(kinds, links)
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


def _ranks(kinds: Sequence[tuple[bool, str]], links: Sequence[Piece]) -> list[int]:
    """The column of each block: the longest path to it; what hangs on one use alone moves right, next to that use."""
    count = len(kinds)
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, _, target, _ in links:
        before[target].append(source)
        after[source].append(target)
    order = _topological(before, after)
    rank = [0] * count
    free = [False] * count
    for block in order:
        rank[block] = max((rank[b] + 1 for b in before[block]), default=0)
        alone = all(free[b] and len(set(after[b])) == 1 for b in before[block])
        free[block] = alone and not kinds[block][1]
    for block in reversed(order):
        if free[block] and after[block]:
            rank[block] = max(rank[block], min(rank[b] for b in after[block]) - 1)
    last = max(rank, default=0)
    return [last if pin == "last" else r for r, (_, pin) in zip(rank, kinds, strict=True)]


def _topological(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[int]:
    waiting = [len(b) for b in before]
    order = [block for block, n in enumerate(waiting) if n == 0]
    for block in order:
        for other in after[block]:
            waiting[other] -= 1
            if waiting[other] == 0:
                order.append(other)
    return order


def put_in_order(network: Network) -> list[list[int]]:
    """Return the columns, each with its blocks (virtual ones too) from top to bottom.

    The start is the order in which a walk from the outputs, argument by argument, meets the blocks; sweeps by
    barycentre and swaps of neighbours then take crossings out, and the best order seen is kept.
    """
    columns = _with_pins(network, _by_walk(network))
    right: list[list[Piece]] = [[] for _ in network.rank]
    left: list[list[Piece]] = [[] for _ in network.rank]
    for piece in network.pieces:
        right[piece[0]].append(piece)
        left[piece[2]].append(piece)
    arguments = [_arguments(network, pieces) for pieces in left]
    for i in range(len(columns) - 2, -1, -1):
        columns[i] = _keep_arguments(columns[i], columns[i + 1], arguments)
    best, fewest = [list(c) for c in columns], _crossings(columns, right)
    fruitless = 0
    for sweep in range(SWEEPS):
        if fewest == 0 or fruitless == _PATIENCE:
            break
        forward = sweep % 2 == 1
        for i in range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1):
            _sort(columns[i], columns[i - 1 if forward else i + 1], left if forward else right, forward=forward)
            if i + 1 < len(columns):
                columns[i] = _keep_arguments(columns[i], columns[i + 1], arguments)
        columns = _with_pins(network, columns)
        found = _crossings(columns, right)
        fruitless += 1
        if found < fewest:
            best, fewest, fruitless = [list(c) for c in columns], found, 0
    return best


def _arguments(network: Network, pieces: list[Piece]) -> tuple[int, ...]:
    """What leads to one block, in the order of its ports; gates have an order of their own."""
    if len(pieces) < 2:
        return ()
    found = dict.fromkeys(source for source, _, _, _ in sorted(pieces, key=lambda p: p[3]))
    return tuple(b for b in found if not (b < len(network.kinds) and network.kinds[b][1]))


def _by_walk(network: Network) -> list[list[int]]:
    """Columns in the order of a walk from the outputs back through the arguments."""
    before: list[list[tuple[int, int]]] = [[] for _ in network.rank]
    used = [False] * len(network.rank)
    for source, _, target, port in network.pieces:
        before[target].append((port, source))
        used[source] = True
    columns: list[list[int]] = [[] for _ in range(max(network.rank, default=-1) + 1)]
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


def _with_pins(network: Network, columns: list[list[int]]) -> list[list[int]]:
    """Keep gates in their given order, in the places that gates have."""
    for i in {0, len(columns) - 1} & set(range(len(columns))):
        for side in ("first", "last"):
            gates = [b for b in columns[i] if b < len(network.kinds) and network.kinds[b][1] == side]
            columns[i] = _rearranged(columns[i], sorted(gates))
    return columns


def _rearranged(column: list[int], wanted: Sequence[int]) -> list[int]:
    """Put the blocks of `wanted` in that order into the places that they have in the column."""
    if len(wanted) < 2:
        return column
    turn, members = iter(wanted), set(wanted)
    return [next(turn) if block in members else block for block in column]


def _keep_arguments(column: list[int], following: Sequence[int], arguments: Sequence[tuple[int, ...]]) -> list[int]:
    """Put what leads to the same block in the order of its ports."""
    for target in following:
        if arguments[target]:
            column = _rearranged(column, arguments[target])
    return column


def _sort(column: list[int], other: Sequence[int], pieces: Sequence[Sequence[Piece]], *, forward: bool) -> None:
    """Sort a column by the mean place of what its blocks are connected with, before it (`forward`) or after it."""
    place = {block: float(i) for i, block in enumerate(other)}
    scale = len(other) / max(1, len(column))
    end, port = (0, 1) if forward else (2, 3)
    means: dict[int, float] = {}
    for i, block in enumerate(column):
        around = pieces[block]
        total = 0.0
        for piece in around:  # a port lower on the same block counts a little
            total += place[piece[end]] + piece[port] / _PORTS
        means[block] = total / len(around) if around else i * scale
    column.sort(key=means.__getitem__)


def _crossings(columns: Sequence[Sequence[int]], right: Sequence[Sequence[Piece]]) -> int:
    """Count exactly how many pairs of edges cross. Insertion into a sorted list: fast for what one can look at."""
    total = 0
    for column, following in pairwise(columns):
        place = {block: i * _PORTS for i, block in enumerate(following)}
        seen: list[int] = []
        for block in column:
            ends = [(piece[1], place[piece[2]] + piece[3]) for piece in right[block]]
            for _, end in sorted(ends) if len(ends) > 1 else ends:
                total += len(seen) - bisect_right(seen, end)
                insort(seen, end)
    return total
