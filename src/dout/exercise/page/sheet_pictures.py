"""What stands beside a sheet: the picture of its forward, or of what is wrong, and hints."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dout.adapt import example, record_example
from dout.draw import draw
from dout.errors import DoutError
from dout.exercise.hints import hinted
from dout.exercise.sheet import Sheet
from dout.explain.derivation.derivation import explained
from dout.explain.formats.terminal_lines import render
from dout.trace.record.script import load_file
from dout.trace.record.trace_reader import from_document


def _class_of(text: str) -> Any:
    """The class of a sheet that nobody has written into."""
    with tempfile.TemporaryDirectory(prefix="dout-exercise-") as folder:
        file = Path(folder, "sheet.py")
        file.write_text(text, encoding="utf-8")
        sheet = Sheet.read(text, "the sheet")
        found = getattr(load_file(str(file), sheet.name), sheet.name)
    for answer in sheet.answers:
        if answer.label != "forward" and answer.label in vars(found):
            delattr(found, answer.label)  # it would raise that it is not written
    return found


@cache
def forward_picture(text: str) -> str:
    """The forward of a sheet as SVG; nothing where it cannot be drawn."""
    try:
        found = _class_of(text)
        known = example(found, {}, {})
        return draw(record_example(found, known.init, known.inputs)[0]).svg()
    except DoutError:
        return ""


@cache
def hint_text(text: str, degree: int) -> str:
    """A hint for a sheet, as text."""
    return render(hinted(explained(_class_of(text), {}, {}), degree), width=72)


def wrong_picture(document: Mapping[str, Any]) -> str:
    """A recording in which a gradient is wrong, as SVG."""
    try:
        return draw(from_document(dict(document))).svg()
    except DoutError:
        return ""
