"""Spans of text in; lines of at most so many columns out, broken at spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells

Span = tuple[str, str]  # text and the name of a style
TextLine = list[Span]


def length(line: Sequence[Span]) -> int:
    """The columns that a line takes: two for a wide character."""
    return sum(cell_len(text) for text, _ in line)


def wrapped_cell(line: TextLine, width: int, indent: int, hang: int = 0) -> list[TextLine]:
    """A line in parts of at most `width` columns; those after the first begin at `indent` + `hang`.

    >>> wrapped_cell([("one two", "bold"), (" three", "")], 9, 2)
    [[('one two', 'bold')], [('  three', '')]]
    >>> wrapped_cell([("x (N,)   y (N,)", "")], 8, 0)
    [[('x (N,)', '')], [('y (N,)', '')]]
    """
    if length(line) <= width:
        return [line]
    begin = indent + hang if indent + hang < width // 2 else indent
    lines: list[TextLine] = [[]]
    room = width
    for word in _words(line):
        for piece in [word] if length(word) <= width - begin else _chopped(word, width - begin):
            space = piece[0][0].isspace()
            if length(piece) > room and not space:
                lines.append([(" " * begin, "")] if begin else [])
                room = width - begin
            is_first = len(lines) > 1 and room == width - begin
            if space and length(piece) > room:
                room = 0  # what comes next begins a line
            elif not (space and is_first):
                lines[-1] += piece
                room -= length(piece)
    return [_joined(line) for line in lines]


def _words(line: TextLine) -> list[TextLine]:
    """The words and the spaces of a line; a word may change its style."""
    words: list[TextLine] = []
    for text, style in line:
        for part in re.findall(r"\s+|\S+", text):
            if words and not part.isspace() and not words[-1][0][0].isspace():
                words[-1].append((part, style))
            else:
                words.append([(part, style)])
    return words


def _chopped(word: TextLine, width: int) -> list[TextLine]:
    return [[(piece, style)] for text, style in word for piece in chop_cells(text, width)]


def _joined(line: TextLine) -> TextLine:
    """Neighbours of one style as one span, without spaces at the end."""
    while line and line[-1][0].isspace():
        line = line[:-1]
    joined: TextLine = []
    for text, style in line:
        if joined and joined[-1][1] == style:
            joined[-1] = (joined[-1][0] + text, style)
        else:
            joined.append((text, style))
    return joined
