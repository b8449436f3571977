"""A class with forward and backward in; an exercise on it, the grade of an answer, and hints, out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dout.exercise.notebook_grade import expect, grade_of, points

__all__ = [
    "blanks", "exercise_set", "expect", "grade", "grade_of", "grade_text", "hints", "notebook_sheets", "points",
    "sheet",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("expect", "grade_of", "points"):
        return getattr(importlib.import_module("dout.exercise.notebook_grade"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
