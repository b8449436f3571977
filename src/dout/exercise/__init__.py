"""A class with forward and backward in; an exercise on it, the grade of an answer, and hints, out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dout.exercise.notebook_grade import expect, grade_of, points
    from dout.exercise.prairielearn_question import grade_job

__all__ = [
    "blanks", "exercise_set", "expect", "grade", "grade_job", "grade_of", "grade_text", "hints", "notebook_sheets",
    "points", "prairielearn_question", "sheet", "sheet_runs", "step_sheets",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "grade_job":
        return getattr(importlib.import_module("dout.exercise.prairielearn_question"), name)
    if name in ("expect", "grade_of", "points"):
        return getattr(importlib.import_module("dout.exercise.notebook_grade"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
