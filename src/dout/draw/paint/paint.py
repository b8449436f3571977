"""The sizes of things, and the shapes they are drawn with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from math import sqrt

from dout.draw.layout.arrangement import Arranged, Measure, reach_above, spread
from dout.draw.layout.layout import Block, Route, Spacing
from dout.draw.paint.display_list import Box, Circle, Command, Path, Rect, Shape, Text, line, moved, width_of
from dout.draw.paint.edge_labels import POINTER, Composed, compose
from dout.draw.scene.scene import Edge, Item, Label, Level, Stem

RADIUS = 17.0
RIM = 8.0  # from an edge to the end of the side that it leaves
_RUN = 40.0  # shortest straight run with a label
_SHORT = 22.0  # and without
_SIDE = 4.0  # between a label and the ends of its run
PAD, HEADER, FOOT = 14.0, 28.0, 12.0  # inside the box of an open layer
_MARK = 16.0  # from line to line in a closed layer
_CONSTANT = 17.0  # from a circle to the baseline of the constants below it,
_LINE = 13.0  # and on to the next line of these
_LONG = 80.0  # of such a line, where it can be cut


class PaintSizes(Measure):
    """The sizes of items and labels, in pixels."""

    spacing = Spacing(between=8)
    apart, gate, bare = 6, 3, 0

    def __init__(self) -> None:
        self._composed: dict[int, Composed] = {}

    def label(self, label: Label) -> Composed:
        """The shapes of a label, made once."""
        if id(label) not in self._composed:
            self._composed[id(label)] = compose(label)
        return self._composed[id(label)]

    def body(self, item: Item, inside: Arranged | None) -> ItemBody:
        """The solid part of an item, as high as the edges that leave it are apart."""
        made = ItemBody(item, inside)
        if inside is None and len(item.stems) > 1:
            outs = spread([self.extent(stem) for stem in item.stems], self.apart, self.spacing.whole)
            made.half = max(made.half, outs[-1] + RIM)
        return made

    def reach(self, label: Label) -> tuple[float, float]:
        """The reach of a label up and down; up is below 0 if there is only a gradient."""
        composed = self.label(label)
        return composed.up, composed.down

    def extent(self, stem: Stem) -> tuple[float, float]:
        """The reach of a stem up and down, with its label and its name."""
        up, down = self.reach(stem.label)
        return max(up, 8.0 if stem.name else 0.0), max(down, 10.0 if stem.name else 0.0)

    def run(self, stem: Stem) -> float:
        """The straight line of a stem."""
        composed = self.label(stem.label)
        return max(_RUN, composed.width + 2 * _SIDE) if stem.label else _SHORT if stem.end != "result" else _RUN

    def tail(self, stem: Stem) -> float:
        """The name at the end of a result."""
        return width_of(stem.name, "result") + 10 if stem.name else 0.0


class ItemBody:
    """The solid part of an item, around its own origin: left end at x = 0, middle at y = 0."""

    def __init__(self, item: Item, inside: Arranged | None) -> None:
        self.item = item
        self.inside = inside
        self.is_circle = item.kind == "operator" and max(item.ports, len(item.stems)) <= 3
        self.caption_width = width_of(item.caption, "caption") if item.caption and item.kind != "open" else 0.0

    @cached_property
    def constants(self) -> str:
        """The constants below it, in one line."""
        return ", ".join(self.item.constants[:4]) + (" …" if len(self.item.constants) > 4 else "")

    @cached_property
    def constant_lines(self) -> list[str]:
        """The constants below it, in lines that are short where they can be."""
        lines: list[str] = []
        for part in self.constants.split(", ") if self.constants and self.item.kind != "open" else ():
            if lines and width_of(f"{lines[-1]}, {part}", "constant") < _LONG:
                lines[-1] += f", {part}"
            else:
                lines.append(part)
        return [*(f"{each}," for each in lines[:-1]), *lines[-1:]]

    @cached_property
    def width(self) -> float:
        """Of the circle or box alone."""
        if self.item.kind == "operator":
            return max(2 * RADIUS, width_of(self.item.text, "word") + 16 if len(self.item.text) > 3 else 0)
        if self.item.kind == "layer":
            return max(72.0, width_of(self.item.text, "title") + 44, *(width_of(*mark) + 28 for mark in self.marks))
        if self.inside is not None:
            return max(self.inside.layout.width + 2 * PAD, title_width(self.item))
        return 0.0

    @cached_property
    def lead(self) -> float:
        """With what stands below it, or with the name of an input."""
        if self.item.kind == "input":
            return width_of(self.item.text, "name") + 9 if self.item.text else 0.0
        return max(self.width, *(width_of(each, "constant") + 4 for each in self.constant_lines), 0.0)

    @cached_property
    def marks(self) -> tuple[tuple[str, str], ...]:
        """The lines of a closed layer about wrong gradients inside, each with its style."""
        if self.item.kind != "layer" or not self.item.wrong:
            return ()
        return ((self.item.wrong, "wrong-inside"), (POINTER, "wrong-inside"))[: 1 + self.item.first]

    @cached_property
    def half(self) -> float:
        """Half the height of the circle or box."""
        if self.inside is not None:
            return (self.inside.layout.height + HEADER + FOOT) / 2
        many = max(self.item.ports, len(self.item.stems))
        if self.item.kind == "operator":
            return RADIUS if self.is_circle else max(RADIUS, many * 7 + 4.0)
        if self.item.kind == "layer":
            return max(24.0 + len(self.marks) * _MARK / 2, many * 11 + 6.0)
        return 9.0 if self.item.kind == "input" else 3.0

    @property
    def foot(self) -> float:
        """The room for constants below it."""
        return _CONSTANT + 4 + _LINE * (len(self.constant_lines) - 1) if self.constant_lines else 0.0

    def caption_room(self, above: float, up: float) -> float:
        """The extra height for the caption, which stands above circle and label."""
        return max(0.0, self.caption_base(above) + 11 - up) if self.caption_width else 0.0

    def caption_base(self, above: float) -> float:
        """The height of the caption's baseline above the middle."""
        return max(self.half, above if self.caption_width > self.lead else 0.0) + 6

    @cached_property
    def ins(self) -> tuple[float, ...]:
        """Heights of the in-ports."""
        if self.inside is not None:
            return tuple(self._gate(i) for i in self.inside.gates("entry"))
        n = self.item.ports
        step = {2: 20.0, 3: 13.0}.get(n, 14.0) if self.item.kind == "operator" else 22.0
        return tuple((i - (n - 1) / 2) * step for i in range(n))

    @cached_property
    def outs(self) -> tuple[float, ...]:
        """Heights of the out-ports, where the inside decides them."""
        return tuple(self._gate(i) for i in self.inside.gates("exit")) if self.inside is not None else ()

    def _gate(self, gate: int) -> float:
        assert self.inside is not None
        return self.inside.layout.y[gate] + HEADER - self.half

    def reach(self, y: float) -> float:
        """The distance from the left end to the outline at this height."""
        left = (self.lead - self.width) / 2
        if self.item.kind != "operator":
            return left
        into_corner = max(0.0, abs(y) - (self.half - RADIUS))
        return left + RADIUS - sqrt(max(0.0, RADIUS**2 - into_corner**2))


