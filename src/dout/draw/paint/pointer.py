"""The line from the card of a step to the ring around its item, where it crosses the fewest texts and other items."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import cos, hypot, pi, sin

from dout.draw.paint.display_list import Box, Circle, Path, Rect, Shape, Text, holds, line, meet

_CLEAR = 2.0  # between the line and what it passes
_STARTS = [i / 8 - 0.5 for i in range(9)]  # along the lower edge of the card
_ENDS = [pi * i / 16 for i in range(-8, 9)]  # around the upper half of the ring, as angles from its top
_LETTERS = 100.0  # how much longer a line may be that crosses one thing less

Point = tuple[float, float]


def pointer(card: Box, ring: Rect, shapes: Iterable[Shape], style: str) -> Path:
    """Return the straight line; as short as it can be among those that cross equally little."""
    left, _, right, bottom = card
    inset = min(12.0, (right - left) / 2)
    starts = [((left + right) / 2 + part * (right - left - 2 * inset), bottom) for part in _STARTS]
    ends = [_on(ring, angle) for angle in _ENDS]
    xs = [x for x, _ in (*starts, *ends)]
    within = min(xs), bottom, max(xs), ring.box[3]
    things = [_grown(shape.box) for shape in shapes if _stands_in_the_way(shape) and meet(shape.box, within)]
    things = [box for box in things if not holds(ring.box, box)]

    def cost(pair: tuple[Point, Point]) -> float:
        start, end = pair
        crossed = sum(_crosses(start, end, box) for box in things)
        return _LETTERS * crossed + hypot(end[0] - start[0], end[1] - start[1])

    start, end = min(product(starts, ends), key=cost)
    return line(start, end, style=style)


def _on(ring: Rect, angle: float) -> Point:
    """A point on a ring with round ends, at an angle from its top."""
    left, top, right, _ = ring.box
    straight = max(0.0, (right - left) / 2 - ring.radius)
    side = (angle > 0) - (angle < 0)
    return (left + right) / 2 + side * straight + ring.radius * sin(angle), top + ring.radius * (1 - cos(angle))


def _stands_in_the_way(shape: Shape) -> bool:
    return isinstance(shape, Text | Circle) or (isinstance(shape, Rect) and shape.style != "open")


def _grown(box: Box) -> Box:
    return box[0] - _CLEAR, box[1] - _CLEAR, box[2] + _CLEAR, box[3] + _CLEAR


def _crosses(start: Point, end: Point, box: Box) -> bool:
    """True if a straight line goes through a box: some of it is within all four sides."""
    enters, leaves = 0.0, 1.0
    for axis in (0, 1):
        at, step = start[axis], end[axis] - start[axis]
        low, high = box[axis] - at, box[axis + 2] - at
        if step == 0:
            if not low < 0 < high:
                return False
            continue
        first, last = sorted((low / step, high / step))
        enters, leaves = max(enters, first), min(leaves, last)
    return enters < leaves
