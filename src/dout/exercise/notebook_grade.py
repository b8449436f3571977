"""A class that a cell of a notebook has defined in; the grade of the sheet in that cell out."""

from __future__ import annotations

import linecache
import sys
from dataclasses import fields
from functools import lru_cache

from dout.errors import SheetError
from dout.exercise.grade import Grade, graded
from dout.exercise.grade_text import grade_lines, grade_text
from dout.exercise.sheet import Sheet
from dout.styled_lines import in_notebook


class ShownGrade(Grade):
    """A grade that a notebook shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return grade_text(self)

    def _repr_html_(self) -> str:
        return in_notebook(grade_lines(self))


def grade_of(layer: type) -> ShownGrade:
    """Return the grade of a class whose cell, or file, is a sheet. Raises SheetError where it is none.

    The text is graded, in a process of its own: what other cells have done to the class does not count.
    """
    for item in vars(layer).values():
        if (code := getattr(item, "__code__", None)) is not None:
            return _grade_of_text("".join(linecache.getlines(code.co_filename)), f"the cell of {layer.__name__}")
    raise SheetError(f"{layer.__name__} has no method: run the cell with the class")


@lru_cache(maxsize=8)
def _grade_of_text(text: str, where: str) -> ShownGrade:
    """The grade of a text: graders ask for the same one several times."""
    grade = graded(Sheet.read(text, where))
    return ShownGrade(**{field.name: getattr(grade, field.name) for field in fields(Grade)})


def points(layer: type, most: float = 1.0) -> float:
    """Return the points of a class, of `most`; what is missing, and why, is printed. A grader reads the number."""
    grade = grade_of(layer)
    sys.stdout.write(f"{grade!r}\n")
    return round(most * grade.points / grade.of, 2)


def expect(layer: type, share: float = 1.0) -> None:
    """Raise AssertionError, which says what is missing, where a class has less than this share of its points."""
    grade = grade_of(layer)
    if grade.points < share * grade.of:
        raise AssertionError(f"\n{grade!r}")
