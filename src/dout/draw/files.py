"""Where a picture is written: checked before any work is done, and whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dout.draw.formats import FORMATS, Format, format_of
from dout.errors import TargetError


def format_for(path: Path, *, steps: bool = False) -> Format:
    """The format of a file that is to be written, with a picture of each step or of the whole.

    Raises TargetError where its suffix is none of ours, a package is missing, or the path can be none of a new file.
    """
    form = format_of(path.suffix, str(path))
    if steps and not form.steps:
        others = ", ".join(suffix for suffix, other in FORMATS.items() if other.steps)
        raise TargetError(f"a {path.suffix} picture has no steps; these have: {others}")
    refuse(path)
    return form


def refuse(path: Path) -> None:
    """Raise TargetError where a path can be none of a new file."""
    try:
        if path.is_dir():
            raise TargetError(f"{path} cannot be written: it is a folder")
        if not path.parent.is_dir():
            raise TargetError(f"{path} cannot be written: there is no folder {path.parent}")
        if path.exists() and not os.access(path, os.W_OK):
            raise TargetError(f"{path} cannot be written: it is read-only")
    except OSError as error:
        raise _refused(path, error) from None


def names(path: Path, count: int) -> tuple[Path, ...]:
    """The files of a picture that takes so many: the path itself, or one numbered from 0 for each step.

    >>> [str(name) for name in names(Path("fig.svg"), 3)]
    ['fig-0.svg', 'fig-1.svg', 'fig-2.svg']
    """
    digits = len(str(count - 1))
    return tuple(path.with_stem(f"{path.stem}-{i:0{digits}}") if count > 1 else path for i in range(count))


def write(files: Sequence[Path], contents: Sequence[bytes]) -> None:
    """Write all of the files; or, where that is not possible, none, leave what was there, and raise TargetError."""
    made: list[tuple[Path, Path]] = []
    try:
        for file, content in zip(files, contents, strict=True):
            place = file.resolve()  # what a link points to, not the link
            if place.exists() and not place.is_file():
                place.write_bytes(content)  # a pipe or a device
                continue
            draft = place.with_name(f".dout-{os.getpid()}-{len(made)}")
            made.append((draft, place))
            draft.write_bytes(content)
            if place.exists():
                shutil.copymode(place, draft)
        for draft, place in made:
            draft.replace(place)
    except OSError as error:
        raise _refused(files[0], error) from None
    finally:
        for draft, _ in made:
            if draft.exists():
                draft.unlink()


def _refused(path: Path, error: OSError) -> TargetError:
    return TargetError(f"{path} cannot be written: {error.strerror or error}")
