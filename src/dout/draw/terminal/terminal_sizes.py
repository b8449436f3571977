"""How much room things take in a terminal, in columns and rows; and the words they are written with."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from dout.draw.layout.arrangement import Arranged
from dout.draw.layout.layout import Block, Spacing
from dout.draw.scene.scene import Item, Label, Mark, Stem
from dout.draw.terminal.bend_tracks import gap, passable
from dout.draw.words.readable_numbers import Shown
from dout.draw.words.safe_text import PLAIN, columns, shorten

PAD = 2  # columns between the border of an open layer and its inside
_RUN = 5  # shortest run with a label
_SHORT = 1  # and without
_BARS = "▁▂▃▄▅▆▇█"

Styled = tuple[str, str]


@dataclass(frozen=True)
class Box:
    """The solid part of an item: its words, its border, and half its height (without the middle row)."""

    item: Item
    inside: Arranged | None
    text: str
    caption: str
    constants: str
    border: str
    width: int
    lead: int
    half: int
    ins: tuple[int, ...]
    outs: tuple[int, ...] = ()

    def caption_row(self, block: Block) -> int:
        """How many rows above the middle the caption stands: above the box, and above what it would run into."""
        return int(block.up)


class TerminalSizes:
    """The measure of a terminal: names of layers take at most `limit` columns, labels get `room` beside them."""

    spacing = Spacing(between=1, gap=gap, whole=True, passable=passable)

    def __init__(self, unicode: bool = True, limit: int = 24, room: int = 2) -> None:
        self._unicode = unicode
        self._limit = limit
        self._room = room
        self._labels: dict[int, tuple[list[Styled], list[Styled]]] = {}

    def say(self, text: str) -> str:
        """A text in the characters that can be written."""
        if self._unicode or text.isascii():
            return text
        plain = "".join(PLAIN.get(c, c) for c in text)
        return (
            unicodedata.normalize("NFKD", plain).encode("ascii", "replace").decode() if not plain.isascii() else plain
        )

    def label(self, label: Label) -> tuple[list[Styled], list[Styled]]:
        """The lines above and below an edge."""
        if id(label) not in self._labels:
            above = value_lines(label.value) if label.value is not None else []
            below = gradient_lines(label.gradient) if label.gradient is not None else []
            if label.gradient is not None and label.gradient.along:
                above, below = above + below, []
            self._labels[id(label)] = [(self.say(t), s) for t, s in above], [(self.say(t), s) for t, s in below]
        return self._labels[id(label)]

    def run(self, stem: Stem) -> int:
        """The straight line of a stem."""
        above, below = self.label(stem.label)
        if not above and not below:
            return _RUN if stem.end == "result" else _SHORT
        return max(_RUN, self._room + max(columns(text) for text, _ in above + below))

    def branch(self, label: Label) -> Block:
        """A label on a branch."""
        if not label:
            return Block(0, 1, 0, 0, (0,), (0,))
        above, below = self.label(label)
        return Block(0, self.run(Stem(label)), len(above), len(below), (0,), (0,))

    def exit(self, stem: Stem) -> Block:
        """A gate through which a stem leaves."""
        above, below = self.label(stem.label)
        return Block(0, 0, len(above), len(below), ins=(0,), pin="last")

    def block(self, item: Item, inside: Arranged | None) -> Block:
        """An item and its stems."""
        box = self.box(item, inside)
        labels = [tuple(len(lines) for lines in self.label(stem.label)) for stem in item.stems]
        outs = box.outs or spread(labels)
        up = max([box.half, *(a - y for (a, _), y in zip(labels, outs, strict=True))])
        below = 1 if box.constants else 0
        down = max([box.half + below, *(b + y for (_, b), y in zip(labels, outs, strict=True))])
        run = max((self.run(s) + (1 + columns(self.say(s.name)) if s.name else 0) for s in item.stems), default=0)
        if box.caption:
            up += 1
            run = max(run, columns(box.caption) - box.lead)
        if item.kind == "entry":
            return Block(0, run, up, down, outs=outs, pin="first")
        return Block(box.lead, run, up, down, box.ins, outs, pull=item.kind == "input")

    def box(self, item: Item, inside: Arranged | None) -> Box:
        """The solid part of an item."""
        text, caption = self.say(item.text), self.say(shorten(item.caption, self._limit))
        if item.kind == "input":
            width = columns(text) + 1 if text else 0
            return Box(item, None, text, "", "", "", width, width, 0, ())
        if item.kind in ("entry", "exit", "result"):
            return Box(item, None, "", "", "", "", 0, 0, 0, (0,) * item.ports)
        if inside is not None:
            return self._open_box(item, inside, self.say("▾ ") + text)
        many = max(item.ports, 1)
        step = 1 if many > 2 else 2
        half = max((many - 1) * step // 2 + 1, len(item.stems))
        ins = tuple(i * step - (many - 1) * step // 2 for i in range(item.ports))
        constants = self.say(", ".join(item.constants[:3]))
        if item.kind == "layer" and item.wrong:
            constants = self.say(item.wrong + (" ▲ first wrong" if item.first else ""))
        text = text + self.say(" ▸") if item.kind == "layer" else text
        width = columns(text) + 4
        border = "double" if item.kind == "layer" else "single"
        lead = max(width, columns(constants))
        return Box(item, None, text, caption, constants, border, width, lead, half, ins)

    def _open_box(self, item: Item, inside: Arranged, text: str) -> Box:
        caption = self.say(shorten(item.caption, self._limit))
        text = f"{text} {caption}" if caption else text
        width = max(int(inside.layout.width) + 2 * PAD, columns(text) + 6)
        rows = int(inside.layout.height) + 3
        half = rows // 2
        ins, outs = (
            tuple(int(inside.layout.y[i]) + 1 - half for i in inside.gates(kind)) for kind in ("entry", "exit")
        )
        return Box(item, inside, text, "", "", "dashed", width, width, half, ins, outs)


def spread(extents: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Rows around 0 that keep the labels of several stems apart."""
    places: list[int] = []
    y = 0
    for i, (above, below) in enumerate(extents):
        y += above + 1 if i else 0
        places.append(y)
        y += below
    middle = (places[0] + places[-1]) // 2 if places else 0
    return tuple(p - middle for p in places)


