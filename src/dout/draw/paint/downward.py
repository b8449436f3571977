"""A picture from top to bottom: the same layout, turned. Values stand left of their edge, gradients right, with ▴.

Along the flow a thing is as long as it is high; apart from its neighbours it reaches left ("up") and right ("down").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, sqrt

from dout.draw.layout.arrangement import Arranged, spread
from dout.draw.layout.layout import Bend, Block, Spacing
from dout.draw.paint.display_list import Rect, Shape, Text, around, line, moved, width_of
from dout.draw.paint.edge_labels import Composed, compose
from dout.draw.paint.paint import FOOT, HEADER, PAD, RADIUS, RIM, ItemBody, Painter, PaintSizes, title_width
from dout.draw.scene.scene import Item, Label, Stem

_SIDE = 6.0  # between an edge and its labels, and between a label and the ends of its run
_RUN, _SHORT = 34.0, 18.0  # the shortest straight run, with a label and without
_NAME = 18.0  # height of a name at the end of an edge
_LINE = 14.0  # from an operator to its constants


def _gap(bends: Sequence[Bend]) -> float:
    """A gap that is higher where edges go far aside."""
    return 22.0 + min(26.0, max((abs(a - b) for a, b in bends), default=0.0) * 0.1)


class DownSizes(PaintSizes):
    """The sizes of items and labels of a picture from top to bottom."""

    spacing = Spacing(between=12, gap=_gap)

    def label(self, label: Label) -> Composed:
        """The shapes of a label, made once: how long it is along its edge, and how far it reaches left and right."""
        if id(label) not in self._composed:
            value, gradient = compose(replace(label, gradient=None)), compose(replace(label, value=None))
            shapes = (*_beside(value.shapes, -1), *_beside(gradient.shapes, 1))
            left, top, right, low = around(shapes)
            self._composed[id(label)] = Composed(shapes, 2 * max(low, -top), 2 - left, right + 2)
        return self._composed[id(label)]

    def body(self, item: Item, inside: Arranged | None) -> DownBody:
        """The solid part of an item."""
        made = DownBody(item, inside)
        if item.kind in ("operator", "layer"):  # as wide as the edges at it are apart
            outs = spread([self.extent(stem) for stem in item.stems], self.apart, whole=False)
            made.half = max(made.half, *(abs(port) + RIM for port in (0.0, *made.ins, *outs)))
        return made

    def extent(self, stem: Stem) -> tuple[float, float]:
        """The reach of a stem left and right, with its label and its name."""
        half = width_of(stem.name, "result") / 2 if stem.name else 0.0
        left, right = self.reach(stem.label)
        return max(left, half), max(right, half)

    def run(self, stem: Stem) -> float:
        """The straight line of a stem."""
        return max(_RUN, self.label(stem.label).width + 2 * _SIDE) if stem.label else _SHORT

    def tail(self, stem: Stem) -> float:
        """The name at the end of a result."""
        return _NAME + 4 if stem.name else 0.0


def _beside(shapes: Sequence[Shape], side: int) -> list[Shape]:
    """Shapes left (-1) or right (1) of an upright edge, halfway up."""
    left, top, right, low = around(shapes)
    dx, dy = -_SIDE - right if side < 0 else _SIDE - left, -(top + low) / 2
    turned = (replace(s, text=s.text.replace("◂", "▴")) if isinstance(s, Text) else s for s in shapes)
    return moved(turned, dx, dy)


class DownBody(ItemBody):
    """The solid part of an item: `lead` is its height, `half` half its width, `foot` the room right of it."""

    def __init__(self, item: Item, inside: Arranged | None) -> None:
        super().__init__(item, inside)
        self.flat = ItemBody(item, None)
        self.caption_width = self.shift = 0.0
        words = (width_of(self.constants, "constant") + _LINE, width_of(item.caption, "caption") + 6)
        self.beside = 0.0 if item.kind in ("open", "input") else max(words)
        if inside is not None:
            self.lead = inside.layout.width + HEADER + FOOT
            gates = [inside.layout.y[gate] for gate in inside.gates("entry")]
            clear = max(0.0, title_width(item) - PAD - min(gates, default=inf))  # edges go past the words
            self.half = max(inside.layout.height + 2 * PAD + clear, title_width(item)) / 2
            self.shift = clear / 2
        elif item.kind == "input":
            self.lead, self.half = (_NAME, width_of(item.text, "name") / 2) if item.text else (0.0, 9.0)
        elif item.kind in ("operator", "layer"):
            self.lead = 2 * (RADIUS if item.kind == "operator" else 24.0 + 8.0 * len(self.marks))
            self.half = self.flat.width / 2
        else:
            self.lead, self.half = 0.0, 3.0
        self.width = self.lead

    @property
    def foot(self) -> float:
        """The room for caption and constants, right of it."""
        return self.beside if self.beside > 6 + _LINE or self.constants or self.item.caption else 0.0

    def reach(self, y: float) -> float:
        """The distance from the upper end to the outline, so far from the middle."""
        if self.item.kind != "operator":
            return 0.0
        into_corner = max(0.0, abs(y) - (self.half - RADIUS))
        return RADIUS - sqrt(max(0.0, RADIUS**2 - into_corner**2))


class DownPainter(Painter):
    """Draws levels from top to bottom: along x of the layout goes down."""

    before = HEADER

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the layout is."""
        return y, x

    def result(self, stem: Stem, x: float, y: float) -> Text:
        """The name below the end of a result."""
        return Text(y, x + _NAME, stem.name, "result", "middle", stem.label.hover, about=stem.label.node)

    def body(self, body: ItemBody, x: float, y: float, block: Block) -> list[Shape]:
        """The shapes of an item that is not open, with its caption and its constants right of it."""
        assert isinstance(body, DownBody)
        item, flat = body.item, body.flat
        if item.kind == "input":
            label = item.stems[0].label if item.stems else Label()
            style = "kept-name" if item.stems and item.stems[0].kept else "name"
            named = Text(y, x + body.lead - 5, item.text, style, "middle", label.hover, about=label.node)
            return [named] if item.text else []
        if item.kind not in ("operator", "layer"):
            return []
        flat.half, flat.width, flat.lead = body.lead / 2, 2 * body.half, 2 * body.half
        flat.is_circle = item.kind == "operator" and 2 * body.half == 2 * RADIUS
        flat.constants, flat.caption_width = "", 0.0
        middle = x + body.lead / 2
        shapes = super().body(flat, y - body.half, middle, block)
        side = y + body.half
        if body.constants:
            shapes.append(line((side, middle), (side + _LINE - 4, middle), style="quiet"))
            shapes.append(Text(side + _LINE, middle + 4, body.constants, "constant"))
        if item.caption:
            shapes.append(Text(side + 6, x + 9, item.caption, "caption"))  # below all bends, above constants
        return shapes

    def opened(self, body: ItemBody, x: float, y: float) -> list[Shape]:
        """The box of an open layer, with its inside."""
        assert body.inside is not None
        item, left, wide = body.item, y - body.half, 2 * body.half
        shapes: list[Shape] = [
            Rect(left, x, wide, body.lead, "open", 12, item.hover),
            Text(left + 16, x + 21, f"▾ {item.text}", "title", title=item.hover),
        ]
        if item.caption:
            shapes.append(Text(left + 28 + width_of(f"▾ {item.text}", "title"), x + 20, item.caption, "caption"))
        assert isinstance(body, DownBody)
        across = y - body.inside.layout.height / 2 + body.shift
        return shapes + self.level(body.inside, x + HEADER, across, x + body.lead)
