"""Answers that are kept for the next time: one stands as long as all that was read for it is as it was then.

Whoever asks says what decides the answer besides files: settings, places. What is read is heard, not guessed: Python
tells of every file that it opens and of every folder that it lists (`sys.addaudithook`), also where there is none. The
version of dout, of Python and of the libraries is part of every question. Environment variables, the clock, and what
code that is not Python reads by itself go unnoticed.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from dout import cache_folder
from dout.files import KNOWN_TEXT

OFF = "DOUT_NO_CACHE"  # the environment variable that turns it off
read: set[str] = set()  # by this process: every path, whether there is something or nothing

_LARGE = 64_000_000  # bytes of a file that is known by its size and its times alone
_CLOCK = 0.02  # seconds by which a file's time may be behind the clock
_EVENTS = {"open": 0, "os.listdir": 0, "os.scandir": 0, "import": 1, "ctypes.dlopen": 0, KNOWN_TEXT: 0}
_NOT_READ = os.O_WRONLY | getattr(os, "O_PATH", 0)  # flags
_listeners: list[Callable[[str], object]] = []
_CHANGED = "changed"  # the signature of what changed while it was read: it fits nothing
_OURS = str(Path(__file__).parents[2])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def is_on() -> bool:
    """Whether answers are kept and used."""
    return not os.environ.get(OFF)


def listen(tell: Callable[[str], object] = lambda path: None) -> None:
    """From now on note what this process reads, and `tell` of each path once. What is known is another process's."""
    read.clear()
    _listeners[:] = [tell]
    _add_hook()


@cache
def _add_hook() -> None:
    sys.addaudithook(_hear)  # a process that is forked has it, too


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    place = _EVENTS.get(event)
    if place is None or (event == "open" and (arguments[2] or 0) & _NOT_READ):
        return
    path = "." if arguments[place] is None and event.startswith("os.") else arguments[place]
    if isinstance(path, str | bytes | os.PathLike):
        whole = _absolute(os.fsdecode(path))
        if whole not in read:
            read.add(whole)
            for tell in _listeners:
                tell(whole)


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)  # noqa: PTH100 - as the system reads it: links are followed when it is signed
    except OSError:  # the working folder is gone
        return path


class Question:
    """What decides an answer besides files, from the moment at which it is asked."""

    def __init__(self, *parts: Any) -> None:
        """Parts of plain data: what JSON takes, or shows itself in its text."""
        text = json.dumps([_identity(), *parts], default=repr, sort_keys=True)
        self.name, self.began = f"answer_{sha256(text.encode()).hexdigest()[:40]}", time.time()

    def kept(self) -> tuple[dict[str, str], Any] | None:
        """What was read for the answer, each path with its signature then, and the answer: None where none stands."""
        data = cache_folder.read(self.name) if is_on() else None
        try:
            return None if data is None else tuple(json.loads(data))
        except (ValueError, TypeError):
            return None

    def answer(self) -> tuple[dict[str, str], Any] | None:
        """The same, if nothing that was read has changed since, and the answer is one to be used again."""
        kept = self.kept()
        return kept if kept and kept[1] is not None and next(changed(kept[0]), None) is None else None

    def keep(self, answer: Any, paths: Iterable[str]) -> None:
        """Keep an answer, or None where it is not to be used again, with the paths that were read for it."""
        if not is_on():
            return
        signed = {path: signature(path) for path in users(paths)}
        signed |= {path: _CHANGED for path in signed if _is_newer(path, self.began)}  # after it was signed: no gap
        known = None if _CHANGED in signed.values() else answer
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where nothing can be kept, it is computed again
            cache_folder.write(self.name, json.dumps([signed, known]).encode())


def changed(signed: dict[str, str]) -> Iterator[str]:
    """The paths that are not as they were signed."""
    return (path for path, known in signed.items() if signature(path) != known)


def users(paths: Iterable[str]) -> list[str]:
    """Of paths those that are the user's: no library's, not ours, nothing that the system makes up."""
    others = tuple(f"{folder}{os.sep}" for folder in (*_LIBRARIES, _OURS, cache_folder.root(), "/proc", "/dev", "/sys"))
    return sorted(path for path in paths if not f"{path}{os.sep}".startswith(others) and "__pycache__" not in path)


def signature(path: str) -> str:
    """What tells the content of a file, or the names in a folder, from others; nothing where neither can be read."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of thousands of paths, several times a second
        times = status.st_mtime_ns, status.st_ctime_ns
        if stat.S_ISREG(status.st_mode) and status.st_size > _LARGE:
            return f"{status.st_size} {times}"
        return _content(path, stat.S_IFMT(status.st_mode), status.st_ino, status.st_size, *times)
    except (OSError, ValueError):
        return ""


@lru_cache(maxsize=1 << 16)
def _content(path: str, kind: int, *state: int) -> str:
    if kind == stat.S_IFDIR:
        every = os.listdir(path)  # noqa: PTH208 - as above
        names = sorted(n for n in every if not n.startswith((".", "#", "__pycache__")) and not n.endswith("~"))
        return f"folder {sha256(os.fsencode(chr(0).join(names))).hexdigest()}"
    if kind != stat.S_IFREG:
        return "device"
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file_digest(file, "sha256").hexdigest()


def _is_newer(path: str, moment: float) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
    except (OSError, ValueError):
        return False
    return max(status.st_mtime, status.st_ctime) > moment - _CLOCK


@cache
def _identity() -> list[Any]:
    """Return what tells dout, Python and the libraries from others: of dout the sizes and times of all its files.

    A library's version is part of the name of a folder beside it: the names in the folders that are searched tell it.
    """
    files = sorted(_files(_OURS))
    searched = [(path, signature(path)) for path in sys.path if path and path != os.getcwd()]  # noqa: PTH109
    return [files, sys.version, sys.executable, searched]


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path)
            elif entry.is_file():
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns
