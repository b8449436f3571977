"""A display list at one step of the run: all values so far, a ring around the item at work, and its card.

Every step has the same size and the same coordinates, so that pages can be leafed through like a film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from dout.draw.paint.display_list import Box, Circle, Drawing, Rect, Shape, Text, width_of
from dout.draw.paint.pointer import pointer
from dout.draw.scene.scene import Step

_EDGE, _LINE, _PAD = 18.0, 17.0, 12.0
_RING = 3.5


def stepped(drawing: Drawing, steps: tuple[Step, ...]) -> tuple[Drawing, ...]:
    """Return the drawing at every step, the start first."""
    band = max((_height(step) for step in steps), default=0.0) + 2 * _EDGE
    width = max([drawing.width, *(_width(step) + 2 * _EDGE for step in steps)])
    low = [shape.moved(0, band) for shape in drawing.shapes]
    blank = replace(drawing, width=width, height=drawing.height + band)
    frames = [replace(blank, shapes=tuple(s for s in low if s.since == 0))]
    for step in steps:
        seen = [s for s in low if s.since <= step.number]
        place = drawing.places.get(step.place)
        low_place = None if place is None else (place[0], place[1] + band, place[2], place[3] + band)
        focus = [] if low_place is None else _focus(step, low_place, width, seen)
        title = f"{drawing.title}, step {step.number} of {len(steps)}"
        frames.append(replace(blank, shapes=(*seen, *focus), title=title, description=_said(step)))
    return tuple(frames)


def _said(step: Step) -> str:
    return "; ".join((step.card.title, *step.card.lines))


def _width(step: Step) -> float:
    texts = chain([width_of(step.card.title, "card-title")], (width_of(text, "card-line") for text in step.card.lines))
    return max(texts) + 2 * _PAD


def _height(step: Step) -> float:
    return _LINE * (1 + len(step.card.lines)) + 2 * _PAD - 6


def _focus(step: Step, place: Box, width: float, seen: Sequence[Shape]) -> list[Shape]:
    """The ring and the card of a step, and a line between them."""
    left, top, right, bottom = place
    kind = "" if step.phase == "backward" else "-forward"
    wide, high = _width(step), _height(step)
    middle = (left + right) / 2
    x = min(max(middle - wide / 2, _EDGE), width - wide - _EDGE)
    radius = _roundness(place, seen) + _RING
    ring = Rect(left - _RING, top - _RING, right - left + 2 * _RING, bottom - top + 2 * _RING, f"ring{kind}", radius)
    card = Rect(x, _EDGE, wide, high, f"card{kind}", 9)
    shapes: list[Shape] = [
        pointer(card.box, ring, seen, f"pointer{kind}"),
        ring,
        card,
        Text(x + _PAD, _EDGE + _PAD + 8, step.card.title, "card-title"),
    ]
    for i, text in enumerate(step.card.lines, 1):
        shapes.append(Text(x + _PAD, _EDGE + _PAD + 8 + i * _LINE, text, f"card-line{kind}"))
    return shapes


def _roundness(place: Box, shapes: Sequence[Shape]) -> float:
    """The radius of the shape in a place: that of a circle, or of the corners of a box."""
    for shape in shapes:
        if isinstance(shape, Circle | Rect) and all(abs(a - b) < 0.01 for a, b in zip(shape.box, place, strict=True)):
            return shape.radius
    return 0.0
