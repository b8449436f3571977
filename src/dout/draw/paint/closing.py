"""Room in a row of a picture that nothing stands in, closed up: all that stands above it comes nearer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dout.draw.paint.display_list import Circle, Path, Rect, Shape, Text

Interval = tuple[float, float]  # from top to bottom
Kind = TypeVar("Kind", Path, Circle, Rect, Text, Shape)

_ROOM = 8.0  # that stays between two things, of what there is
_LINE = 1.5  # an edge with its width


@dataclass(frozen=True)
class Heights:
    """The new height of each old one: what is `taken` moves as a whole, rooms between shrink."""

    taken: Sequence[Interval]
    up: Sequence[float]  # by how much each moves up

    def __call__(self, y: float) -> float:
        """Where a height is now."""
        i = bisect_right(self.taken, (y, float("inf"))) - 1
        if i < 0:
            return y
        low, last = self.taken[i][1], i == len(self.taken) - 1
        if y <= low or last:
            return y - self.up[i]
        high = self.taken[i + 1][0]
        return y - self.up[i] - (self.up[i + 1] - self.up[i]) * (y - low) / (high - low)

    @property
    def height(self) -> float:
        """From the top of all to the bottom."""
        return self.taken[-1][1] - self.up[-1] - self.taken[0][0] if self.taken else 0.0


def closed_up(intervals: Iterable[Interval]) -> Heights:
    """The heights of a row in which these are taken.

    >>> heights = closed_up([(0, 10), (5, 20), (100, 110)])
    >>> heights(20), heights(60), heights(110), heights.height
    (20.0, 24.0, 38.0, 38.0)
    """
    taken: list[Interval] = []
    up: list[float] = []
    for high, low in sorted(intervals):
        if taken and high <= taken[-1][1]:
            taken[-1] = taken[-1][0], max(low, taken[-1][1])
        else:
            up.append(up[-1] + max(0.0, high - taken[-1][1] - _ROOM) if taken else 0.0)
            taken.append((high, low))
    return Heights(taken, up)


def taken_by(shape: Shape) -> list[Interval]:
    """What a shape takes. Of an edge the level pieces, since it can bend less; of an open layer the borders."""
    if isinstance(shape, Path) and shape.style.endswith(("edge", "thick")):
        return [(y - _LINE, y + _LINE) for y in {points[-1] for _, points in shape.commands}]
    _, high, _, low = shape.box
    if isinstance(shape, Rect) and shape.style == "open":
        return [(y - _LINE, y + _LINE) for y in (high, low)]
    return [(high, low)]


def moved_up(shape: Kind, heights: Heights) -> Kind:
    """The shape at its new height; an edge bends less, and an open layer is as high as what is in it."""
    if isinstance(shape, Path):
        commands = [
            (letter, tuple([heights(p) if i % 2 else p for i, p in enumerate(points)]))
            for letter, points in shape.commands
        ]
        return shape.along(tuple(commands))
    _, high, _, low = shape.box
    if isinstance(shape, Rect) and shape.style == "open":
        return replace(shape, y=heights(high), height=heights(low) - heights(high))
    return shape.moved(0, heights(high) - high)
