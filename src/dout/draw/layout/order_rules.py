"""The order that a column must keep: the arguments of a node in their order, and gates in theirs."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

from dout.draw.layout.coordinates import isotonic

_ROUNDS = 4


class ColumnRules:
    """The rules of one column, each a chain of blocks from top to bottom."""

    def __init__(self) -> None:
        self.below: dict[int, set[int]] = {}
        self._chains: list[tuple[int, ...]] = []

    def add(self, chain: Sequence[int]) -> bool:
        """Add a rule and say True, or say False where it contradicts itself or those that are there."""
        if len(set(chain)) < len(chain):
            return False
        for i, block in enumerate(chain[1:], 1):
            if self._reaches(block, set(chain[:i])):
                return False
        if len(chain) > 1:
            self._chains.append(tuple(chain))
            for a, b in pairwise(chain):
                self.below.setdefault(a, set()).add(b)
        return True

    def _reaches(self, block: int, wanted: set[int]) -> bool:
        waiting, seen = [block], {block}
        while waiting:
            for other in self.below.get(waiting.pop(), ()):
                if other in wanted:
                    return True
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return False

    def enforce(self, column: list[int]) -> None:
        """Put a column in the nearest order that keeps the rules: of the blocks that may come next, the earliest."""
        if not self.below:
            return
        above = dict.fromkeys(column, 0)
        for others in self.below.values():
            for other in others:
                above[other] += 1
        turn = {block: i for i, block in enumerate(column)}
        ready = [turn[block] for block in column if not above[block]]
        heapify(ready)
        was, column[:] = list(column), []
        while ready:
            block = was[heappop(ready)]
            column.append(block)
            for other in self.below.get(block, ()):
                above[other] -= 1
                if not above[other]:
                    heappush(ready, turn[other])

    def sort(self, column: list[int], wishes: MutableMapping[int, float]) -> None:
        """Sort a column, which keeps the rules already, by where its blocks wish to be, and keep the rules."""
        for _ in range(_ROUNDS if self._chains else 0):
            broken = [c for c in self._chains if any(wishes[a] > wishes[b] for a, b in pairwise(c))]
            for chain in broken:
                wishes.update(zip(chain, isotonic([wishes[b] for b in chain], [1.0] * len(chain)), strict=True))
            if not broken:
                break
        else:
            for block in column if self._chains else ():
                for other in self.below.get(block, ()):
                    wishes[other] = max(wishes[other], wishes[block])
        column.sort(key=wishes.__getitem__)
