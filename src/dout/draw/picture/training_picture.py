"""Rounds of a training, saved: side by side, or one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dout.draw.picture.formats import format_of, kind_for, names
from dout.errors import TargetError
from dout.files import write

if TYPE_CHECKING:
    from dout.draw.paint.training_chart import TrainingChart

SUFFIXES = (".svg", ".html", ".png", ".pdf", ".pptx", ".tex")


def training_suffix(path: Path) -> str:
    """The suffix of a file that can hold rounds of a training. Raises TargetError for another one."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise TargetError(f"{path}: a picture of rounds ends in {', '.join(SUFFIXES)}")
    return suffix


def save_training(chart: TrainingChart, path: Path, *, steps: bool = False, force: bool = False) -> tuple[Path, ...]:
    """Write a chart in the format that the path's suffix names, and return the files written.

    A page (`.html`) plays the rounds, and an SVG does with `steps`. With `steps` other formats have a page, slide or
    file for each. Raises TargetError where the path cannot be written.
    """
    suffix = training_suffix(path)
    plays = suffix == ".html" or (suffix == ".svg" and steps)
    kind = kind_for(path, steps=steps and not plays, force=force)
    if plays:
        from dout.draw.writers.animation import animated_page, animated_svg

        written = animated_page if suffix == ".html" else animated_svg
        contents = [written(chart.frames, chart.look.theme)]
    else:
        drawings = chart.frames if steps else (chart.drawing,)
        contents = format_of(suffix, str(path)).write_drawings(drawings, chart.look)
    files = names(path, len(contents))
    write(files, contents, kind, force=force)
    return files
