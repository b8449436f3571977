"""Rounds of a training, saved: side by side, or one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dout.draw.picture.formats import format_of, kind_for, names
from dout.errors import TargetError
from dout.files import Kind, write

if TYPE_CHECKING:
    from dout.draw.paint.training_chart import TrainingChart

SUFFIXES = (".svg", ".html", ".png", ".pdf", ".pptx", ".tex")


def chart_kind(path: Path, *, steps: bool, force: bool) -> Kind:
    """The kind of a file that is to hold rounds of a training. Raises TargetError where it cannot be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise TargetError(f"{path}: a picture of rounds ends in {', '.join(SUFFIXES)}")
    return kind_for(path, steps=steps and not _plays(path, steps), force=force)


def save_training(chart: TrainingChart, path: Path, *, steps: bool, force: bool) -> tuple[Path, ...]:
    """Write a chart in the format that the path's suffix names, and return the files written.

    A page (`.html`) plays the rounds, and an SVG does with `steps`. With `steps` other formats have a page, slide or
    file for each. Raises TargetError where the path cannot be written.
    """
    kind, suffix = chart_kind(path, steps=steps, force=force), path.suffix.lower()
    if _plays(path, steps):
        from dout.draw.writers.animation import animated_page, animated_svg

        written = animated_page if suffix == ".html" else animated_svg
        contents = [written(chart.frames, chart.look.theme)]
    else:
        drawings = chart.frames if steps else (chart.drawing,)
        contents = format_of(suffix, str(path)).write_drawings(drawings, chart.look)
    files = names(path, len(contents))
    write(files, contents, kind, force=force)
    return files


def _plays(path: Path, steps: bool) -> bool:
    return path.suffix.lower() == ".html" or (path.suffix.lower() == ".svg" and steps)
