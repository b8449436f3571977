"""The cache folder: files that are whole and the user's own, or not there at all."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

MAGIC = b"dout 1\n"
OTHERS = stat.S_IWGRP | stat.S_IWOTH
MOST = 1_000_000_000  # bytes of all files; beyond, those go that nobody has read for longest


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
    """Keep `content` for `read`; a `plain` file is for people, as it is. Readers see all of it or nothing.

    Where that cannot be done (a read-only folder, a full disk), a warning says it once, and nothing is kept.
    """
    temporary = None
    try:
        folder = root()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _own(folder.stat()):
            _warn(f"{folder} is another user's, or others can write there: nothing is kept in it")
            return
        handle, temporary = tempfile.mkstemp(prefix=".", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content if plain else MAGIC + sha256(content).digest() + content)
        Path(temporary).replace(folder / name)
        _trim(folder)
    except (OSError, RuntimeError) as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        _warn(f"nothing is kept for the next time: {error}; set DOUT_CACHE_DIR to a folder of yours")


def _own(status: os.stat_result) -> bool:
    """Whether only this user, or root, can have written it: kernels in it run as machine code."""
    return not hasattr(os, "geteuid") or (status.st_uid in (os.geteuid(), 0) and not status.st_mode & OTHERS)


@cache
def _trim(folder: Path) -> None:
    """Once in a process, remove the files that were not read for longest, until half of what may be there is left."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                found.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
    left = sum(size for _, size, _ in found)
    for _, size, path in sorted(found) if left > MOST else ():
        if left > MOST // 2:
            left -= size
            with suppress(OSError):
                Path(path).unlink()


@cache
def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)
