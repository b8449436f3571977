"""What a picture can be written as: one row for each suffix of a file.

A writer turns display lists into bytes: "one" at a time, "each" of them into a file of its own, or "all" of them into
the pages of one document. What is written from the "picture" itself is more, or other, than a drawing: text, a page,
the recording.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from dout.draw.display import Drawing
from dout.draw.options import Look
from dout.errors import TargetError, needs

if TYPE_CHECKING:
    from dout.draw.picture import Picture


@dataclass(frozen=True)
class Format:
    """How a suffix is written: by the function `write` of a module, which takes drawings or the picture.

    `needs` is a package that not every install has, of `errors.EXTRAS`; without `steps` it shows the whole run only.
    """

    module: str
    takes: Literal["one", "each", "all", "picture"]
    needs: str = ""
    steps: bool = True

    def written(self, drawings: Sequence[Drawing], look: Look) -> list[bytes]:
        """The files that these drawings make: one each, or one of all."""
        write: Callable[[Any, Look], Any] = importlib.import_module(self.module).write
        if self.takes == "one":
            return [write(drawing, look) for drawing in drawings]
        return [write(drawings, look)] if self.takes == "all" else write(drawings, look)

    def of_picture(self, picture: Picture) -> bytes:
        """The file that a picture makes."""
        made: bytes = importlib.import_module(self.module).write(picture)
        return made


FORMATS = {
    ".svg": Format("dout.draw.svg", "one"),
    ".png": Format("dout.draw.png", "each", needs="resvg_py"),
    ".pdf": Format("dout.draw.pdf", "all", needs="reportlab"),
    ".html": Format("dout.draw.page", "picture"),
    ".pptx": Format("dout.draw.pptx", "all", needs="pptx"),
    ".tex": Format("dout.draw.tikz", "one"),
    ".dot": Format("dout.draw.dot", "picture", steps=False),
    ".json": Format("dout.draw.recording", "picture", steps=False),
    ".txt": Format("dout.draw.terminal", "picture", steps=False),
}


def format_of(suffix: str, file: str) -> Format:
    """The format of a file by its suffix. Raises TargetError with those that there are, or with what it needs."""
    found = FORMATS.get(suffix.lower())
    if found is None:
        raise TargetError(f"{file}: a picture ends in {', '.join(FORMATS)}")
    if found.needs and find_spec(found.needs) is None:
        raise TargetError(needs(f"a {suffix.lower()} picture", found.needs))
    return found
