"""What stands beside a sheet: the picture of its forward, or of what is wrong, and hints.

A sheet is somebody's code. It runs in a process of its own, with the limits under which `dout check` runs code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from dout.adapt import example, record_example
from dout.draw import draw
from dout.errors import DoutError
from dout.exercise.hints import hint_on, most_degree
from dout.exercise.sheet import Sheet
from dout.exercise.sheet_runs import apart
from dout.trace.record.trace_reader import from_document


@cache
def forward_picture(text: str) -> str:
    """The forward of a sheet as SVG; nothing where it cannot be drawn."""
    return apart(_drawn, Sheet.read(text, "the sheet"))


@cache
def hint_text(text: str, degree: int) -> str:
    """A hint for a sheet, as text."""
    sheet = Sheet.read(text, "the sheet")
    made = apart(_hinted, sheet, min(degree, most_degree(sheet)))
    return made or "There is no hint for this sheet: its forward does not run, or has no formula."


def wrong_picture(document: Mapping[str, Any]) -> str:
    """A recording in which a gradient is wrong, as SVG."""
    try:
        return draw(from_document(dict(document))).svg()
    except DoutError:
        return ""


def _drawn(found: Any) -> str:
    known = example(found, {}, {})
    return draw(record_example(found, known.init, known.inputs)[0]).svg()


def _hinted(found: Any, degree: int) -> str:
    return hint_on(found, degree, width=72)
