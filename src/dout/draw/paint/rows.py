"""A picture that is too wide for its paper is cut into rows: an edge that goes on has one number on both sides.

A cut goes where nothing but level edges and open layers is. So no text and no item is cut, and nothing overlaps. Room
that nothing stands in is closed up in each row.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, pairwise
from math import inf, sqrt

from dout.draw.paint.closing import Heights, Interval, closed_up, moved_up, taken_by
from dout.draw.paint.display_list import Box, Command, Path, Rect, Shape, Text, around, holds, line
from dout.draw.paint.style import TEXTS
from dout.draw.words.safe_text import circled

WIDEST = 1_300  # pixels: what is narrower, or higher, stays one row
PAGE = 538.0, 785.0  # points: A4 with a margin of 1 cm, upright
_EASY = 1.4  # pixels on a point: with fewer no text is read more easily
_LEGIBLE = 6.0  # points: texts on paper whose width is given
_SMALL = {"caption", "constant", "first", "wrong-inside"}  # styles of texts that may be smaller than that
_SHORTEST = 300.0  # pixels: a row
_WAYS = [1.01**i for i in range(-120, 64)]  # how long rows are, around the best if there were as much in all places
_TRIED = 12  # of these ways, the best by their rough size, are laid out; of a large picture fewer:
_QUICK = 1_000  # shapes more, one way less
_GAP = 12.0  # between rows
_TAIL = 14.0  # an edge beyond a cut, where its number stands
_NUMBER = 14.0  # the height of a number
_MARGIN = 12.0  # left of a row
_CLEAR = 1.0  # between a cut and what it must not touch
_BORDER = 24.0  # inside an open layer, beside its border
_AROUND = 7.0  # between the border of an open layer and what is in it


@dataclass
class _PageRow:
    """One row of the picture: its extent, the shapes in it, and the edges that enter or leave it."""

    left: float
    right: float
    shapes: list[Shape] = field(default_factory=list)
    marks: list[tuple[bool, Path, int]] = field(default_factory=list)
    layers: list[Rect] = field(default_factory=list)  # open ones that go on elsewhere

    def close(self, heights: Heights) -> None:
        """Move everything to its new height."""
        self.shapes = [moved_up(shape, heights) for shape in self.shapes]
        self.marks = [(leaves, moved_up(piece, heights), cut) for leaves, piece, cut in self.marks]
        self.layers = [moved_up(layer, heights) for layer in self.layers]


@dataclass(frozen=True)
class PageRows:
    """The shapes of all rows; and of each row its part of the whole, how far that is moved, and its heights."""

    shapes: list[Shape]
    parts: Sequence[tuple[Box, float, float, Heights]]

    @property
    def size(self) -> tuple[float, float]:
        """How far the shapes reach to the right, and down."""
        return around(self.shapes)[2:]

    def shrunk(self) -> float:
        """How many pixels go on a point of a page, upright or not."""
        return _shrunk(*self.size)

    def places(self, places: Mapping[int, Box]) -> dict[int, Box]:
        """The boxes of items, moved with their rows."""
        found = {}
        for place, (left, top, right, low) in places.items():
            here = (part for part in self.parts if part[0][0] <= left < part[0][2])
            _, dx, dy, heights = next(here, self.parts[-1])
            found[place] = left + dx, heights(top) + dy, right + dx, heights(low) + dy
        return found


def in_rows(shapes: Sequence[Shape], width: float, height: float, paper: float | None = None) -> PageRows:
    """The shapes of a picture in rows.

    Their numbers are as large as can be on a page, within reason, or legible on `paper` that is so many points wide.
    One row, if that is narrow enough, or as high as a page already, or cannot be cut.
    """
    limit = _longest(shapes, paper) if paper else WIDEST
    tall = not paper and width <= PAGE[1] / PAGE[0] * height
    if width <= limit or tall:
        return PageRows(list(shapes), [((0.0, 0.0, width, height), 0.0, 0.0, closed_up(()))])
    free = _free(shapes, width)
    if paper:
        lengths = [limit - 4 * _TAIL - 2 * _MARGIN]
    else:
        lengths = [sqrt(width * height) * way for way in _WAYS[:: 1 + len(shapes) // _QUICK]]
    ways = {tuple(_cuts(free, width, max(_SHORTEST, long))) for long in lengths if long < width}
    strips = _Strips(shapes, free)
    best = sorted(ways, key=lambda cuts: (max(_EASY, strips.shrunk(cuts)), len(cuts), cuts))
    found = (_stacked(_divided(shapes, cuts)) for cuts in best[: max(1, _TRIED - len(shapes) // _QUICK)])
    return min(found, key=lambda rows: (max(_EASY, rows.shrunk()), len(rows.parts)))


class _Strips:
    """The heights that are taken between the places where a picture can be cut: nearly how high rows of them are."""

    def __init__(self, shapes: Sequence[Shape], free: Sequence[tuple[float, float]]) -> None:
        self._ends = [left for left, _ in free]
        self._taken: list[list[Interval]] = [[] for _ in range(len(free) + 1)]
        for shape in shapes:
            if isinstance(shape, Path):
                for (x, y), points in _segments(shape):
                    self._take(x, points[-2], [(y, y), (points[-1], points[-1])])
            else:
                left, _, right, _ = shape.box
                self._take(left, right, taken_by(shape))

    def _take(self, left: float, right: float, heights: Sequence[Interval]) -> None:
        for strip in range(bisect_right(self._ends, left), bisect_left(self._ends, right) + 1):
            self._taken[strip] += heights

    def shrunk(self, cuts: Sequence[float]) -> float:
        """Nearly how many pixels go on a point of a page, cut like this."""
        strips = [bisect_right(self._ends, cut) for cut in cuts]
        rows = (chain.from_iterable(self._taken[first:last]) for first, last in pairwise(strips))
        high = sum(closed_up(row).height + _GAP + 2 * _AROUND for row in rows)
        return _shrunk(max(b - a for a, b in pairwise(cuts)) + 2 * (_MARGIN + _TAIL + _NUMBER), high)


def _shrunk(width: float, height: float) -> float:
    """How many pixels go on a point of a page, upright or not."""
    short, long = PAGE
    return min(max(width / short, height / long), max(width / long, height / short))


def _longest(shapes: Sequence[Shape], paper: float) -> float:
    """How many pixels of a picture may go on paper of this width."""
    sizes = [TEXTS[s.style].size for s in shapes if isinstance(s, Text) and s.style not in _SMALL]
    return paper / _LEGIBLE * min(sizes, default=TEXTS["value"].size)


def _free(shapes: Sequence[Shape], width: float) -> list[tuple[float, float]]:
    """The places, from left to right, at which nothing but level edges and open layers is."""
    things = (list(run) for _, run in groupby(shapes, lambda shape: shape.title or shape))  # a label is one thing
    taken = sorted([*(interval for thing in things for interval in _in_the_way(thing)), *_emptied(shapes)])
    found, end = [], 0.0
    for left, right in taken:
        if left - end > 2 * _CLEAR:
            found.append((end + _CLEAR, left - _CLEAR))
        end = max(end, right)
    return [*found, (width, width)]


def _emptied(shapes: Sequence[Shape]) -> Iterator[tuple[float, float]]:
    """The places behind all that is in an open layer, where a cut leaves only its border, or before the last names."""
    layers = [shape.box for shape in shapes if isinstance(shape, Rect) and shape.style == "open"]
    things = [shape for shape in shapes if not isinstance(shape, Path) and shape.style != "open"]
    yield max((s.box[2] for s in things if s.style != "result"), default=0.0), max(s.box[2] for s in things)
    solid = sorted((shape.box for shape in things), key=lambda box: box[2])
    ends = [box[2] for box in solid] if layers else []
    for layer in layers:
        last = next((box for box in reversed(solid[: bisect_right(ends, layer[2])]) if holds(layer, box)), None)
        if last is not None:
            yield last[2], layer[2]


def _in_the_way(thing: Sequence[Shape]) -> Iterator[tuple[float, float]]:
    solid = []
    for shape in thing:
        left, _, right, _ = shape.box
        if isinstance(shape, Rect) and shape.style == "open":
            yield from ((left, left + _BORDER), (right - _BORDER, right))
        elif not isinstance(shape, Path):
            solid += [left, right]
        else:
            for (x, y), points in _segments(shape):
                if any(other != y for other in points[1::2]):
                    yield min(x, *points[::2]), max(x, *points[::2])
            yield from ((left, left), (right, right))  # so that it ends on neither side of a cut
    if solid:
        yield min(solid), max(solid)


def _segments(path: Path) -> Iterator[tuple[tuple[float, float], tuple[float, ...]]]:
    """Each piece of a path: its start, and the points of its command."""
    x = y = 0.0
    for letter, points in path.commands:
        if letter != "M":
            yield (x, y), points
        x, y = points[-2:]


def _cuts(free: Sequence[tuple[float, float]], width: float, long: float) -> list[float]:
    """The ends of rows of about a given length. A row is longer only if it cannot be cut earlier."""
    cuts, starts = [0.0], [left for left, _ in free]
    while cuts[-1] < width:
        limit = cuts[-1] + long
        at = bisect_right(starts, limit) - 1
        place = min(free[at][1], limit) if at >= 0 else 0.0
        if place <= cuts[-1] + long / 4:
            place = free[at + 1][0] if at + 1 < len(free) else width
        cuts.append(width if width - place < long / 8 else place)
    return cuts


def _divided(shapes: Sequence[Shape], cut: Sequence[float]) -> list[_PageRow]:
    """Rows with their shapes; one that a cut goes through is there in pieces, an edge with a number at both ends."""
    rows = [_PageRow(*ends) for ends in pairwise(cut)]
    ends = [row.right for row in rows[:-1]]
    told = {(bisect_right(ends, shape.box[0]), shape.about) for shape in shapes if isinstance(shape, Text)}
    cuts = 0
    for shape in shapes:
        left, _, right, _ = shape.box
        first, last = bisect_right(ends, left), bisect_right(ends, right - 1e-9)
        if first >= last or not isinstance(shape, Path | Rect):
            rows[min(first, len(rows) - 1)].shapes.append(shape)
        elif isinstance(shape, Rect):
            for i in range(first, last + 1):
                rows[i].layers.append(shape)
        else:
            pieces = _pieces(shape, ends[first:last])
            for i, piece in enumerate(pieces, first):
                if i not in (first, last) and (len(shape.commands) > 2 or (i, shape.about) not in told):
                    continue  # it only passes: labels stand on straight lines alone
                rows[i].shapes.append(piece)
                if i > first:
                    rows[i].marks.append((False, piece, cuts))
                if i < last:
                    cuts += 1
                    rows[i].marks.append((True, piece, cuts))
    return rows


def _drawn(row: _PageRow) -> list[Rect]:
    """The open layers of a row, without those that only pass it around another one that does."""
    found: list[Rect] = []
    for layer in row.layers[::-1]:
        passes = layer.box[0] < row.left and layer.box[2] > row.right
        inner = found[-1].box if found else (inf, inf, -inf, -inf)
        if not (passes and holds(layer.box, inner) and all(holds(inner, s.box) for s in row.shapes)):
            found.append(layer)
    return found[::-1]


def _borders(row: _PageRow) -> list[Shape]:
    """The parts of open layers in a row, outer ones first, each no higher than what is in it there."""
    things = [shape.box for shape in row.shapes]
    found: list[Shape] = []
    for layer in row.layers[::-1]:
        left, top, right, low = layer.box
        left, right = max(left, row.left), min(right, row.right)
        held = [box for box in things if box[0] < right and left < box[2] and top <= box[1] and box[3] <= low]
        first, last = min((box[1] for box in held), default=top), max((box[3] for box in held), default=low)
        top, low = max(top, first - _AROUND), min(low, last + _AROUND)
        things.append((left, top, right, low))
        found.append(_border(replace(layer, y=top, height=low - top), row.left, row.right))
        if layer.box[0] < row.left and layer.box[2] > row.right:  # two lines hold no paper between them
            found.append(Rect(left, top, right - left, low - top, "inside", title=layer.title))
    return found[::-1]


def _pieces(path: Path, cuts: Sequence[float]) -> list[Path]:
    """A path in parts, broken where level pieces of it cross the cuts."""
    waiting = [*cuts]
    parts: list[list[Command]] = [[]]
    x = y = 0.0
    for letter, points in path.commands:
        while waiting and letter == "L" and x < waiting[0] < points[0]:
            at = waiting.pop(0), y
            parts[-1].append(("L", at))
            parts.append([("M", at)])
        parts[-1].append((letter, points))
        x, y = points[-2:]
    return [replace(path, commands=tuple(commands)) for commands in parts]


def _marked(row: _PageRow, numbers: dict[int, int]) -> Iterator[Shape]:
    """The numbers beside a row, apart from each other, each with the bit of edge that leads there.

    Edges that leave get the next `numbers`, from top to bottom.
    """
    for side in (False, True):
        low = -inf
        found = [
            (piece.commands[-1 if leaves else 0][1][-2:], piece, n) for leaves, piece, n in row.marks if leaves is side
        ]
        for (x, y), piece, cut in sorted(found, key=lambda mark: mark[0][1]):
            low = max(y, low + _NUMBER)
            way = 1 if side else -1
            bend = [(x + way * _TAIL / 4, y)] if low > y else []
            yield line((x, y), *bend, (x + way * _TAIL, low), style=piece.style, about=piece.about)
            yield Text(
                x + way * (_TAIL + 3),
                low + 4.5,
                circled(numbers.setdefault(cut, len(numbers) + 1)),
                "constant",
                "start" if side else "end",
            )


def _border(box: Rect, left: float, right: float) -> Shape:
    """The part of an open layer in a row: its border is open where the layer goes on."""
    edge, _, end, low = box.box
    if edge >= left:
        corners = ((right, box.y), (edge, box.y), (edge, low), (right, low))
    elif end <= right:
        corners = ((left, box.y), (end, box.y), (end, low), (left, low))
    else:
        corners = ((left, box.y), (right, box.y), (right, low), (left, low))
    drawn = line(*corners, style=box.style, title=box.title)
    if edge < left and end > right:  # it only passes: two lines, and no upright one
        return replace(drawn, commands=(*drawn.commands[:2], ("M", corners[2]), ("L", corners[3])))
    return drawn


def _stacked(rows: Sequence[_PageRow]) -> PageRows:
    """The rows one below the other, each as high as it is."""
    shapes: list[Shape] = []
    places = []
    down = around(shape for row in rows for shape in row.shapes)[1]
    numbers: dict[int, int] = {}
    for row in rows:
        row.layers = _drawn(row)
        heights = closed_up(interval for shape in (*row.shapes, *row.layers) for interval in taken_by(shape))
        row.close(heights)
        row.shapes[:0] = _borders(row)
        row.shapes += _marked(row, numbers)
        left, top, _, low = around(row.shapes)
        dx, dy = _MARGIN - left, down - top
        shapes += [shape.moved(dx, dy) for shape in row.shapes]
        places.append(((row.left, top, row.right, low), dx, dy, heights))
        down += low - top + _GAP
    return PageRows(shapes, places)
