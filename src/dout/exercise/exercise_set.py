"""The exercises that dout ships, in the order of the slides and the book: classes with forward, and no backward."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dout.errors import SheetError, visible
from dout.exercise.blanks import blanked
from dout.exercise.sheet import Sheet

_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (_PACKAGE / "exercises", _PACKAGE.parents[1] / "exercises")  # installed; in a working copy


@dataclass(frozen=True)
class Exercise:
    """An exercise of the set: its number, its class, and what it is about in one line."""

    number: int
    name: str
    about: str
    text: str

    @property
    def sheet(self) -> Sheet:
        """The sheet to fill in."""
        return blanked(self.text, self.name)


@cache
def exercises() -> tuple[Exercise, ...]:
    """Return all exercises, in their order."""
    files = sorted({file.name: file for folder in reversed(FOLDERS) for file in folder.glob("[0-9]*.py")}.items())
    found = []
    for name, file in files:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        about = (ast.get_docstring(tree) or "").splitlines()[0]
        (own,) = (item.name for item in tree.body if isinstance(item, ast.ClassDef))
        found.append(Exercise(int(name.partition("_")[0]), own, about, text))
    return tuple(found)


def exercise_named(word: str) -> Exercise:
    """Return the exercise of a name or number. Raises SheetError where there is none."""
    for exercise in exercises():
        if word.lower() == exercise.name.lower() or (word.isdecimal() and int(word) == exercise.number):
            return exercise
    raise SheetError(
        f"there is no exercise {visible(word)}; dout exercise list prints all {len(exercises())}; "
        "for a class of your own write FILE.py:NAME"
    )
