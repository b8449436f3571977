"""The formats of pictures: one row for each suffix of a file.

A writer turns display lists into bytes: "one" at a time, "each" of them into a file of its own, or "all" of them into
the pages of one document. Text, a page and DOT are not display lists: their writers take the "picture" itself, and the
writer of documents takes its "trace".
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dout.errors import TargetError, needs
from dout.files import HTML_MARK, SVG_MARK, Kind, refuse
from dout.trace.model.trace_writer import DOCUMENT

if TYPE_CHECKING:
    from dout.draw.paint.display_list import Drawing
    from dout.draw.paint.pictured import Pictured
    from dout.draw.view_options import Look


_FONTS = ("fontTools", "bidi", "arabic_reshaper")


@dataclass(frozen=True)
class Format:
    """The writer of a suffix: a function, "module:name", that takes drawings, the picture, or its trace.

    `mark` tells a file that dout wrote; `needs` are modules that not every install has, of `errors.EXTRAS`; without
    `steps` it shows the whole run only. One that is `bounded` leaves out what would make it too large.
    """

    writer: str
    takes: Literal["one", "each", "all", "picture", "trace"]
    mark: bytes
    needs: tuple[str, ...] = ()
    steps: bool = True
    bounded: bool = False

    def write(self, picture: Pictured, *, steps: bool = False) -> list[bytes]:
        """The files of a picture, or of its steps: one file for each step, or one for all."""
        if self.takes in ("picture", "trace"):
            return [self._write(picture if self.takes == "picture" else picture.trace)]
        if self.bounded:
            from dout.draw.picture.bounded import bounded

            picture = bounded(picture)
        return self.write_drawings(picture.frames if steps else (picture.drawing,), picture.look)

    def write_drawings(self, drawings: Sequence[Drawing], look: Look) -> list[bytes]:
        """The files that display lists make: one each, or one for all."""
        if self.takes == "one":
            return [self._write(drawing, look) for drawing in drawings]
        found: list[bytes] = [self._write(drawings, look)] if self.takes == "all" else self._write(drawings, look)
        return found

    @property
    def _write(self) -> Callable[..., Any]:
        module, _, name = self.writer.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found


FORMATS = {
    ".svg": Format("dout.draw.writers.svg:write", "one", SVG_MARK, bounded=True),
    ".png": Format(
        "dout.draw.writers.png:write", "each", rb"\A\x89PNG.{,150}tEXtSoftware\0dout", needs=("resvg_py", *_FONTS)
    ),
    ".pdf": Format("dout.draw.writers.pdf:write", "all", rb"\A%PDF-.*\n% dout\n\Z", needs=("reportlab", *_FONTS)),
    ".html": Format("dout.draw.page:write", "picture", HTML_MARK),
    ".pptx": Format("dout.draw.writers.pptx:write", "all", rb"\APK.*dout\Z", needs=("pptx",)),
    ".tex": Format(
        "dout.draw.writers.tikz:write", "one", rb"\A%[^\n]*\n% Compile it, or \\input it into a paper that uses tikz"
    ),
    ".json": Format("dout.trace.model.trace_writer:to_json", "trace", DOCUMENT.mark, steps=False),
    ".txt": Format("dout.draw.terminal.terminal:write", "picture", rb"\ndrawn by dout\n\Z", steps=False),
}


def format_of(suffix: str, file: str) -> Format:
    """The format of a file by its suffix. Raises TargetError, which names all formats, or a missing package."""
    found = FORMATS.get(suffix.lower())
    if found is None:
        raise TargetError(f"{file}: a picture ends in {', '.join(FORMATS)}")
    for module in found.needs:
        if find_spec(module) is None:
            raise TargetError(needs(f"a {suffix.lower()} picture", module))
    return found


def kind_for(path: Path, *, steps: bool, force: bool, inputs: Iterable[str | Path] = ()) -> Kind:
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
