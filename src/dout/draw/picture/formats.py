"""What a picture can be written as: one row for each suffix of a file.

A writer turns display lists into bytes: "one" at a time, "each" of them into a file of its own, or "all" of them into
the pages of one document. What is written from the "picture" itself is more, or other, than a drawing: text, a page,
the recording.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dout.draw.paint.display_list import Drawing
from dout.draw.view_options import Look
from dout.errors import TargetError, needs
from dout.files import HTML_MARK, SVG_MARK, Kind, refuse
from dout.trace.model.trace_writer import DOCUMENT

if TYPE_CHECKING:
    from dout.draw.paint.pictured import Pictured


@dataclass(frozen=True)
class Format:
    """How a suffix is written: by the function `write` of a module, which takes drawings or the picture.

    `mark` is what tells a file that dout wrote; `needs` is a package that not every install has, of `errors.EXTRAS`;
    without `steps` it shows the whole run only.
    """

    module: str
    takes: Literal["one", "each", "all", "picture"]
    mark: bytes
    needs: str = ""
    steps: bool = True

    def written(self, drawings: Sequence[Drawing], look: Look) -> list[bytes]:
        """The files that these drawings make: one each, or one of all."""
        write: Callable[[Any, Look], Any] = importlib.import_module(self.module).write
        if self.takes == "one":
            return [write(drawing, look) for drawing in drawings]
        return [write(drawings, look)] if self.takes == "all" else write(drawings, look)

    def of_picture(self, picture: Pictured) -> bytes:
        """The file that a picture makes."""
        made: bytes = importlib.import_module(self.module).write(picture)
        return made


FORMATS = {
    ".svg": Format("dout.draw.writers.svg", "one", SVG_MARK),
    ".png": Format("dout.draw.writers.png", "each", rb"\A\x89PNG.{,150}tEXtSoftware\0dout", needs="resvg_py"),
    ".pdf": Format("dout.draw.writers.pdf", "all", rb"\A%PDF-.*\n% dout\n\Z", needs="reportlab"),
    ".html": Format("dout.draw.page", "picture", HTML_MARK),
    ".pptx": Format("dout.draw.writers.pptx", "all", rb"\APK.*dout\Z", needs="pptx"),
    ".tex": Format(
        "dout.draw.writers.tikz", "one", rb"\A%[^\n]*\n% Compile it, or \\input it into a paper that uses tikz"
    ),
    ".dot": Format("dout.draw.writers.dot", "picture", rb"\Adigraph dout \{", steps=False),
    ".json": Format("dout.draw.writers.document_file", "picture", DOCUMENT.mark, steps=False),
    ".txt": Format("dout.draw.terminal.terminal", "picture", rb"\ndrawn by dout\n\Z", steps=False),
}


def format_of(suffix: str, file: str) -> Format:
    """The format of a file by its suffix. Raises TargetError with those that there are, or with what it needs."""
    found = FORMATS.get(suffix.lower())
    if found is None:
        raise TargetError(f"{file}: a picture ends in {', '.join(FORMATS)}")
    if found.needs and find_spec(found.needs) is None:
        raise TargetError(needs(f"a {suffix.lower()} picture", found.needs))
    return found


def kind_for(path: Path, *, steps: bool = False, inputs: Iterable[str | Path] = (), force: bool = False) -> Kind:
    """The kind of a file that is to be written, with a picture of each step or of the whole.

    Raises TargetError where its suffix is none of ours, a package is missing, or `files.refuse` refuses it.
    """
    form, suffix = format_of(path.suffix, str(path)), path.suffix.lower()
    if steps and not form.steps:
        others = ", ".join(suffix for suffix, other in FORMATS.items() if other.steps)
        raise TargetError(f"a {path.suffix} picture has no steps; these have: {others}")
    kind = Kind(f"a {suffix} picture", (suffix,), form.mark)
    numbered = steps and form.takes in ("one", "each")  # each step has a file of its own, and nobody this name
    refuse(path, kind, inputs=inputs, force=force or numbered)
    return kind


def names(path: Path, count: int) -> tuple[Path, ...]:
    """The files of a picture that takes so many: the path itself, or one numbered from 0 for each step.

    >>> [str(name) for name in names(Path("fig.svg"), 3)]
    ['fig-0.svg', 'fig-1.svg', 'fig-2.svg']
    """
    digits = len(str(count - 1))
    return tuple(path.with_stem(f"{path.stem}-{i:0{digits}}") if count > 1 else path for i in range(count))