def value_lines(shown: Shown) -> list[Styled]:
    """A value, one line or, for an array, one line a row."""
    return [(text, "loud" if text == shown.loud else "value") for text in shown_rows(shown)]


def gradient_lines(mark: Mark) -> list[Styled]:
    """A gradient, marked with ◂; where it is wrong, with ✗ and the right one."""
    style = "wrong" if mark.wrong else "loud" if mark.shown.loud else "derived" if mark.source == "dout" else "gradient"
    sums = f"{mark.sums} " if mark.sums and mark.shown.kind == "number" else ""  # the dot says that arrays add up
    first = [("▲ first wrong", "wrong")] if mark.first else []
    if mark.right is None:
        return _led(f"{mark.way}{sums}", shown_rows(mark.shown), style)
    wrong, right = shown_rows(mark.shown), shown_rows(mark.right)
    return _led(f"{mark.way}✗ ", wrong, "wrong") + _led(f"  ✓ {sums}", right, "gradient") + first


def _led(lead: str, rows: list[str], style: str) -> list[Styled]:
    """Rows behind a few words; all equally wide, so that they stay aligned where they are centred."""
    lines = [(lead if i == 0 else " " * columns(lead)) + row for i, row in enumerate(rows)]
    widest = max(columns(line) for line in lines)
    return [(line + " " * (widest - columns(line)), style) for line in lines]


def shown_rows(shown: Shown) -> list[str]:
    """A value in lines: a number one, a small array one a row, a larger one its shape, mean and histogram."""
    if shown.kind == "summary":
        bars = "".join(_BARS[round(share * 7)] for share in shown.bars)
        return [text for text in (shown.head, shown.line, bars, shown.note, shown.loud) if text]
    if shown.kind == "number":
        return [shown.text]
    wide = [max(columns(row[j]) for row in shown.cells) for j in range(len(shown.cells[0]))]
    rows = [" ".join(" " * (w - columns(c)) + c for c, w in zip(row, wide, strict=True)) for row in shown.cells]
    return [f"[{row}]" for row in rows]
