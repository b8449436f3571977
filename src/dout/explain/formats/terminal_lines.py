"""An explanation in; lines of a terminal out: columns line up, colours repeat what position says.

Each line is a list of spans with the name of a style, which `plain` and `coloured` print.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from dout.errors import visible
from dout.explain.formats.cell_wrapping import Span, TextLine, length, wrapped_cell
from dout.explain.formats.outline import outline
from dout.explain.formats.outline_cells import (
    COLUMN_KEYS,
    Cell,
    Equation,
    Figure,
    LineJudgement,
    Listing,
    LocalDerivative,
    Outline,
    OutlinePart,
    place_text,
)  # fmt: skip
from dout.explain.formats.plain_spelling import in_ascii
from dout.explain.formats.textbook import brief
from dout.explain.formats.words import Language, Sentence
from dout.explain.model.explanation import Explanation
from dout.explain.terms import text_printer
from dout.explain.terms.terms import Symbol, Term
from dout.number_text import format_number
from dout.styled_lines import plain

WIDTH = 100  # columns, where there is no terminal that says
_RIGHT = 72  # the column of places
_INDENT, _GAP, _LEAST = 4, 8, 2  # before rows, before what stands at the right, between columns that are pressed
_MARKS = {"✓": "good", "~": "dim", "✗": "bad"}


@dataclass(frozen=True)
class _Column:
    """Where a column stands: not before `stop`, `gap` after the one before, or at the next tab after that.

    `signed`: where one of its cells has a minus, all others leave room for it.
    """

    gap: int
    stop: int = 0
    tab: bool = False
    signed: bool = False


_COLUMNS = {
    "equation": _Column(0), "number": _Column(0), "form": _Column(0), "sentence": _Column(0), "source": _Column(0),
    "operator": _Column(3, 8), "says": _Column(2, 15), "index": _Column(2, 15), "local": _Column(2, 15),
    "gradient": _Column(7, signed=True), "shapes": _Column(7), "code": _Column(3), "since": _Column(_GAP, tab=True),
    "mark": _Column(_GAP, tab=True),
}  # fmt: skip
_VALUES = {"forward": _Column(4, 24, signed=True), "backward": _Column(6, signed=True)}
_SHORT_FRACTION = re.compile(r"^(−?\w+) / (\w+)$")
_EITHER: tuple[tuple[str, ...], ...] = (
    ("says",),
    ("local", "gradient"),
    ("index", "shapes", "code"),
)  # columns of which a row has one group
_ENDLESS = ("says",)  # cells that no column has to make room for


def to_lines(
    explanation: Explanation,
    *,
    width: int = WIDTH,
    unicode: bool = True,
    language: Language = "en",
    numbers: bool = False,
    short: bool = False,
) -> list[TextLine]:
    """Everything an explanation says, in lines of at most `width` columns; `short`: the lines of a textbook.

    Without `unicode` everything is ASCII, and so in English.
    """
    press = _Press(width, unicode)
    language = language if unicode else "en"
    if short:
        return [line for cell in brief(explanation, language) for line in press.cell_lines(cell)]
    return press.lines(outline(explanation, numbers=numbers, language=language))


def render(explanation: Explanation, **options: Any) -> str:
    """The same as text without colours."""
    return plain(to_lines(explanation, **options))


def sentence_text(sentence: Sentence) -> str:
    """A sentence in one line."""
    return "".join(part if isinstance(part, str) else text_printer.text(part) for part in sentence)


class _Press:
    """Sets lines of one width, in Unicode or in ASCII."""

    def __init__(self, width: int, unicode: bool) -> None:
        self.width, self.unicode = max(width, 40), unicode

    # --- texts

    def spelt(self, text: str) -> str:
        """Text that is safe in this terminal."""
        text = visible(text)
        return text if self.unicode else in_ascii(text)

    def term(self, term: Term, tight: bool = False) -> str:
        """A formula in one line; a `tight` fraction of two short terms has no spaces: −1/c²."""
        if isinstance(term, LocalDerivative):
            return f"{self.spelt('∂')}{self.term(Symbol(term.of))}/{self.spelt('∂')}{self.term(Symbol(term.by))}"
        text = text_printer.text(term)
        return self.spelt(_SHORT_FRACTION.sub(r"\1/\2", text) if tight else text)

    def cell(self, cell: Cell, style: str = "", left: int = 0, signed: bool = False, key: str = "") -> TextLine:
        """The spans of a cell in a column; the left side of an equation in so many columns."""
        if isinstance(cell, Equation):
            name = "" if cell.left is None else self.term(cell.left)
            style = "gradient" if key in ("gradient", "index") and cell.of else style
            first, *more = (self.term(side, tight=key == "local") for side in cell.sides)
            sides = [f" {first}" if signed and not _is_negative(first) else first, *more]
            return [(_padded(name, left), style), (f" = {' = '.join(sides)}", style)]
        if isinstance(cell, Figure):
            text = self.spelt(format_number(cell.value))
            kind = "gradient" if cell.gradient else "value"
            return [(f" {text}" if signed and not _is_negative(text) else text, kind)]
        if isinstance(cell, Listing):
            return [(self.spelt(cell.source), "code")]
        if isinstance(cell, LineJudgement):
            return [(f"{self.spelt(cell.mark)} ", _MARKS[cell.mark]), *self.cell(cell.sentence)]
        return [(self.spelt(part) if isinstance(part, str) else self.term(part), style) for part in cell]

    def cell_lines(self, cell: Cell) -> list[TextLine]:
        """A cell in lines of its own."""
        return wrapped_cell(self.cell(cell, left=0), self.width, 0)

    # --- lines

    def lines(self, whole: Outline) -> list[TextLine]:
        """Every line of an explanation."""
        right = self.right(whole)
        lines = self.head(whole, right)
        for part in whole.parts:
            lines.append([])
            lines += self.title(whole, part, right)
            lines += self.rows(part)
        return lines

    def right(self, whole: Outline) -> int:
        """The column at which places stand."""
        places = [self.spelt(place_text(where)) for where in (whole.where, *(part.where for part in whole.parts))]
        room = max(map(cell_len, [*places, *(part.shape for part in whole.parts)]))
        end = self.shape_columns(whole)[-1]
        wished = max(_RIGHT, end + _GAP) if whole.shapes else _RIGHT
        return max(min(wished, self.width - room), 0)

    def head_start(self, whole: Outline) -> TextLine:
        """The name and the formula."""
        name = self.spelt(whole.name)
        formula = self.cell(whole.formula) if whole.formula else []
        return [(_padded(name, max(11, cell_len(name) + 4)) if formula else name, "title"), *formula]

    def shape_columns(self, whole: Outline) -> list[int]:
        """The columns at which shapes start, and the one after the last of them."""
        texts = [cell_len(f"{self.spelt(name)} {axes}") for name, axes in whole.shapes]
        start = length(self.head_start(whole))
        for first, between in ((10, 3), (3, 3), (2, 2)):
            columns = [start + first]
            for text in texts:
                columns.append(columns[-1] + text + between)
            columns[-1] -= between
            if columns[-1] <= self.width:
                break
        return columns if texts else [start]

    def head(self, whole: Outline, right: int) -> list[TextLine]:
        """The name, the formula, the shapes, and the place."""
        start = self.head_start(whole)
        columns = self.shape_columns(whole)
        shapes = [(f"{self.spelt(name)} {axes}", "dim") for name, axes in whole.shapes]
        if columns[-1] > self.width:  # the shapes get lines of their own
            lines = self.beside(start, whole, right)
            return lines + wrapped_cell(_spaced(shapes), self.width, 0, 11)
        for column, span in zip(columns, shapes, strict=False):
            start = _extended(start, column, [span])
        return self.beside(start, whole, right)

    def beside(self, line: TextLine, of: Outline | OutlinePart, right: int) -> list[TextLine]:
        """A line with a place at its right, or, where there is no room, below it."""
        place = self.spelt(place_text(of.where)) or getattr(of, "shape", "")
        if not place:
            return wrapped_cell(line, self.width, 0, 11)
        if length(line) + _LEAST <= right:
            return [_extended(line, right, [(place, "dim")])]
        below = wrapped_cell(line, self.width, 0, 11)
        return [*below, [(" " * max(self.width - cell_len(place), 0), ""), (place, "dim")]]

    def title(self, whole: Outline, part: OutlinePart, right: int) -> list[TextLine]:
        """The title of a part, with the upstream gradient and a place."""
        if not part.title:
            return []
        line: TextLine = [("  ", ""), *self.cell(part.title, "title")]
        if part.seed is not None:
            seed = self.cell(part.seed)
            columns = self.shape_columns(whole)
            column = columns[-2] if part.shape and len(columns) > 1 else right
            column = min(column, (right - _LEAST if part.shape else self.width) - length(seed))
            if length(line) + _LEAST > column:
                return [*self.beside(line, part, right), *wrapped_cell([("    ", ""), *seed], self.width, 4)]
            line = _extended(line, column, seed)
        return self.beside(line, part, right)

    def rows(self, part: OutlinePart) -> list[TextLine]:
        """The rows of a part, in columns."""
        if part.key == "keeping":
            sentences = [row.cells["sentence"] for row in part.rows]
            return [line for cell in sentences for line in wrapped_cell([("  ", ""), *self.cell(cell)], self.width, 2)]
        return _Table(self, part).lines()


class _Table:
    """The layout of one part's rows: the width, place and line of each column."""

    def __init__(self, press: _Press, part: OutlinePart) -> None:
        self.press = press
        used = {key for row in part.rows for key in row.cells}
        columns = _COLUMNS | ({"value": _VALUES[part.key]} if part.key in _VALUES else {})
        columns |= {"says": _Column(0)} if part.key == "forward" else {}
        self.columns = {key: columns[key] for key in COLUMN_KEYS[part.key] if key in used}
        self.lefts: dict[str, int] = {}
        self.texts: list[dict[str, TextLine]] = [{} for _ in part.rows]
        for key, column in self.columns.items():
            cells = {i: row.cells[key] for i, row in enumerate(part.rows) if key in row.cells}
            lefts = [cell_len(press.term(c.left)) for c in cells.values() if isinstance(c, Equation) and c.left]
            self.lefts[key] = max(lefts, default=0)
            signed = column.signed and any(map(self._has_minus, cells.values()))
            for i, cell in cells.items():
                self.texts[i][key] = press.cell(cell, left=self.lefts[key], signed=signed, key=key)
        self.widths = {
            key: 0 if key in _ENDLESS else max(length(texts[key]) for texts in self.texts if key in texts)
            for key in self.columns
        }
        self.places = self._placed()

    def _has_minus(self, cell: Cell) -> bool:
        if isinstance(cell, Equation):
            return _is_negative(self.press.term(cell.sides[0]))
        return isinstance(cell, Figure) and _is_negative(format_number(cell.value))

    def _placed(self) -> dict[str, tuple[int, int]]:
        """The line of its row and the start of each column, for each group of columns by itself."""
        groups = [group for group in _EITHER if set(group) & set(self.columns)]
        every = {key for group in _EITHER for key in group}
        keys = [[key for key in self.columns if key in group or key not in every] for group in groups or [()]]
        wide = [self._in_one_line(some, pressed=()) for some in keys]
        if any(map(self._is_too_wide, wide)):  # what groups have in common is pressed in all: it stays in one place
            common = [key for key in self.columns if key not in every]
            kept = [self._in_one_line(some, pressed=common) for some in keys]
            wide = [self._pressed(some) if self._is_too_wide(k) else k for some, k in zip(keys, kept, strict=True)]
        places: dict[str, tuple[int, int]] = {}
        for group in wide:
            places = {**group, **places}
        return places

    def _is_too_wide(self, places: Mapping[str, tuple[int, int]]) -> bool:
        return self._end(places) > self.press.width

    def _pressed(self, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Pressed, or the last ones on lines of their own."""
        pressed = self._in_one_line(keys, pressed=keys)
        return self._below(pressed) if self._is_too_wide(pressed) else pressed

    def _in_one_line(self, keys: Sequence[str], *, pressed: Sequence[str]) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        end = 0
        for key in keys:
            column = self.columns[key]
            tight = key in pressed
            gap = min(column.gap, _LEAST) if tight else column.gap
            start = max(end + gap, _INDENT, column.stop if not tight or column.stop <= 15 else 0)
            if column.tab and not tight:
                start += (7 - start) % 8
            places[key] = (0, start)
            end = start + self.widths[key]
        return places

    def _below(self, pressed: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """A column that has no room goes below, under the right side of the equation before it."""
        places: dict[str, tuple[int, int]] = {}
        row, end, hang = 0, 0, _INDENT + 4
        for key, (_, start) in pressed.items():
            start = start if row == 0 else end + _LEAST
            width = self.widths[key]
            if start > hang and start + width > self.press.width and places and key not in ("local", "index"):
                row, start = row + 1, hang
            if self.lefts[key] and row == 0:
                hang = min(start + self.lefts[key] + 3, self.press.width // 2)
            places[key] = (row, start)
            end = start + width
        return places

    def _end(self, places: Mapping[str, tuple[int, int]]) -> int:
        return max(start + self.widths[key] for key, (_, start) in places.items())

    def lines(self) -> list[TextLine]:
        """Every row, each of its cells wrapped under its column."""
        return [line for texts in self.texts for line in self._row(texts)]

    def _row(self, texts: Mapping[str, TextLine]) -> list[TextLine]:
        done: list[TextLine] = []
        for number in sorted({self.places[key][0] for key in texts}):
            here = [(self.places[key][1], key, text) for key, text in texts.items() if self.places[key][0] == number]
            block: list[TextLine] = []
            for start, key, text in sorted(here, key=lambda one: one[0]):
                hang = self.lefts[key] + 3 if self.lefts[key] else 0
                for i, line in enumerate(wrapped_cell(text, self.press.width - start, 0, hang)):
                    block += [[]] * (i == len(block))
                    block[i] = _extended(block[i], start, line)
            done += block
        return done


def _extended(line: Sequence[Span], column: int, spans: Iterable[Span]) -> TextLine:
    """A line with something at a column."""
    return [*line, (" " * max(column - length(line), 0), ""), *spans]


def _spaced(spans: Iterable[Span]) -> TextLine:
    return [part for span in spans for part in (("   ", ""), span)][1:]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _is_negative(text: str) -> bool:
    return bool(re.match("[−-]", text))
