"""The display list: paths, circles, rectangles and texts with the names of their styles. Every backend reads it.

Sizes are in pixels of the SVG; a colour is chosen by the backend, from the style's name and its theme. A shape is seen
from step `since` of the run on; 0 is the start. What belongs to the edge of a value is `about` it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import add, attrgetter
from typing import Any, Literal, Self

from dout.draw.paint.style import TEXTS
from dout.draw.words.safe_text import text_width
from dout.graph import Node

Box = tuple[float, float, float, float]  # left, top, right, bottom
Command = tuple[str, tuple[float, ...]]  # "M" and "L" with a point, "C" with three

ANCHORS = {"start": 0.0, "middle": 0.5, "end": 1.0}  # how much of a text stands left of its x


@dataclass(frozen=True, slots=True)
class Path:
    """A line, straight or curved."""

    commands: tuple[Command, ...]
    style: str
    title: str = ""
    since: int = 0
    about: Node | None = field(default=None, compare=False, repr=False)

    def moved(self, dx: float, dy: float) -> Path:
        """The same, elsewhere."""
        shift = (dx, dy, dx, dy, dx, dy)
        return self.along(tuple((c, tuple(map(add, points, shift))) for c, points in self.commands))

    def along(self, commands: tuple[Command, ...]) -> Path:
        """The same, with other commands."""
        return Path(commands, self.style, self.title, self.since, self.about)

    @property
    def box(self) -> Box:
        """Its bounding box; the handles of a curve count."""
        xs: list[float] = []
        ys: list[float] = []
        for _, points in self.commands:
            xs += points[::2]
            ys += points[1::2]
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True, slots=True)
class _AtPoint:
    x: float
    y: float

    def moved(self, dx: float, dy: float) -> Self:
        """The same, elsewhere."""
        kind: Any = type(self)
        made: Self = kind(self.x + dx, self.y + dy, *_AFTER_PLACE[kind](self))
        return made


@dataclass(frozen=True, slots=True)
class Circle(_AtPoint):
    """A circle around x, y."""

    radius: float
    style: str
    title: str = ""
    since: int = 0
    about: Node | None = field(default=None, compare=False, repr=False)

    @property
    def box(self) -> Box:
        """Its bounding box."""
        return self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius


@dataclass(frozen=True, slots=True)
class Rect(_AtPoint):
    """A rectangle with its left upper corner at x, y and round corners."""

    width: float
    height: float
    style: str
    radius: float = 0
    title: str = ""
    since: int = 0
    about: Node | None = field(default=None, compare=False, repr=False)

    @property
    def box(self) -> Box:
        """Its bounding box."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True, slots=True)
class Text(_AtPoint):
    """One line of text on the baseline y."""

    text: str
    style: str
    anchor: Literal["start", "middle", "end"] = "start"
    title: str = ""
    since: int = 0
    about: Node | None = field(default=None, compare=False, repr=False)

    @property
    def width(self) -> float:
        """The room it needs in the usual fonts."""
        return width_of(self.text, self.style)

    @property
    def box(self) -> Box:
        """Its bounding box."""
        width, size = self.width, TEXTS[self.style].size
        left = self.x - ANCHORS[self.anchor] * width
        return left, self.y - 0.78 * size, left + width, self.y + 0.22 * size


Shape = Path | Circle | Rect | Text

# The fields behind x and y, and those before the last two. `dataclasses.replace` takes three times as long as a new
# object, and a large picture moves tens of thousands of shapes.
_AFTER_PLACE = {kind: attrgetter(*(f.name for f in fields(kind)[2:])) for kind in (Circle, Rect, Text)}
_BEFORE_STEP = {kind: attrgetter(*(f.name for f in fields(kind)[:-2])) for kind in (Path, Circle, Rect, Text)}


def since(shape: Shape, step: int, about: Node | None) -> Shape:
    """The same shape, seen from a step of the run on, about the edge of a value."""
    kind: Any = type(shape)
    made: Shape = kind(*_BEFORE_STEP[kind](shape), step, about)
    return made


@dataclass(frozen=True)
class Drawing:
    """A finished display list, with its size, and its title and description for a screen reader.

    `places` says where each item stands that is a step, by its place in the order of the run.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    title: str = ""
    description: str = ""
    places: Mapping[int, Box] = field(default_factory=dict)


@lru_cache(maxsize=20_000)  # rows are tried in many ways
def width_of(text: str, style: str) -> float:
    """The room that a text needs in a style."""
    look = TEXTS[style]
    return text_width(text, look.size, mono=look.mono, bold=look.bold)


def moved(shapes: Iterable[Shape], dx: float, dy: float) -> list[Shape]:
    """Shapes drawn around the origin, put in their place."""
    return [shape.moved(dx, dy) for shape in shapes]


def meet(one: Box, other: Box) -> bool:
    """Whether two boxes have a place in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def holds(outer: Box, inner: Box) -> bool:
    """Whether a box lies in another one."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def around(shapes: Iterable[Shape]) -> Box:
    """The box around shapes; without shapes that of the origin."""
    left, top, right, low = zip(*([shape.box for shape in shapes] or [(0.0,) * 4]), strict=True)
    return min(left), min(top), max(right), max(low)


def line(*points: tuple[float, float], style: str, title: str = "", about: Node | None = None) -> Path:
    """A straight line through points."""
    return Path(tuple(("L" if i else "M", point) for i, point in enumerate(points)), style, title, about=about)
