"""Heights: each block as near as its order allows to the blocks it is connected with.

This step exists a second time in the page's JavaScript; keep it free of everything that is not arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

ROUNDS = 8
FEWER_ROUNDS = 4  # for a picture that nobody sees whole
MANY = 2000
FAINT = 0.01

# source, target, and the heights at which the edge leaves and meets them, relative to their own
Pull = tuple[int, int, float, float]


def set_heights(
    columns: Sequence[Sequence[int]],
    up: Sequence[float],
    down: Sequence[float],
    pulls: Sequence[tuple[Pull, float]],
    between: float,
    *,
    whole: bool,
) -> list[float]:
    """Return a height for each block so that neighbours in a column keep their distance and edges run level.

    Blocks are pulled (with a weight) towards the heights at which their edges would be straight; where that would break
    the order or the distance, they settle in the least-squares sense. Linear in the number of edges a round.
    """
    heights = _stacked(columns, up, down, between)
    before = _Side(len(up))
    after = _Side(len(up))
    for (source, target, leaves, meets), weight in pulls:
        after.add(source, target, meets - leaves, weight)
        before.add(target, source, leaves - meets, weight)
    offsets = [_offsets(column, up, down, between) for column in columns]
    forward = list(zip(columns, offsets, strict=True))
    for _ in range(ROUNDS if len(up) < MANY else FEWER_ROUNDS):
        for side, order in ((after, forward[::-1]), (before, forward)):
            for column, apart in order:
                _settle(column, apart, heights, side)
    return [float(floor(y + 0.5)) for y in heights] if whole else heights


class _Side:
    """The pulls on each block from one side: the other blocks, the sum of weights, and the sum of weighted shifts."""

    def __init__(self, count: int) -> None:
        self.others: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        self.totals = [0.0] * count
        self.shifts = [0.0] * count

    def add(self, block: int, other: int, shift: float, weight: float) -> None:
        """Pull `block` to `shift` below `other`."""
        self.others[block].append((other, weight))
        self.totals[block] += weight
        self.shifts[block] += weight * shift


def _offsets(column: Sequence[int], up: Sequence[float], down: Sequence[float], between: float) -> list[float]:
    """The least distance of each block below the first block of its column."""
    offsets = []
    offset, previous = 0.0, -1
    for block in column:
        if previous >= 0:
            offset += down[previous] + between + up[block]
        offsets.append(offset)
        previous = block
    return offsets


def _stacked(
    columns: Sequence[Sequence[int]], up: Sequence[float], down: Sequence[float], between: float
) -> list[float]:
    """Each column from the top, all centred on one line."""
    heights = [0.0] * len(up)
    for column in columns:
        y = -between
        for block in column:
            y += between + up[block]
            heights[block] = y
            y += down[block]
        for block in column:
            heights[block] -= y / 2
    return heights


def _settle(column: Sequence[int], offsets: Sequence[float], heights: list[float], side: _Side) -> None:
    """Move the blocks of one column to where the edges on one side pull them, in order and with distance kept."""
    wishes, weights = [], []
    for block, offset in zip(column, offsets, strict=True):
        total = side.totals[block]
        if total:
            wish = side.shifts[block]
            for other, weight in side.others[block]:
                wish += weight * heights[other]
            wishes.append(wish / total - offset)
            weights.append(total)
        else:  # nothing pulls: it stays where it is, unless pushed
            wishes.append(heights[block] - offset)
            weights.append(FAINT)
    for block, place, offset in zip(column, isotonic(wishes, weights), offsets, strict=True):
        heights[block] = place + offset


def isotonic(wishes: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the non-decreasing numbers nearest to `wishes` in the weighted least-squares sense.

    Pool adjacent violators; source: Barlow et al., "Statistical Inference under Order Restrictions" (Wiley, 1972).

    >>> isotonic([1, 3, 2], [1, 1, 1])
    [1.0, 2.5, 2.5]
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for wish, weight in zip(wishes, weights, strict=True):
        mean, mass, count = float(wish), float(weight), 1
        while pools and pools[-1][0] > mean:
            other, other_mass, others = pools.pop()
            mean = (mean * mass + other * other_mass) / (mass + other_mass)
            mass += other_mass
            count += others
        pools.append((mean, mass, count))
    return [mean for mean, _, count in pools for _ in range(count)]
