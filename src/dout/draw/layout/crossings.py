"""Crossings of edges between columns: their number, and swaps of neighbours that reduce it."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

from dout.draw.layout.order_rules import ColumnRules

Piece = tuple[int, int, int, int]  # source, out-port, target, in-port
_PORTS = 4096  # more than a block has


class Crossings:
    """The pieces between columns, seen from both of their ends. `place` is where each block stands in its column."""

    def __init__(self, pieces: Sequence[Piece], count: int) -> None:
        self._left: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        self._right: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        self._stems: list[dict[int, list[tuple[int, int]]]] = [{} for _ in range(count)]  # the right ones by out-port
        self._place = [0] * count
        for source, out, target, port in sorted(pieces, key=lambda p: p[1]):
            self._right[source].append((target, port))
            self._stems[source].setdefault(out, []).append((target, port))
            self._left[target].append((source, out))

    def note(self, column: Sequence[int]) -> None:
        """Take the order of a column as it is now."""
        for i, block in enumerate(column):
            self._place[block] = i * _PORTS

    def means(self, column: Sequence[int], other: int, forward: bool) -> dict[int, float]:
        """The mean place, for each block of a column, of its neighbours among the `other` blocks of the next column."""
        place, scale = self._place, other * _PORTS / max(1, len(column))
        around = self._left if forward else self._right
        wishes: dict[int, float] = {}
        for i, block in enumerate(column):
            ends = around[block]
            if len(ends) == 1:
                end, port = ends[0]
                wishes[block] = place[end] + port
            else:
                wishes[block] = sum([place[e] + p for e, p in ends]) / len(ends) if ends else i * scale
        return wishes

    def count(self, columns: Sequence[Sequence[int]]) -> int:
        """Count exactly the pairs of edges that cross, by insertion into a sorted list: fast at usual sizes."""
        total, place = 0, self._place
        for column in columns:
            seen: list[int] = []
            for block in column:
                for stem in self._stems[block].values():
                    for end in sorted([place[other] + port for other, port in stem]):
                        if seen and end < seen[-1]:
                            total += len(seen) - bisect_right(seen, end)
                            insort(seen, end)
                        else:
                            seen.append(end)
        return total

    def swap(self, columns: Sequence[list[int]], rules: Sequence[ColumnRules], passes: int, *, ties: bool) -> None:
        """Swap neighbours where that takes crossings out, or with `ties` adds none, in so many passes at most."""
        again = set(range(len(columns)))
        for _ in range(passes):
            if not again:
                break
            changed = {i for i in sorted(again) if self._swap_in(columns[i], rules[i], ties)}
            again = {j for i in changed for j in (i - 1, i, i + 1) if 0 <= j < len(columns)}

    def _swap_in(self, column: list[int], rule: ColumnRules, ties: bool) -> bool:
        place, below = self._place, rule.below
        better = False
        for i in range(len(column) - 1):
            upper, lower = column[i], column[i + 1]
            if upper in below and lower in below[upper]:
                continue
            gain = self._gain(upper, lower)
            if gain > 0 or (ties and gain == 0):
                column[i], column[i + 1] = lower, upper
                place[upper], place[lower] = place[lower], place[upper]
                better |= gain > 0
        return better

    def _gain(self, upper: int, lower: int) -> int:
        """The number of crossings that a swap of two neighbours removes."""
        place, gain = self._place, 0
        for ends in (self._left, self._right):
            for end, port in ends[upper]:
                one = place[end] + port
                for end2, port2 in ends[lower]:
                    other = place[end2] + port2
                    gain += (one > other) - (one < other)
        return gain
