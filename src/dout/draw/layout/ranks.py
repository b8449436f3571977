"""The column of each block, chosen so that the total length of the edges is least.

Source: Gansner, Koutsofios, North and Vo, "A Technique for Drawing Directed Graphs" (1993), section 2: the network
simplex. Blocks that hang on one edge, or stand between two, are taken out first: where they go is plain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from dout.errors import DocumentError

_WORK = 2_000_000  # blocks looked at before what has been found is good enough

Arc = tuple[int, int, int]  # source, target, how many columns apart at least


def ranks(pins: Sequence[str], links: Sequence[tuple[int, int]]) -> list[int]:
    """Return the column of each block, the leftmost being 0; pinned ones in the first or the last column.

    >>> ranks(["", "", "", ""], [(0, 1), (1, 2), (3, 2)])  # what hangs on one use stands next to it
    [0, 1, 2, 1]
    """
    gates = {side: [b for b, pin in enumerate(pins) if pin == side] for side in ("first", "last")}
    one = {block: same[0] for same in gates.values() for block in same}  # gates of a side move together
    arcs = [(one.get(s, s), one.get(t, t), 1) for s, t in links]
    try:
        _in_order(arcs)
    except CycleError:
        raise DocumentError("a layer is computed from its own result, as in no run; trace the program again") from None
    found = _Simplex(len(pins), arcs).solve()
    for part in _parts(len(pins), [(one.get(s, s), one.get(t, t)) for s, t in links]):
        least = min(found[block] for block in part)
        for block in part:
            found[block] -= least
    last = max(found, default=0)
    for side, column in (("first", 0), ("last", last)):
        for block in gates[side]:
            found[block] = column
    return found


def _in_order(arcs: Sequence[Arc]) -> list[int]:
    """The blocks at the ends of arcs, each after those that lead to it."""
    order: TopologicalSorter[int] = TopologicalSorter()
    for source, target, _ in arcs:
        order.add(target, source)
    return list(order.static_order())


def _parts(count: int, links: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """The connected parts."""
    around: list[list[int]] = [[] for _ in range(count)]
    for a, b in links:
        around[a].append(b)
        around[b].append(a)
    seen = [False] * count
    for start in range(count):
        if not seen[start]:
            seen[start] = True
            part = [start]
            for block in part:
                for other in around[block]:
                    if not seen[other]:
                        seen[other] = True
                        part.append(other)
            yield part


class _Simplex:
    """A spanning tree of arcs that are as short as can be, improved one arc at a time.

    `surplus` is, of the blocks that hang on one, how many more arcs leave them than enter. `ahead` is 1 where the tree
    leads from a block to its parent, -1 where it leads back.
    """

    def __init__(self, count: int, arcs: Sequence[Arc]) -> None:
        self.count = count
        self.out: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        self.into: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for source, target, apart in arcs:
            self.out[source].append((target, apart))
            self.into[target].append((source, apart))
        self.rank = [
            0
        ] * count  # at first by the longest path that leads to a block; one without arguments beside its use
        order = _in_order(arcs)
        for block in order:
            for target, apart in self.out[block]:
                self.rank[target] = max(self.rank[target], self.rank[block] + apart)
        for block in reversed(order):
            if len(self.out[block]) > len(self.into[block]):
                self.rank[block] = min(self.rank[target] - apart for target, apart in self.out[block])
        self.parent = [-1] * count
        self.children: list[set[int]] = [set() for _ in range(count)]
        self.ahead = [0] * count
        self.surplus = [len(o) - len(i) for o, i in zip(self.out, self.into, strict=True)]

    def solve(self) -> list[int]:
        """The columns."""
        seen = [False] * self.count
        for root in range(self.count):
            if not seen[root]:
                self._span(root, seen)
        work, idle, block = 0, 0, 0
        while idle < self.count and work < _WORK:
            if self.ahead[block] * self.surplus[block] < 0:
                work += self._move(block)
                idle = 0
            block = (block + 1) % self.count
            idle += 1
        return self.rank

    def _span(self, root: int, seen: list[bool]) -> None:
        """Hang all blocks connected with `root` on it by tight arcs, moving the tree until the next arc is tight."""
        rank, tree = self.rank, [root]
        seen[root] = True
        nearest: tuple[int, int] | None = (0, 0)
        while nearest is not None:
            for block in tree:
                rank[block] += nearest[0] * nearest[1]
            for block in tree:
                for arcs, ahead in ((self.out[block], -1), (self.into[block], 1)):
                    for other, apart in arcs:
                        if not seen[other] and rank[block] - ahead * apart == rank[other]:
                            seen[other] = True
                            self._hang(other, block, ahead)
                            tree.append(other)
            nearest = min(
                (
                    (way * (rank[other] - rank[block]) - apart, way)
                    for block in tree
                    for arcs, way in ((self.out[block], 1), (self.into[block], -1))
                    for other, apart in arcs
                    if not seen[other]
                ),
                default=None,
            )
        for block in reversed(tree[1:]):
            self.surplus[self.parent[block]] += self.surplus[block]

    def _hang(self, block: int, parent: int, ahead: int) -> None:
        self.parent[block], self.ahead[block] = parent, ahead
        self.children[parent].add(block)

    def _move(self, top: int) -> int:
        """Move a block with its tree towards the side of most of its arcs until one arc is tight, and attach it there.

        Return how many blocks that were.
        """
        rank = self.rank
        inside = [top]
        for block in inside:
            inside += self.children[block]
        members = set(inside)
        way = 1 if self.surplus[top] > 0 else -1
        arcs = self.out if way > 0 else self.into
        slack, block, other = min(
            (way * (rank[other] - rank[block]) - apart, block, other)
            for block in inside
            for other, apart in arcs[block]
            if other not in members
        )
        for each in inside:
            rank[each] += way * slack
        self._hang_elsewhere(top, block, other, way)
        return len(inside)

    def _hang_elsewhere(self, top: int, block: int, other: int, ahead: int) -> None:
        """Take the subtree of `top` off its parent, and hang it, by `block`, on `other`."""
        total = self.surplus[top]
        for change, at in ((-total, self.parent[top]), (total, other)):
            while at >= 0:
                self.surplus[at] += change
                at = self.parent[at]
        self.children[self.parent[top]].discard(top)
        path = [block]
        while path[-1] != top:
            path.append(self.parent[path[-1]])
        old = [(self.ahead[each], self.surplus[each]) for each in path]
        for lower, upper in pairwise(path):
            self.children[upper].discard(lower)
        self._hang(block, other, ahead)
        self.surplus[block] = total
        for (lower, upper), (was, surplus) in zip(pairwise(path), old, strict=False):
            self._hang(upper, lower, -was)
            self.surplus[upper] = total - surplus
