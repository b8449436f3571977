"""A grid of characters: lines that join into box drawing, and texts whose wide characters take two columns."""

from __future__ import annotations

from collections.abc import Collection

from dout.draw.words.safe_text import columns

NORTH, EAST, SOUTH, WEST = 1, 2, 4, 8
_DASHED = 16
_ALL = NORTH | EAST | SOUTH | WEST | _DASHED

# The character that joins some directions stands at the sum of their numbers.
_JOINS = " │─╰││╭├─╯─┴╮┤┬┼"
_BOXES = {
    "single": tuple("┌─┐│└┘┤├"),
    "double": tuple("╔═╗║╚╝╢╟"),
    "dashed": tuple("┌╌┐╎└┘├┤"),
}
_DASH = "┄"
_OPEN_BORDER = "╌"  # above and below the inside of an open layer
_ASCII = {
    **dict.fromkeys("─╌═", "-"),
    **dict.fromkeys("│╎║", "|"),
    **dict.fromkeys("╰╭├╯╮┤┬┴┼┌┐└┘╔╗╚╝╢╟", "+"),
    "●": "o",
    _DASH: ".",
}

Line = list[tuple[str, str]]  # pieces of text, each with its style


class Grid:
    """Characters at whole places. Lines may cross and join; a text covers what it is put on."""

    def __init__(self, width: int, height: int, *, unicode: bool = True) -> None:
        self.width = width
        self._unicode = unicode
        self._joins = [[0] * width for _ in range(height)]
        self._texts: list[list[str | None]] = [[None] * width for _ in range(height)]
        self._styles = [[""] * width for _ in range(height)]
        self._held: set[int] = set()

    def level(self, y: int, left: int, right: int, *, dashed: bool = False) -> None:
        """Draw a level line through the cells from `left` up to, not including, `right`."""
        row = self._joins[y]
        for x in range(left, right):
            row[x] |= EAST | WEST | (_DASHED if dashed else 0)

    def upright(self, x: int, top: int, bottom: int) -> None:
        """Draw an upright line from the middle of one cell to the middle of another."""
        for y in range(top, bottom):
            self._joins[y][x] |= SOUTH
            self._joins[y + 1][x] |= NORTH

    def join(self, x: int, y: int, directions: int) -> None:
        """Add half lines from the middle of a cell."""
        self._joins[y][x] |= directions

    def put(self, x: int, y: int, text: str, style: str = "") -> None:
        """Write a text from a cell on; characters outside the grid are left out."""
        row, styles = self._texts[y], self._styles[y]
        for character in text:
            wide = columns(character)
            if wide == 0:
                if 0 < x <= len(row) and row[x - 1]:
                    row[x - 1] = f"{row[x - 1]}{character}"
                continue
            if x >= 0 and x + wide <= len(row):
                row[x], styles[x] = character, style
                if wide == 2:
                    row[x + 1] = ""
            x += wide

    def box(self, x: int, y: int, width: int, height: int, kind: str, style: str = "") -> None:
        """Draw the border of a box."""
        corner, level, right, upright, low, low_right = _BOXES[kind][:6]
        self.put(x, y, corner + level * (width - 2) + right, style)
        for row in range(y + 1, y + height - 1):
            self.put(x, row, upright, style)
            self.put(x + width - 1, row, upright, style)
        self.put(x, y + height - 1, low + level * (width - 2) + low_right, style)

    def port(self, x: int, y: int, kind: str, *, right: bool) -> None:
        """Let an edge through the border of a box."""
        self.put(x, y, _BOXES[kind][7 if right else 6])

    def hold(self, left: int, right: int) -> None:
        """Let no cut go between two columns: what stands there belongs together."""
        self._held.update(range(left + 1, right + 1))

    def crossing(self, x: int) -> list[int] | None:
        """The rows in which a level line goes on from the cell before `x` into it; None where a cut would hurt.

        It would where it parts a text, or a line from what stands at its end. The border of an open layer may be cut.
        """
        if x in self._held:
            return None
        rows = []
        for y, (joins, texts) in enumerate(zip(self._joins, self._texts, strict=True)):
            before, here = texts[x - 1], texts[x]
            goes, comes = bool(joins[x - 1] & EAST), bool(joins[x] & WEST)
            if before is None and here is None:
                if goes != comes:
                    return None
                if goes:
                    rows.append(y)
            elif before != here or before != _OPEN_BORDER:
                beside = (goes or joins[x - 1]) if before is None else (comes or joins[x])
                if (before is not None and here is not None) or beside:
                    return None
        return rows

    def passes(self, y: int, left: int, right: int) -> bool:
        """True if a row is one level line from `left` up to `right`, with nothing on it and no words beside it."""
        is_level = all(join & EAST and join & WEST for join in self._joins[y][left:right])
        beside = {style for row in self._styles[max(0, y - 1) : y + 2] for style in row[left:right]}
        return is_level and not any(self._texts[y][left:right]) and beside <= {"", "border"}

    def lines(self, left: int = 0, right: int | None = None, without: Collection[int] = ()) -> list[Line]:
        """The rows, or their part from `left` up to `right`, without blanks at their ends, in pieces of one style.

        Of the rows `without` level lines only what crosses them is there.
        """
        return [self._line(y, left, right, NORTH | SOUTH if y in without else _ALL) for y in range(len(self._texts))]

    def _line(self, y: int, left: int, right: int | None, directions: int) -> Line:
        pieces: Line = []
        part = slice(left, right)
        for text, style, joined in zip(self._texts[y][part], self._styles[y][part], self._joins[y][part], strict=True):
            join = joined & directions
            drawn = _DASH if join == EAST | WEST | _DASHED else _JOINS[join & ~_DASHED]
            character = drawn if text is None else text
            if not self._unicode and character in _ASCII:
                character = _ASCII[character]
            if pieces and pieces[-1][1] == style:
                pieces[-1] = (pieces[-1][0] + character, style)
            else:
                pieces.append((character, style))
        while pieces and not pieces[-1][0].strip():
            pieces.pop()
        if pieces:
            pieces[-1] = (pieces[-1][0].rstrip(), pieces[-1][1])
        return pieces
