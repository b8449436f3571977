"""The files that commands read and write: nothing but regular files is opened, and only dout's own are written over.

Every output of dout goes through `write`; a test holds that. What is kept for the next time is in `cache_folder`.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import stat
import tokenize
from base64 import b64encode
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dout.errors import TargetError, is_cell, visible

SVG_MARK = rb'\A<svg [^>]*"dout-'  # of pictures and charts: an id or a class of ours
HTML_MARK = rb'\A<!doctype html>.{,400}<meta name="generator" content="dout">'  # of pages and reports
KNOWN_TEXT = "dout.source"  # the audit event of a file that is asked for again, and not opened: its text is known
_HEAD = 1 << 16  # bytes at either end of a file, in which its mark is looked for


@dataclass(frozen=True)
class Kind:
    """A kind of file that dout writes: what it is called, its suffixes, and the mark by which dout knows its own.

    The mark is a regular expression for the first and the last bytes of a file.
    """

    name: str
    suffixes: tuple[str, ...]
    mark: bytes


CHART = Kind("a chart", (".svg",), SVG_MARK)


def regular(path: str | Path) -> Path:
    """The path of a regular file, which can be read to its end. Raises OSError that says what else it is.

    A named pipe would wait for someone who writes, and a device may never end.
    """
    try:
        status = Path(path).stat()
    except OSError:
        if os.path.islink(path):  # noqa: PTH114 - also where a path is no text that can be one
            raise OSError("it is a link that leads nowhere") from None
        raise
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"it is {_what(status.st_mode)}, not a file")
    return Path(path)


def is_there(path: str | Path) -> bool:
    """Whether there is something of this name, a link that leads nowhere included."""
    return os.path.lexists(path)


def text_of(path: str | Path) -> str:
    """The text of a Python file, in the encoding that it declares. Raises OSError, SyntaxError and ValueError."""
    try:
        with tokenize.open(regular(path)) as file:
            return file.read()
    except LookupError as error:  # what it declares is a codec, and none of text
        raise ValueError(str(error)) from None


def lines_of(text: str) -> list[str]:
    r"""The lines of a text with their endings, as Python counts them: a form feed ends none.

    >>> lines_of("a\x0c\nb")
    ['a\x0c\n', 'b']
    """
    return list(io.StringIO(text))


def dedented(text: str) -> str:
    r"""The source of a method or an inner function, moved to the margin by the indentation of its first line.

    `textwrap.dedent` moves nothing where a comment stands further to the left.

    >>> dedented("    def f(x):\n#        return 1\n        return x\n")
    'def f(x):\n#        return 1\n    return x\n'
    """
    indentation = text[: len(text) - len(text.lstrip(" \t"))]
    return "".join(line.removeprefix(indentation) for line in text.splitlines(keepends=True))


def policy_source(text: str) -> str:
    """What a page's policy calls a style or script that it allows: its hash (W3C, Content Security Policy 3)."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def page_policy(styles: Iterable[str], script: str) -> str:
    """The policy of a page that may apply these styles and run this script. No network, no forms, no frames."""
    allowed = f"script-src {policy_source(script)}; style-src {' '.join(map(policy_source, styles))}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _what(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def refuse(path: Path, kind: Kind, *, inputs: Iterable[str | Path] = (), force: bool = False) -> None:
    """Raise TargetError where a file of this kind may not be written: before any work is done.

    That is one of the `inputs`, by whatever path; one of another suffix; no regular file; a file that dout did not
    write and that is not empty, unless `force` says to replace it.
    """
    if path.suffix.lower() not in kind.suffixes:
        ends = " or ".join(kind.suffixes)
        raise _refused(path, f"{kind.name} ends in {ends}")
    try:
        place = _place(path)
        if not place.parent.is_dir():
            raise _refused(path, f"there is no folder {path.parent if place == path.absolute() else place.parent}")
        if not os.access(place.parent, os.W_OK):
            raise _refused(path, f"no file can be made in the folder {path.parent}")
        if not place.exists():
            return
        if not place.is_file():
            raise _refused(path, f"it is {_what(place.stat().st_mode)}")
        if any(Path(other).exists() and place.samefile(other) for other in inputs):
            raise _refused(path, "it is one of the files that are read; write to another one")
        if not (os.access(place, os.W_OK) and place.stat().st_mode & stat.S_IWUSR):  # root may write all the same
            raise _refused(path, "it is read-only")
        if not force and not _is_ours(place, kind):
            other = f"the file there is not {kind.name} by dout"
            raise _refused(path, f"{other}; --force (in Python force=True) replaces it")
    except (OSError, ValueError) as error:
        raise _refused(path, error) from None


def _place(path: Path) -> Path:
    """What a path, or the link that it is, stands for. Raises OSError for links that lead in a circle."""
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise OSError("it is a link that leads back to itself")
    return place


def _is_ours(path: Path, kind: Kind) -> bool:
    """Whether dout wrote a file, or there is nothing in it."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(file.seek(0, os.SEEK_END) - _HEAD, len(head)))
        return not head or re.search(kind.mark, head + file.read(), re.DOTALL) is not None


def write(
    files: Sequence[Path], contents: Sequence[bytes], kind: Kind, *,
    inputs: Iterable[str | Path] = (), force: bool = False, durable: bool = False,
) -> None:  # fmt: skip
    """Write all of the files; or, where that is not possible, none, leave what was there, and raise TargetError.

    What may not be written over is what `refuse` says. A file is there as a whole or not at all; a link stays a link,
    and who may read a file stays as it was. `durable` files are on the disk before they take the place of others, so
    that a machine that stops leaves one or the other.
    """
    inputs = tuple(inputs)
    for file in files:
        refuse(file, kind, inputs=inputs, force=force)
    made: list[tuple[Path, Path]] = []
    try:
        for file, content in zip(files, contents, strict=True):
            place = _place(file)
            draft = place.with_name(f".dout-{secrets.token_hex(8)}")
            made.append((draft, place))
            with draft.open("xb") as opened:
                opened.write(content)
                if durable:
                    opened.flush()
                    os.fsync(opened.fileno())
            if place.exists():
                _as_it_was(place, draft)
        for draft, place in made:
            draft.replace(place)
            if durable:
                _sync_folder(place.parent)
    except OSError as error:
        raise _refused(files[0], error) from None
    finally:
        for draft, _ in made:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def remove_drafts(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote here."""
    for draft in folder.glob(".dout-*"):
        if re.fullmatch(r"\.dout-[0-9a-f]{16}", draft.name):
            with suppress(OSError):
                draft.unlink()


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can do that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _as_it_was(place: Path, draft: Path) -> None:
    """Give a draft the owner and the permissions of the file that it replaces."""
    status = place.stat()
    if hasattr(os, "chown") and (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
        with suppress(OSError):
            os.chown(draft, status.st_uid, status.st_gid)
    shutil.copymode(place, draft)


def _refused(path: Path, why: str | Exception) -> TargetError:
    said = (why.strerror or str(why)) if isinstance(why, OSError) else str(why)
    return TargetError(visible(f"{path} cannot be written: {said}"))


def shown_place(file: str | None, line: int | None) -> str:
    """`file:line`, the file as seen from the working folder where it lies below; of a cell, its line alone."""
    if not file:
        return ""
    if line and is_cell(file):
        return f"line {line} of its cell"
    return visible(f"{near(file)}:{line}" if line else near(file))


def near(file: str) -> str:
    """A path relative to the working folder where it lies below it, with forward slashes."""
    try:
        return Path(file).absolute().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return file
