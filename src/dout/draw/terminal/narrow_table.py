"""The table that takes the picture's place in a narrow terminal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from dout.draw.scene.scene import Mark, Scene, TableRow
from dout.draw.terminal.character_grid import Line
from dout.draw.terminal.terminal_sizes import shown_rows, value_lines
from dout.draw.words.safe_text import columns, shorten

_HEADS = ("name", "value", "gradient", "made by", "used by")
_BETWEEN = 2
_LEAST_WORD = 8
_LEAST = 3  # columns that any cell keeps however narrow the terminal is


def table(scene: Scene, width: int, say: Callable[[str], str]) -> list[Line]:
    """Return name, value, gradient, maker and users of each value; cells too long for the width are cut with …

    A value takes one line, a small array one a row.
    """
    rows = scene.rows()
    if not rows:
        return [[(shorten(say(scene.nothing), width), "note")]]
    count = min(len(_HEADS), max(1, (width + _BETWEEN) // (_LEAST + _BETWEEN)))
    entries = [
        (("name", "value", row.label.gradient.style if row.label.gradient else "", "", ""), _lines(row, count, say))
        for row in rows
    ]
    heads = _HEADS[:count]
    widths = zip(heads, *(line for _, lines in entries for line in lines), strict=True)
    wide = _fitted([max(columns(text) for text in column) for column in widths], width)
    rule = say("─" * min(width, sum(wide) + _BETWEEN * (count - 1)))
    top = [_line(heads, ("title",) * count, wide, say), [(rule, "border")]]
    return top + [_line(line, styles[:count], wide, say) for styles, lines in entries for line in lines]


def _lines(row: TableRow, count: int, say: Callable[[str], str]) -> list[tuple[str, ...]]:
    """The lines of one value, each a text for every column."""
    value = [text for text, _ in value_lines(row.label.value)] if row.label.value is not None else []
    cells = ([row.name], value, _gradient(row.label.gradient), [row.made_by], [", ".join(row.used_by)])
    lines = zip_longest(*cells[:count], fillvalue="")
    return [tuple(say(text).rstrip() for text in line) for line in lines]


def _gradient(mark: Mark | None) -> list[str]:
    if mark is None:
        return []
    if mark.right is None:
        return shown_rows(mark.shown)
    if mark.shown.kind == "number" and mark.right.kind == "number":
        return [f"✗ {mark.shown.text} (right: {mark.right.text})"]
    lines = zip_longest("✗", shown_rows(mark.shown), fillvalue=" ")
    more = zip_longest("✓", shown_rows(mark.right), fillvalue=" ")
    return [f"{sign} {text}" for sign, text in (*lines, *more)]


def _fitted(wide: list[int], width: int) -> list[int]:
    """Take columns from the widest until the line fits: from words first, from numbers where that is not enough."""
    wide = list(wide)
    room = width - _BETWEEN * (len(wide) - 1)
    words = [i for i, head in enumerate(_HEADS[: len(wide)]) if head not in ("value", "gradient")]
    for some, least in ((words, _LEAST_WORD), (range(len(wide)), _LEAST)):
        while sum(wide) > room and max(wide[i] for i in some) > least:
            widest = max(some, key=lambda i: wide[i])
            wide[widest] -= 1
    return wide


def _line(cells: tuple[str, ...], styles: tuple[str, ...], wide: list[int], say: Callable[[str], str]) -> Line:
    line: Line = []
    for i, (text, style, room) in enumerate(zip(cells, styles, wide, strict=True)):
        text = _cut(text, room, say)
        last = i == len(cells) - 1
        line.append((text, style))
        line.append(("" if last else " " * (room - columns(text) + _BETWEEN), ""))
    while line and not line[-1][0].strip():
        line.pop()
    return line


def _cut(text: str, room: int, say: Callable[[str], str]) -> str:
    return say(shorten(text, room)) if columns(text) > room else text
