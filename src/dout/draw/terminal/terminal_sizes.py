"""Sizes in a terminal, in columns and rows, and the lines of text of values and gradients."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import accumulate
from textwrap import wrap

from dout.draw.layout.arrangement import Arranged, Measure, spread
from dout.draw.layout.layout import Spacing
from dout.draw.scene.scene import Item, Label, Mark, Stem
from dout.draw.terminal.bend_tracks import gap, passable
from dout.draw.words.readable_numbers import Shown
from dout.draw.words.safe_text import PLAIN, columns, shorten

PAD = 2  # columns between the border of an open layer and its inside
_RUN = 5  # shortest run with a label
_SHORT = 1  # and without
BARS = "▁▂▃▄▅▆▇█"

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
    ins: tuple[float, ...]
    outs: tuple[float, ...] = ()

    @property
    def foot(self) -> int:
        """The row of constants below."""
        return 1 if self.constants else 0

    @property
    def caption_width(self) -> int:
        """The columns of the caption."""
        return columns(self.caption)

    def caption_room(self, above: float, up: float) -> int:
        """The row of the caption, above the box and all that it would run into."""
        return 1 if self.caption else 0


class TerminalSizes(Measure):
    """The measure of a terminal: names of layers take at most `limit` columns, labels get `room` beside them.

    Labels are no wider than `widest` columns where they can be cut or folded.
    """

    spacing = Spacing(between=1, gap=gap, whole=True, passable=passable)
    apart, gate, bare = 1, 0, _SHORT

    def __init__(self, unicode: bool = True, limit: int = 24, room: int = 2, widest: int = 999) -> None:
        self._unicode = unicode
        self._widest = widest
        self._limit = limit
        self._room = room
        self._labels: dict[int, tuple[list[Styled], list[Styled]]] = {}

    def say(self, text: str) -> str:
        """A text in the characters that can be written."""
        if self._unicode or text.isascii():
            return text
        plain = "".join(PLAIN.get(c, c) for c in text)
        return unicodedata.normalize("NFKD", plain).encode("ascii", "replace").decode()

    def label(self, label: Label) -> tuple[list[Styled], list[Styled]]:
        """The lines above and below an edge."""
        if id(label) not in self._labels:
            above = value_lines(label.value, self._widest) if label.value is not None else []
            below = gradient_lines(label.gradient, self._widest) if label.gradient is not None else []
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

    def reach(self, label: Label) -> tuple[int, int]:
        """The numbers of lines of a label above and below its edge."""
        above, below = self.label(label)
        return len(above), len(below)

    def tail(self, stem: Stem) -> int:
        """The name at the end of a result."""
        return 1 + columns(self.say(stem.name)) if stem.name else 0

    def body(self, item: Item, inside: Arranged | None) -> Box:
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
        outs = spread([self.extent(stem) for stem in item.stems], self.apart, whole=True)
        ins = tuple(i * step - (many - 1) * step // 2 for i in range(item.ports))
        half = 1 + max((abs(int(port)) for port in (*ins, *outs)), default=0)
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


def value_lines(shown: Shown, widest: int = 999) -> list[Styled]:
    """A value, one line or, for an array, one line a row."""
    return [(text, "loud" if text == shown.loud else "value") for text in shown_rows(shown, widest)]


def gradient_lines(mark: Mark, widest: int) -> list[Styled]:
    """A gradient, marked with ◂; where it is wrong, with ✗ and the right one, and whole."""
    style = "loud" if mark.shown.loud and not mark.wrong else mark.style
    sums = f"{mark.sums} " if mark.sums and mark.shown.kind == "number" else ""  # the dot says that arrays add up
    first = [("▲ first wrong", "wrong")] if mark.first else []
    if mark.right is None:
        lead = f"{mark.way}{sums}"
        return _led(lead, shown_rows(mark.shown, widest - columns(lead)), style)
    wrong, right = shown_rows(mark.shown), shown_rows(mark.right)
    return _led(f"{mark.way}✗ ", wrong, "wrong") + _led(f"  ✓ {sums}", right, "gradient") + first


def _led(lead: str, rows: list[str], style: str) -> list[Styled]:
    """Rows behind a few words; all equally wide, so that they stay aligned where they are centred."""
    lines = [(lead if i == 0 else " " * columns(lead)) + row for i, row in enumerate(rows)]
    widest = max(columns(line) for line in lines)
    return [(line + " " * (widest - columns(line)), style) for line in lines]


def shown_rows(shown: Shown, widest: int = 999) -> list[str]:
    """A value in lines: a number one, a small array one a row, a larger one its shape, mean and histogram.

    Words that are too wide go on in the next line; of a small array the first columns are shown.
    """
    if shown.kind == "summary":
        bars = "".join(BARS[round(share * 7)] for share in shown.bars)
        lines = [text for text in (shown.head, shown.line, bars, shown.note, shown.loud) if text]
        return [part for text in lines for part in wrap(text, max(1, widest), break_long_words=False)]
    if shown.kind == "number":
        return [shown.text]
    wide = [max(columns(row[j]) for row in shown.cells) for j in range(len(shown.cells[0]))]
    ends = [*accumulate(w + 1 for w in wide)]
    if ends[-1] + 1 > widest:
        wide = wide[: max(1, sum(end + 3 <= widest for end in ends))]
    rows = [" ".join(" " * (w - columns(c)) + c for c, w in zip(row, wide, strict=False)) for row in shown.cells]
    return [f"[{row}{' …' if len(wide) < len(ends) else ''}]" for row in rows]
