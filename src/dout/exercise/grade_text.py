"""A grade as a person reads it: a line for each credit, and below it the reason where points are missing."""

from __future__ import annotations

from dout.errors import visible
from dout.exercise.grade import Grade
from dout.styled_lines import Line, plain, wrapped

_WIDTH = 100


def grade_lines(grade: Grade, width: int = _WIDTH) -> list[Line]:
    """Return the lines of a grade, with their styles."""
    lines: list[Line] = [[(visible(grade.name), "title"), (f"  {grade.points} of {grade.of} points", "")]]
    for credit in grade.credits:
        mark, style = ("✓", "good") if credit.is_full else ("~", "fair") if credit.points else ("✗", "bad")
        lines.append([("  ", ""), (f"{mark} ", style), (f"{credit.points}/{credit.of}  {credit.what}", "")])
        if credit.why:
            lines.append([("         ", ""), (credit.why, "dim")])
    if grade.changed:
        lines.append([("  ", ""), ("the lines outside of the marks are not those of the sheet as it was made", "fair")])
    return [part for line in lines for part in wrapped(line, width)]


def grade_text(grade: Grade) -> str:
    """Return a grade as plain text."""
    return plain(grade_lines(grade))
