"""The label of an edge as shapes around the origin: the value above the line y = 0, the gradient below."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from dout.draw.paint.display_list import Command, Path, Rect, Shape, Text, around, line, moved, since, width_of
from dout.draw.scene.scene import Label, Mark
from dout.draw.words.readable_numbers import Shown

CELL = 14.0  # height of a cell
ABOVE, BELOW = 8.0, 17.0  # baselines of the texts next to the line
_HATCH = 8.0  # between the lines of what is switched off
_CLEAR = 5.0  # between the line and what is not text
_BARS, _BAR_HEIGHT = 42.0, 22.0
_BEFORE = 30.0  # longer words do not stand before an array of several rows, but above it,
_WORDS = 14.0  # so high
POINTER = "▲ first wrong edge"


@dataclass(frozen=True)
class Composed:
    """Shapes centred on x = 0, and the room they take."""

    shapes: tuple[Shape, ...]
    width: float
    up: float
    down: float


def compose(label: Label) -> Composed:
    """Return the shapes of a label."""
    shapes: list[Shape] = []
    if label.value is not None:
        shapes += [since(s, label.value_since, label.node) for s in _value(label.value, label.hover)]
    if label.gradient is not None:
        marked = _gradient(label.gradient, label.hover)
        if label.gradient.along:
            marked = moved(marked, 0, -2 - around(marked)[3])
        shapes += [since(s, label.gradient_since, label.node) for s in marked]
    left, top, right, low = around(shapes)
    return Composed(tuple(shapes), 2 * max(right, -left), 2 - top, low + 2)


def _value(shown: Shown, title: str) -> list[Shape]:
    if shown.kind == "number":
        return [Text(0, -ABOVE, shown.text, "loud" if shown.loud else "value", "middle", title)]
    if shown.kind == "cells":
        shapes = cells(shown, "cell", title)
        return moved(shapes, 0, -_CLEAR - len(shown.cells) * CELL)
    shapes, height = _summary(shown, "", "", title)
    return moved(shapes, 0, -height - 2)


def _gradient(mark: Mark, title: str) -> list[Shape]:
    if mark.shown.kind == "number" and (mark.right is None or mark.right.kind == "number"):
        shapes, bottom = _gradient_number(mark, title)
    else:
        shapes, bottom = _gradient_array(mark, title)
    if mark.first:
        shapes.append(Text(0, bottom + 13, POINTER, "first", "middle"))
    return shapes


def _gradient_number(mark: Mark, title: str) -> tuple[list[Shape], float]:
    sums = f"{mark.sums} " if mark.sums else ""
    way = mark.way
    if mark.right is not None:
        text, style = f"{way}✗ {mark.shown.text} (right: {sums}{mark.right.text})", "wrong"
    else:
        text, style = f"{way}{sums}{mark.shown.text}", "loud" if mark.shown.loud else mark.style
    return [Text(0, BELOW, text, style, "middle", title)], BELOW + 4


def _gradient_array(mark: Mark, title: str) -> tuple[list[Shape], float]:
    """An array's gradient: the user's, and if that is wrong the right one below it."""
    sums = f"{mark.sums} " if mark.sums else ""
    lead = mark.way + ("✗ " if mark.wrong else sums)
    other = mark.right.cells if mark.right is not None else ()
    shapes, bottom = _block(mark.shown, lead, mark.style, _CLEAR, title, other)
    if mark.right is not None:
        right, bottom = _block(mark.right, f"right: {sums}", "gradient", bottom + 5, title)
        shapes += right
    return shapes, bottom


def _block(
    shown: Shown, lead: str, style: str, top: float, title: str, other: tuple[tuple[str, ...], ...] = ()
) -> tuple[list[Shape], float]:
    """An array below the line with a few words before it; return its lower end too."""
    if shown.kind == "summary":
        shapes, height = _summary(shown, lead, style, title)
        return moved(shapes, 0, top), top + height
    if shown.kind == "number":
        return [Text(0, top + 12, lead + shown.text, style, "middle", title)], top + 16
    kind = {"derived": "derived-cell", "wrong": "gradient-cell"}.get(style, "gradient-cell")
    grid = cells(shown, kind, title, other)
    left, words = around(grid)[0], lead.rstrip()
    if len(shown.cells) > 1 and width_of(words, style) > _BEFORE:
        shapes = [Text(left, top + 11, words, style, "start", title), *moved(grid, 0, top + _WORDS)]
        return shapes, top + _WORDS + len(shown.cells) * CELL
    room = width_of(lead, style) + 2
    middle = top + len(shown.cells) * CELL / 2
    shapes = [*moved(grid, room / 2, top), Text(left + room / 2 - 2, middle + 4.5, words, style, "end", title)]
    return shapes, top + len(shown.cells) * CELL


def cells(shown: Shown, style: str, title: str, other: tuple[tuple[str, ...], ...] = ()) -> list[Shape]:
    """A small array whole, centred below y = 0.

    Zeros are shaded, what is switched off is hatched too; what differs from `other` is marked as wrong. A mask is seen
    as a mask: what is True has a tick.
    """
    rows = shown.cells
    bold = "wrong-cell" if other else style
    wides = [max(22.0, *(width_of(text, bold) + 5 for text in column)) for column in zip(*rows, strict=True)]
    wides = [22.0] * len(wides) if shown.mask else wides
    lefts = [*accumulate(wides, initial=-sum(wides) / 2)]
    boxes: list[Shape] = []
    texts: list[Shape] = []
    for i, row in enumerate(rows):
        for j, text in enumerate(row):
            loud = text in ("NaN", "∞", "−∞")
            differs = bool(other) and (i >= len(other) or j >= len(other[i]) or other[i][j] != text)
            faint = bool(shown.faint) and shown.faint[i][j]
            off = bool(shown.off) and shown.off[i][j]
            box = "cell-wrong" if differs else "cell-zero" if faint or off else "cell-box"
            left, wide = lefts[j], wides[j]
            place = Rect(left, i * CELL, wide, CELL, box, title=title)
            if shown.mask:
                boxes += [place] if faint else [replace(place, style="cell-on"), _tick(place)]
                continue
            boxes += [place, _hatch(place)] if off and not differs else [place]
            kind = "wrong-cell" if differs or loud else style
            texts.append(Text(left + wide / 2, i * CELL + CELL - 3.0, text, kind, "middle", title))
    return boxes + texts


def _tick(cell: Rect) -> Shape:
    x, y = cell.x + cell.width / 2, cell.y + cell.height / 2
    return line((x - 4.5, y + 0.5), (x - 1.5, y + 3.5), (x + 4.5, y - 3.5), style="tick", title=cell.title)


def _hatch(cell: Rect) -> Shape:
    """Lines that rise at 45 degrees from the lower or left edge of a cell to its upper or right edge."""
    wide, high = cell.width, cell.height
    commands: list[Command] = []
    at = _HATCH / 2 - high
    while at < wide:
        start, end = max(at, 0.0), min(at + high, wide)
        for letter, x in (("M", start), ("L", end)):
            commands.append((letter, (cell.x + x, cell.y + high - (x - at))))
        at += _HATCH
    return Path(tuple(commands), "hatch", cell.title)


def _summary(shown: Shown, lead: str, style: str, title: str) -> tuple[list[Shape], float]:
    """A large array below y = 0: shape and dtype, mean and range, histogram; NaN and infinities first."""
    head, body = ("gradient-head", "gradient-line") if style else ("head", "line")
    head, body = ("wrong", "gradient-line") if style == "wrong" else (head, body)
    lines = [(lead + shown.head, head)] + ([(shown.line, body)] if shown.line else [])
    if shown.note:
        lines.append((shown.note, body))
    if shown.loud:
        lines.insert(0, (shown.loud, "loud"))
    room = max(width_of(text, kind) for text, kind in lines)
    total = room + (10 + _BARS if shown.bars else 0)
    shapes: list[Shape] = [
        Text(-total / 2, 15 * i + 12, text, kind, "start", title) for i, (text, kind) in enumerate(lines)
    ]
    height = 15.0 * len(lines) + 3
    wide = _BARS / max(1, len(shown.bars))
    for i, share in enumerate(shown.bars):
        tall = max(1.0, _BAR_HEIGHT * share)
        x = -total / 2 + room + 10 + i * wide
        kind = "gradient-bar" if style else "bar"
        shapes.append(Rect(x, height - 3 - tall, wide - 1, tall, kind, title=title))
    return shapes, height
