"""Scene → display list: from left to right, in rows where that is too wide for a page; or from top to bottom."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from dout.draw.layout.arrangement import arrange
from dout.draw.paint.display_list import Drawing, Text, width_of
from dout.draw.paint.downward import DownPainter, DownSizes
from dout.draw.paint.paint import Painter, PaintSizes
from dout.draw.paint.rows import in_rows
from dout.draw.scene.scene import Scene
from dout.draw.view_options import Look
from dout.draw.words.safe_text import shorten

MARGIN = 12.0
_NOTE = 160  # columns of a line below the picture


def paint(scene: Scene, look: Look = Look()) -> Drawing:
    """Return the display list of a scene."""
    downward = look.direction == "down"
    sizes = DownSizes() if downward else PaintSizes()
    arranged = arrange(scene.level, sizes)
    painter = (DownPainter if downward else Painter)(sizes)
    shapes = painter.level(arranged, MARGIN, MARGIN, 0)
    width, height = (length + 2 * MARGIN for length in painter.at(arranged.layout.width, arranged.layout.height))
    rows = in_rows(shapes, width, height, look.width and look.width / 25.4 * 72)
    shapes = rows.shapes
    if len(rows.parts) > 1:
        width, height = (length + MARGIN for length in rows.size)
    if not scene.level.items:
        shapes.append(Text(MARGIN, MARGIN + 14, scene.nothing, "note"))
        width, height = 400.0, 2 * MARGIN + 20
    for note, style in [*scene.notes, *([(look.note, "note")] if look.note else [])]:
        note = shorten(note, _NOTE)
        shapes.append(Text(MARGIN, height + 4, note, style))
        width = max(width, width_of(note, style) + 2 * MARGIN)
        height += 18
    height += 4 if scene.notes or look.note else 0
    if not look.hover:
        shapes = [replace(shape, title="") for shape in shapes]
    description = "; ".join(item.hover.partition("\n")[0] for item in scene.level.everything() if item.hover)
    title = f"computational graph of {scene.title}"
    return Drawing(ceil(width), ceil(height), tuple(shapes), title, description[:20_000], rows.places(painter.places))
