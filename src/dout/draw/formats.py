"""What a picture can be written as: one row for each suffix of a file.

A writer turns display lists into bytes: "one" at a time, or "all" of them into the pages of one document. What is
written from the "picture" itself is more, or other, than a drawing: text, a page, the recording.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dout.draw.display import Drawing
from dout.draw.options import Look
from dout.errors import TargetError

if TYPE_CHECKING:
    from dout.draw.picture import Picture


@dataclass(frozen=True)
class Format:
    """How a suffix is written: by the function `write` of a module, which takes one drawing, all, or the picture."""

    module: str
    takes: Literal["one", "all", "picture"]

    def written(self, drawings: Sequence[Drawing], look: Look) -> list[bytes]:
        """The files that these drawings make: one each, or one of all."""
        write: Callable[[Any, Look], bytes] = importlib.import_module(self.module).write
        return [write(drawings, look)] if self.takes == "all" else [write(drawing, look) for drawing in drawings]

    def of_picture(self, picture: Picture) -> bytes:
        """The file that a picture makes."""
        made: bytes = importlib.import_module(self.module).write(picture)
        return made


FORMATS = {
    ".svg": Format("dout.draw.svg", "one"),
    ".html": Format("dout.draw.page", "picture"),
    ".tex": Format("dout.draw.tikz", "one"),
    ".json": Format("dout.draw.recording", "picture"),
    ".txt": Format("dout.draw.terminal", "picture"),
}


def format_of(suffix: str, file: str) -> Format:
    """The format of a file by its suffix. Raises TargetError with those that there are."""
    found = FORMATS.get(suffix.lower())
    if found is None:
        raise TargetError(f"{file}: a picture ends in {', '.join(FORMATS)}")
    return found