class Painter:
    """Draws levels whose layout is known; `places` grows into where each step of the run stands.

    A layout runs along x, with its blocks apart along y; `at` says where such a point is in the picture.
    """

    before = PAD  # from the border of an open layer to its first column

    def __init__(self, sizes: PaintSizes) -> None:
        self.sizes = sizes
        self.places: dict[int, Box] = {}

    def level(self, arranged: Arranged, dx: float, dy: float, right: float) -> list[Shape]:
        """The shapes of a level whose layout has its origin at dx, dy: boxes, then edges, then all that is on them.

        What leaves the level goes on to `right`.
        """
        boxes: list[Shape] = []
        edges: list[Shape] = []
        tops: list[Shape] = []
        bodies = [self.sizes.body(item, arranged.inside.get(i)) for i, item in enumerate(arranged.level.items)]
        for i, item in enumerate(arranged.level.items):
            x, y = arranged.layout.x[i] + dx, arranged.layout.y[i] + dy
            start, end = (at + dx for at in arranged.layout.run[i])
            if bodies[i].inside is not None:
                boxes += self.opened(bodies[i], x, y)
            else:
                tops += self.body(bodies[i], x, y, arranged.blocks[i])
            for stem, out in zip(item.stems, arranged.blocks[i].outs, strict=True):
                left = start - self.before if item.kind == "entry" else start - (bodies[i].lead - bodies[i].width) / 2
                left = left if item.kind != "input" else start
                edges_here, tops_here = self._stem(stem, left, start, end, y + out)
                edges += edges_here
                tops += tops_here
            if item.kind == "exit":
                arriving = next(edge for edge in arranged.level.edges if edge.target == i)
                edges.append(line(self.at(x, y), self.at(right, y), style=edge_style(arriving)))
        edges += self._links(arranged, bodies, dx, dy)
        for edge, block in arranged.branches.items():
            start, end = (at + dx for at in arranged.layout.run[block])
            y = arranged.layout.y[block] + dy
            if start < end:
                style = edge_style(arranged.level.edges[edge])
                edges.append(line(self.at(start, y), self.at(end, y), style=style))
            label = self.sizes.label(arranged.level.edges[edge].label)
            tops += moved(label.shapes, *self.at((start + end) / 2, y))
        return boxes + edges + tops

    def _stem(self, stem: Stem, left: float, start: float, end: float, y: float) -> tuple[list[Shape], list[Shape]]:
        tops: list[Shape] = []
        if stem.end == "result":
            end = start + self.sizes.run(stem)
            if stem.name:
                tops.append(self.result(stem, end, y))
        tops += moved(self.sizes.label(stem.label).shapes, *self.at((start + end) / 2, y))
        if stem.end == "dot":  # after its label, which is one thing with the name before it
            tops.append(Circle(*self.at(end, y), 4, "dot"))
        return [line(self.at(left, y), self.at(end, y), style=edge_style(stem), about=stem.label.node)], tops

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the layout is."""
        return x, y

    def result(self, stem: Stem, x: float, y: float) -> Text:
        """The name at the end of a result."""
        return Text(x + 10, y + 5, stem.name, "result", title=stem.label.hover, about=stem.label.node)

    def _links(self, arranged: Arranged, bodies: list[ItemBody], dx: float, dy: float) -> list[Shape]:
        edges = link_edges(arranged.level, arranged.branches)
        shapes: list[Shape] = []
        for i, (link, route) in enumerate(zip(arranged.links, arranged.layout.routes, strict=True)):
            inset = 0.0
            if link.target < len(bodies):
                inset = bodies[link.target].reach(arranged.blocks[link.target].ins[link.port])
            carried = arranged.level.items[edges[i].source].stems[edges[i].stem].label.node
            curve = _curve(arranged, route, inset, dx, dy)
            placed = tuple((letter, self._points(points)) for letter, points in curve)
            shapes.append(Path(placed, edge_style(edges[i]), about=carried))
        return shapes

    def _points(self, points: Sequence[float]) -> tuple[float, ...]:
        return tuple(n for x, y in zip(points[::2], points[1::2], strict=True) for n in self.at(x, y))

    def body(self, body: ItemBody, x: float, y: float, block: Block) -> list[Shape]:
        """The shapes of an item that is not open, with its caption and its constants."""
        item = body.item
        middle = x + body.lead / 2
        left, high = middle - body.width / 2, 2 * body.half
        shapes: list[Shape] = []
        if item.place:
            self.places[item.place] = left, y - body.half, middle + body.width / 2, y + body.half
        if item.kind == "operator":
            style = "symbol" if len(item.text) < 3 else "word"
            if body.is_circle and body.width == 2 * RADIUS:
                shapes.append(Circle(middle, y, RADIUS, "operator", item.hover))
            else:
                shapes.append(Rect(left, y - body.half, body.width, high, "operator", RADIUS, item.hover))
            shapes.append(Text(middle, y + (6 if style == "symbol" else 4.5), item.text, style, "middle", item.hover))
        elif item.kind == "layer":
            shapes.append(Rect(left, y - body.half, body.width, high, "layer", 9, item.hover))
            shapes.append(Rect(left + 4, y - body.half + 4, body.width - 8, high - 8, "layer-inner", 6, item.hover))
            lines = ((f"{item.text} ▸", "title"), *body.marks)
            for i, (text, style) in enumerate(lines):
                base = y + 5 + (i - (len(lines) - 1) / 2) * _MARK
                shapes.append(Text(middle, base, text, style, "middle", item.hover))
        elif item.kind == "input" and item.text:
            label, kept = (item.stems[0].label, item.stems[0].kept) if item.stems else (Label(), False)
            style = "kept-name" if kept else "name"
            shapes.append(Text(x + body.lead - 9, y + 5, item.text, style, "end", label.hover, about=label.node))
        foot = y + body.half
        if body.constant_lines:
            shapes.append(line((middle, foot), (middle, foot + _CONSTANT - 12), style="quiet"))
        for i, words in enumerate(body.constant_lines):
            shapes.append(Text(middle, foot + _CONSTANT + i * _LINE, words, "constant", "middle"))
        if body.caption_width:
            above = reach_above([self.sizes.extent(stem) for stem in item.stems], block.outs)
            place, anchor = (middle, "middle") if body.caption_width <= body.lead else (x, "start")
            base = y - body.caption_base(above)
            shapes.append(Text(place, base, item.caption, "caption", anchor))  # type: ignore[arg-type]
        return shapes

    def opened(self, body: ItemBody, x: float, y: float) -> list[Shape]:
        """The box of an open layer, with its inside."""
        assert body.inside is not None
        item, top = body.item, y - body.half
        shapes: list[Shape] = [
            Rect(x, top, body.width, 2 * body.half, "open", 12, item.hover),
            Text(x + 16, top + 21, f"▾ {item.text}", "title", title=item.hover),
        ]
        if item.caption:
            shapes.append(Text(x + body.width - 14, top + 20, item.caption, "caption", "end"))
        return shapes + self.level(body.inside, x + PAD, top + HEADER, x + body.width)


def edge_style(carrier: Stem | Edge) -> str:
    """The line of an edge: thick if it carries an array, dashed if it carries a residual."""
    return ("kept-" if carrier.kept else "") + ("thick" if carrier.thick else "edge")


def link_edges(level: Level, branches: Collection[int]) -> list[Edge]:
    """The edge of each link of a level: one with a lane of its own has two, to its lane and from there."""
    return [edge for i, edge in enumerate(level.edges) for _ in range(2 if i in branches else 1)]


def title_width(item: Item) -> float:
    """The width that an open layer needs for its words."""
    return width_of(item.text, "title") + width_of(item.caption, "caption") + 60


def _curve(arranged: Arranged, route: Route, inset: float, dx: float, dy: float) -> list[Command]:
    """An edge: level in each column, an S in each gap between columns."""
    columns = arranged.layout.columns
    right, y = columns[route.first][1] + dx, route.lines[0] + dy
    commands: list[Command] = [("M", (right, y))]
    for i, height in enumerate(route.lines[1:], route.first + 1):
        left, lower = columns[i][0] + dx, height + dy
        if abs(lower - y) < 0.01:
            commands.append(("L", (left, lower)))
        else:
            middle = (right + left) / 2
            commands.append(("C", (middle, y, middle, lower, left, lower)))
        right, y = columns[i][1] + dx, lower
        if i < route.first + len(route.lines) - 1:
            commands.append(("L", (right, y)))
        elif inset:
            commands.append(("L", (left + inset, y)))
    return commands
