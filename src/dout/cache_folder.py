"""The cache folder: files that are whole and the user's own, or not there at all.

Kernels and what checks have found lie here. The user may have named a folder that holds other files, too: dout counts
and removes only what it has written itself, and knows it by a mark at the beginning, or at the end of a plain text.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

MAGIC = b"dout 1\n"
PLAIN = b"\n# kept by dout\n"
OTHERS = stat.S_IWGRP | stat.S_IWOTH
MOST = 1_000_000_000  # bytes of all files, unless DOUT_CACHE_SIZE says otherwise
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNFINISHED = ".dout-"  # how the name of a file begins while it is written
_LONG = 3600  # seconds: a file that is unfinished for longer was left by a process that ended
_to_write: dict[Path, float] = {}  # bytes that this process may still write before it looks at the limit again


@dataclass(frozen=True)
class CacheEntry:
    """Files of one name: machine code with its text, or a single file."""

    name: str  # without a suffix
    files: tuple[Path, ...]
    nbytes: int
    since: float  # seconds since 1970: written
    used: float  # last written or read


def root() -> Path:
    """`DOUT_CACHE_DIR`, or dout's place in the folder that this platform has for caches."""
    named = os.environ.get("DOUT_CACHE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dout" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dout"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dout"


def limit() -> float:
    """The bytes that may be kept: `DOUT_CACHE_SIZE` (500M, 2G, or a number of bytes; 0: nothing is kept)."""
    text = os.environ.get("DOUT_CACHE_SIZE", "").strip()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text, re.IGNORECASE)
    if text and found is None:
        _warn(f"DOUT_CACHE_SIZE is {text!r}, which is no size; write a number and a unit: DOUT_CACHE_SIZE=500M")
    return float(found[1]) * _UNITS[found[2].upper()] if found else MOST


def read(name: str) -> bytes | None:
    """What `write` kept under this name, or None. Removes a damaged file; reads none that others could write."""
    try:
        path = root() / name
        with path.open("rb") as file:
            if not (_own(os.fstat(file.fileno())) and _own(path.parent.stat())):
                _warn(f"{root()} is another user's, or others can write there: nothing in it is used")
                return None
            data = file.read()
        with suppress(OSError):
            os.utime(path)  # it is in use
    except (OSError, RuntimeError):  # not there; or the user has no home
        return None
    start = len(MAGIC) + 32
    if data[:start] == MAGIC + sha256(data[start:]).digest():
        return data[start:]
    with suppress(OSError):
        path.unlink()
    return None


def write(name: str, content: bytes, *, plain: bool = False) -> None:
    """Keep `content` for `read`; a `plain` file is a text for people. Readers see all of it or nothing.

    Where that cannot be done (a read-only folder, a full disk), a warning says it once, and nothing is kept.
    """
    temporary = None
    try:
        folder, most = root(), limit()
        content = content + PLAIN if plain else MAGIC + sha256(content).digest() + content
        if len(content) > most:
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _own(folder.stat()):
            _warn(f"{folder} is another user's, or others can write there: nothing is kept in it")
            return
        handle, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(folder / name)
        _to_write[folder] = _to_write.get(folder, 0) - len(content)
        if _to_write[folder] < 0:
            _trim(folder, most)
            _to_write[folder] = most / 10
    except (OSError, RuntimeError) as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        _warn(f"nothing is kept for the next time: {error}; set DOUT_CACHE_DIR to a folder of yours")


def _own(status: os.stat_result) -> bool:
    """Whether only this user, or root, can have written it: kernels in it run as machine code."""
    return not hasattr(os, "geteuid") or (status.st_uid in (os.geteuid(), 0) and not status.st_mode & OTHERS)


def kept() -> list[CacheEntry]:
    """What lies in the folder, those first that nobody has used for longest. Others may write and remove meanwhile."""
    found: dict[str, list[tuple[Path, os.stat_result]]] = {}
    for path in _files(root()):
        with suppress(OSError):
            file = path, path.stat()  # before there is a place for it: it may be gone
            found.setdefault(path.stem, []).append(file)
    entries = [
        CacheEntry(
            name,
            tuple(path for path, _ in files),
            sum(status.st_size for _, status in files),
            min(status.st_mtime for _, status in files),
            max(status.st_mtime for _, status in files),
        )
        for name, files in found.items()
    ]
    return sorted(entries, key=lambda one: one.used)


def clear() -> list[CacheEntry]:
    """Remove what dout keeps, and return it. The folder stays, and all that is not dout's."""
    entries = kept()
    for entry in entries:
        _remove(entry)
    return entries


def _files(folder: Path) -> Iterator[Path]:
    """The files in it that dout has written."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False) and _is_ours(Path(entry.path)):
                    yield Path(entry.path)


def _is_ours(path: Path) -> bool:
    """Whether dout has written the file; one that is being written is left alone."""
    if path.name.startswith(_UNFINISHED):
        return time.time() - path.stat().st_mtime > _LONG
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return True
        if file.seek(0, os.SEEK_END) < len(PLAIN):
            return False
        file.seek(-len(PLAIN), os.SEEK_END)
        return file.read() == PLAIN


def _remove(entry: CacheEntry) -> None:
    for path in entry.files:
        with suppress(OSError):  # another process was faster, or has it open
            path.unlink()


def _trim(folder: Path, most: float) -> None:
    """Where more is kept than may be, remove what nobody has used for longest, until half of that is left."""
    with suppress(OSError), os.scandir(folder) as entries:
        if sum(entry.stat(follow_symlinks=False).st_size for entry in entries) <= most:
            return  # one look, without opening a file
    entries_of_ours = kept()
    left = sum(entry.nbytes for entry in entries_of_ours)
    for entry in entries_of_ours if left > most else ():
        if left > most / 2:
            left -= entry.nbytes
            _remove(entry)


@cache
def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)
