"""A grid wider than the terminal, cut into bands that stand one below the other.

A cut goes where no text is: through level edges, which get a number on both sides, `╌▶ ①` and `① ╌`, and through the
border of an open layer, which goes on below. So everything that the grid holds is in the bands, and only once; an edge
that only passes a band is not drawn there, and keeps its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from dout.draw.terminal.character_grid import Grid, Line
from dout.draw.words.safe_text import circled

_ENDS = (("╌▶ ", ""), ("", " ╌"))  # around the number: where an edge breaks off, and where it goes on
_PLAIN_ENDS = (("-> ", ""), ("", " -"))
_STYLE = "note"
_UPRIGHT = frozenset(" │╎║|")
_MOST = 12  # bands: more of them nobody puts together again
_LEAST = 12  # columns of a band: less is no picture

Cuts = Mapping[int, Sequence[int]]  # where a grid may be cut, and in which rows edges cross there


def bands(grid: Grid, width: int, *, unicode: bool = True) -> list[list[Line]]:
    """Return the bands, each no wider than `width`; none where a piece that cannot be cut is wider, or too many."""
    if grid.width > _MOST * width:
        return []
    crossed = ((x, grid.crossing(x)) for x in range(1, grid.width))
    cuts: Cuts = {x: rows for x, rows in crossed if rows is not None}
    chosen = _chosen(cuts, grid.width, width, unicode)
    if not 2 <= len(chosen) <= _MOST + 1:
        return []
    found, number = [], 0
    entering: Mapping[int, int] = {}
    for left, right in pairwise(chosen):
        rows = cuts.get(right, ())
        passing = {row: n for row, n in entering.items() if row in rows and grid.passes(row, left, right)}
        leaving = {row: n for n, row in enumerate((row for row in rows if row not in passing), number + 1)}
        number += len(leaving)
        entering = {row: n for row, n in entering.items() if row not in passing}
        found.append(_band(grid.lines(left, right, passing), entering, leaving, unicode))
        entering = leaving | passing
    return found


def _chosen(cuts: Cuts, end: int, width: int, unicode: bool) -> list[int]:
    """The places that cut into the fewest bands, and through the fewest edges; the start and the end among them."""
    most = sum(len(rows) for rows in cuts.values())
    before, after = (max(len(_mark(min(most, n), side, unicode)) for n in (1, 21, 999)) for side in (1, 0))
    best: dict[int, tuple[int, int, int]] = {
        0: (0, 0, 0)
    }  # bands, edges cut, minus the cut before: the later the better
    for x in sorted([*cuts, end]):
        room = width - (0 if x == end else after)
        ways = [
            (count + 1, crossed + len(cuts.get(x, ())), -place)
            for place, (count, crossed, _) in best.items()
            if x - place >= _LEAST and x - place + (before if place else 0) <= room
        ]
        if ways:
            best[x] = min(ways)
    if end not in best:
        return []
    path = [end]
    while path[-1]:
        path.append(-best[path[-1]][2])
    return path[::-1]


def _band(drawn: list[Line], entering: Mapping[int, int], leaving: Mapping[int, int], unicode: bool) -> list[Line]:
    """One band, with the numbers of its edges in the margins, and without rows that show nothing new."""
    margin = max((len(_mark(n, 1, unicode)) for n in entering.values()), default=0)
    lines: list[Line] = []
    for y, line in enumerate(drawn):
        mark = _mark(entering[y], 1, unicode) if y in entering else ""
        if line or mark:
            line = [(mark.rjust(margin), _STYLE), *line]
        lines.append([*line, (_mark(leaving[y], 0, unicode), _STYLE)] if y in leaving else line)
    lines = [line for i, line in enumerate(lines) if i == 0 or not _repeats(line, lines[i - 1])]
    shown = [y for y, line in enumerate(lines) if line]
    return lines[shown[0] : shown[-1] + 1] if shown else []


def _repeats(line: Line, before: Line) -> bool:
    """True if a row only continues the vertical lines of the row before."""
    text, above = ("".join(piece for piece, _ in row) for row in (line, before))
    return text == above and set(text) <= _UPRIGHT


def _mark(number: int, side: int, unicode: bool) -> str:
    before, after = (_ENDS if unicode else _PLAIN_ENDS)[side]
    return before + (circled(number) if unicode else f"({number})") + after
