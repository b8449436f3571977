"""Scene → lines of characters: values above the edges, gradients below; in bands where that is too wide, or a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dout.draw.layout.arrangement import Arranged, arrange
from dout.draw.layout.layout import Block
from dout.draw.scene.scene import Label, Scene, Stem
from dout.draw.terminal.bands import bands
from dout.draw.terminal.bend_tracks import STEP, tracks
from dout.draw.terminal.character_grid import EAST, WEST, Grid, Line
from dout.draw.terminal.narrow_table import table
from dout.draw.terminal.terminal_sizes import PAD, Box, TerminalSizes
from dout.draw.words.safe_text import columns, shorten

if TYPE_CHECKING:
    from dout.draw.paint.pictured import Pictured

# The longest name of a layer, and the room beside a label: tried in turn until the picture fits.
_TRIES = ((24, 2), (24, 1), (24, 0), (20, 1), (16, 2), (12, 2), (16, 0), (10, 0), (0, 0))
_FOLDED = (0, 5, 8)  # those of them that are cut into bands where none fits: the one with the fewest bands is taken
_FEW = 2  # bands: rather than more of them one whole picture
_NARROW = (20, 16, 14, 12)  # in which labels are no wider than that
_MOST_ITEMS = 400  # more is not looked at as a picture in a terminal

_COLOURS = {
    "value": "bold cyan",
    "gradient": "yellow",
    "derived": "italic yellow",
    "wrong": "bold red",
    "wrong-note": "bold red",
    "loud": "bold red",
    "caption": "dim",
    "constant": "dim",
    "note": "dim",
    "border": "dim",
    "title": "bold",
    "result": "bold",
}


def render(scene: Scene, *, width: int = 80, color: bool = False, unicode: bool = True) -> str:
    """Return a scene as text, no line longer than `width` columns, each ended by a newline."""
    lines = _picture(scene, width, unicode) or table(scene, width, TerminalSizes(unicode).say)
    say = TerminalSizes(unicode).say
    if scene.notes:
        lines.append([])
        lines += [[(say(piece), style)] for text, style in scene.notes for piece in folded(say(text), width)]
    return "".join(_coloured(line, color) + "\n" for line in lines)


def write(picture: Pictured) -> bytes:
    """A picture as text, 80 columns wide, and a line that says whose it is."""
    return f"{render(picture.scene)}\ndrawn by dout\n".encode()


def folded(text: str, width: int) -> list[str]:
    """Break a text at blanks into lines of at most `width` columns, those after the first indented."""
    lines, line = [], ""
    for word in text.split(" "):
        word = shorten(word, max(1, width - 2))
        if line.strip() and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line = "  " + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _picture(scene: Scene, width: int, unicode: bool) -> list[Line]:
    """The picture, whole or in bands, or nothing where even a band does not fit."""
    if not scene.level.items or sum(1 for _ in scene.level.everything()) > _MOST_ITEMS:
        return []
    wide = []
    for limit, room in _TRIES:
        sizes = TerminalSizes(unicode, limit, room)
        arranged = arrange(scene.level, sizes)
        if arranged.layout.width <= width:
            return picture_on_grid(sizes, arranged, unicode).lines()
        wide.append((sizes, arranged))
    folds = (bands(picture_on_grid(*wide[i], unicode), width, unicode=unicode) for i in _FOLDED)
    best = min((fold for fold in folds if fold), key=len, default=[])
    if len(best) > _FEW and (whole := _narrowed(scene, width, unicode)):
        return [*whole, [], [(f"arrays are cut (…); {int(wide[-1][1].layout.width)} columns show all of them", "note")]]
    return [line for i, band in enumerate(best) for line in ([[], *band] if i else band)]


def _narrowed(scene: Scene, width: int, unicode: bool) -> list[Line]:
    """The whole picture with narrow labels, or nothing where it is too wide even so."""
    for widest in _NARROW:
        sizes = TerminalSizes(unicode, 16, 0, widest)
        arranged = arrange(scene.level, sizes)
        if arranged.layout.width <= width:
            return picture_on_grid(sizes, arranged, unicode).lines()
    return []


def picture_on_grid(sizes: TerminalSizes, arranged: Arranged, unicode: bool = True) -> Grid:
    """The whole picture, however wide it is."""
    grid = Grid(int(arranged.layout.width), int(arranged.layout.height) + 1, unicode=unicode)
    _Drawing(sizes, grid).level(arranged, 0, 0, 0)
    return grid


def _coloured(line: Line, color: bool) -> str:
    if not color:
        return "".join(text for text, _ in line)
    from rich.color import ColorSystem
    from rich.style import Style

    pieces = []
    for text, style in line:
        look = _COLOURS.get(style)
        pieces.append(Style.parse(look).render(text, color_system=ColorSystem.STANDARD) if look else text)
    return "".join(pieces)


class _Drawing:
    def __init__(self, sizes: TerminalSizes, grid: Grid) -> None:
        self.sizes = sizes
        self.grid = grid

    def level(self, arranged: Arranged, dx: int, dy: int, right: int) -> None:
        """Draw a level whose layout has its origin at dx, dy; edges that leave it go on to `right`."""
        layout = arranged.layout
        boxes = [self.sizes.body(item, arranged.inside.get(i)) for i, item in enumerate(arranged.level.items)]
        for i, item in enumerate(arranged.level.items):
            x, y = int(layout.x[i]) + dx, int(layout.y[i]) + dy
            start, end = (int(at) + dx for at in layout.run[i])
            self._item(boxes[i], x, y, arranged.blocks[i])
            for stem, out in zip(item.stems, arranged.blocks[i].outs, strict=True):
                left = start - PAD if item.kind == "entry" else x + boxes[i].width
                self._stem(stem, start if item.kind == "input" else left, start, end, y + int(out))
                if item.kind == "input" and item.text and stem.label:
                    self.grid.hold(start, start + self._before(stem.label, start, end))
            if item.kind == "exit":
                self.grid.level(y, x, right)
        for edge, block in arranged.branches.items():
            start, end = (int(at) + dx for at in layout.run[block])
            y = int(layout.y[block]) + dy
            self.grid.level(y, start, end)
            self._label(arranged.level.edges[edge].label, start, end, y)
        self._links(arranged, dx, dy)
        for i, box in enumerate(boxes):
            self._ports(box, int(layout.x[i]) + dx, int(layout.y[i]) + dy, arranged.blocks[i])

    def _item(self, box: Box, x: int, y: int, block: Block) -> None:
        item, top = box.item, y - box.half
        if item.kind == "input":
            self.grid.put(x, y, box.text, "name")
        if box.border:
            style = "border" if item.kind == "open" else ""
            self.grid.box(x, top, box.width, 2 * box.half + 1, box.border, style)
        if box.inside is not None:
            self.grid.put(x + 2, top, f" {box.text} ", "title")
            self.level(box.inside, x + PAD, top + 1, x + box.width)
        elif box.border:
            self.grid.put(x + 2, y, box.text, "title")
        if box.constants:
            place = max(x, x + (box.width - columns(box.constants)) // 2)
            self.grid.put(place, y + box.half + 1, box.constants, "wrong" if item.wrong else "constant")
        if box.caption:
            self.grid.put(x, y - int(block.up), box.caption, "caption")

    def _ports(self, box: Box, x: int, y: int, block: Block) -> None:
        """The places where edges meet a box; drawn last, over border and edge."""
        if not box.border:
            return
        for port in block.ins:
            self.grid.port(x, y + int(port), box.border, right=False)
        for port in block.outs:
            self.grid.port(x + box.width - 1, y + int(port), box.border, right=True)

    def _stem(self, stem: Stem, left: int, start: int, end: int, y: int) -> None:
        if stem.end == "result":
            end = start + self.sizes.run(stem)
            self.grid.put(end + 1, y, self.sizes.say(stem.name), "result")
        self.grid.level(y, left, end, dashed=stem.kept)
        self._label(stem.label, start, end, y)

    def _before(self, label: Label, start: int, end: int) -> int:
        """The columns between the start of an edge and its label."""
        above, below = self.sizes.label(label)
        return (end - start - max(columns(text) for text, _ in above + below) + 1) // 2

    def _label(self, label: Label, start: int, end: int, y: int) -> None:
        above, below = self.sizes.label(label)
        for first, lines in ((y - len(above), above), (y + 1, below)):
            for i, (text, style) in enumerate(lines):
                self.grid.put(start + (end - start - columns(text) + 1) // 2, first + i, text, style)

    def _links(self, arranged: Arranged, dx: int, dy: int) -> None:
        """Edges: level through columns, upright on the tracks of gaps."""
        spans = arranged.layout.columns
        bends: dict[int, list[tuple[float, float]]] = {}
        for route in arranged.layout.routes:
            for i, pair in enumerate(zip(route.lines, route.lines[1:], strict=False), route.first):
                bends.setdefault(i, []).append(pair)
                if i > route.first:
                    self.grid.level(int(pair[0]) + dy, int(spans[i][0]) + dx, int(spans[i][1]) + dx)
        for i, pairs in bends.items():
            placed = tracks(pairs) or {}
            left, right = int(spans[i][1]) + dx, int(spans[i + 1][0]) + dx
            fans = {start for start, _ in pairs if sum(1 for s, _ in pairs if s == start) > 1}
            for start, end in pairs:
                a, b = int(start) + dy, int(end) + dy
                if start not in placed:
                    self.grid.level(a, left, right)
                    continue
                x = left + 1 + STEP * placed[start]
                self.grid.level(a, left, x)
                self.grid.join(x, a, WEST)
                self.grid.upright(x, min(a, b), max(a, b))
                self.grid.join(x, b, EAST)
                self.grid.level(b, x + 1, right)
                if start in fans:
                    self.grid.put(x, a, self.sizes.say("●"))
