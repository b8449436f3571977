"""Files that a script reads and that are not where it looks: found beside it, or stood for."""

from __future__ import annotations

import builtins
import contextlib
import fnmatch
import glob
import io
import linecache
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from itertools import islice
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from dout.errors import EndOfRun
from dout.trace.model.user_source import asking_user, is_user_code
from dout.trace.model.uses_of_answers import is_demanded, is_guarded
from dout.trace.program.project_root import folders_above

_READERS = re.compile(  # files of what reads data for the user's code
    r"[/\\](numpy|pandas|scipy|PIL|imageio|skimage|matplotlib|dout)[/\\]|[/\\](shutil|gzip|glob|bz2|lzma|tarfile|zipfile|pathlib|codecs|pickle|request|contextlib)\.py$|^<frozen"
)
_REMOVE = frozenset({"remove", "unlink", "rmdir", "removedirs"})
_TAKES_AWAY = _REMOVE | {"rename", "replace"}
_MISSING = frozenset({"FileNotFoundError", "OSError", "IOError", "EnvironmentError", "Exception", "BaseException"})
_ACTS = ("mkdir", "remove", "unlink", "rmdir", "rename", "replace")
_FILES = re.compile(r"\*\.(txt|png|jpe?g|bmp)$")  # patterns of files that can be stood for
_MNIST = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
_CLASSES, _IMAGES = 10, 120  # of a folder that is not there: folders in it, and images in each
_LISTS = re.compile(r"\b(?:listdir|i?glob|scandir|iterdir|walk)\(")
_ONE_CALL = 2  # times that the name of a function is in the text: where it is defined, and where it is called
_READ_IMAGES = ("imread", r"Image\.open", "load_img")
_LFS, _POINTER = b"version https://git-lfs.github.com/", 200  # how the text of a pointer begins, and its bytes
_VOCABULARY = 100  # words, or more
_WAIT = 10.0  # seconds that a server may take to answer


@contextlib.contextmanager
def missing_files(
    script: Path, said: Callable[[str], None], *, apart: bool = False, ends: bool = False
) -> Iterator[_Files]:
    """While it lasts, find the files that the script reads also from its own folder and those above.

    A file of a well-known data set that is nowhere, and that cannot be fetched, is stood for; `said` hears of it. From
    then on the script's own files are written to a folder that goes with it: made-up data must not be taken for real
    ones at another time. With `apart` all of them are, and the folders that it makes; so they are once a program that
    may be stopped before it `ends` removes what was there before. Yields what is to hear of data that are `made_up`
    elsewhere, and knows which were `stood_for` last.
    """
    with contextlib.ExitStack() as stack:
        files = _Files(script, said, stack)
        files.began = 0.0 if ends else time.time()
        if apart:
            files.apart_from_now()
        for name in ("exists", "isfile", "isdir"):
            files.answer(os.path, name)
        for name, answer in (("exists", files.exists), ("is_file", files.isfile)):
            files.answer(Path, name, lambda path, ask=answer, **options: ask(path))
        for owner, name in ((builtins, "open"), (io, "open"), (os, "listdir"), (os, "walk"), (glob, "iglob")):
            files.answer(owner, name)
        for module, name in (("tarfile", "bltn_open"), ("bz2", "_builtin_open")):  # as they call Python's `open`
            if module in sys.modules:
                files.answer(sys.modules[module], name, files.open)
        for act in _ACTS:
            files.answer(os, act, files.apart(getattr(os, act), is_plain=not apart))
        openers = np.lib._datasource._file_openers  # type: ignore[attr-defined]  # np.loadtxt has its own `open`
        assert openers[None] is not None  # it is looked up late
        stack.callback(openers._file_openers.__setitem__, None, openers[None])
        openers._file_openers[None] = files.open_numbers
        stack.enter_context(when_imported("urllib.request", lambda module: files.answer(module, "urlopen")))
        yield files


@contextlib.contextmanager
def when_imported(name: str, then: Callable[[ModuleType], object]) -> Iterator[None]:
    """While it lasts, hear of a module as soon as it is there: to import it oneself would take long."""

    def find_spec(asked: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(asked, path, target) if asked == name else None
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: then(run(module) or module)  # type: ignore[method-assign, assignment]
        return spec

    finder: Any = SimpleNamespace(find_spec=find_spec)
    if name in sys.modules:
        then(sys.modules[name])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Files:
    """Where the files are that a script names."""

    def __init__(self, script: Path, said: Callable[[str], None], ends: contextlib.ExitStack) -> None:
        self.folders = folders_above(script)
        self.said, self.ends = said, ends
        self.instead: dict[str, str] = {}  # by what the script names
        self.listed: dict[str, list[str]] = {}  # folders that are not there, and what is said to be in them
        self.scratch: Path | None = None
        self.began = 0.0  # what is older is not removed
        self.plain: dict[str, Callable[..., Any]] = {}  # what it answers for, by name
        self.stood_for = ""  # the last data that were made up, in words
        self.over = False  # whether the program has ended: what is left of it, at exit, gets the real files
        # After all is put back: what removes files is answered for, too.
        ends.callback(lambda: shutil.rmtree(self.scratch or "", ignore_errors=True))
        ends.callback(setattr, self, "over", True)

    def answer(self, owner: Any, name: str, instead: Callable[..., Any] | None = None) -> None:
        """Answer for a function, by the method of its name or by another one."""
        plain = getattr(owner, name)
        self.plain.setdefault(name, plain)
        self.ends.callback(setattr, owner, name, plain)
        setattr(owner, name, instead or getattr(self, name))

    def apart(self, act: Callable[..., None], *, is_plain: bool) -> Callable[..., None]:
        """An act on files and folders that goes to those that were written apart; on others `is_plain`, or nothing."""

        def answer(*paths: Any, **kwargs: Any) -> None:
            named = {_key(p) for p in paths if isinstance(p, str | os.PathLike)}
            if is_plain and act.__name__ in _REMOVE and self._was_there(paths[0], kwargs.get("dir_fd")):
                self.apart_from_now()  # the program may be stopped before it writes anew
                self.said(f"{os.fspath(paths[0])} was not removed: from there on files are written apart")
            if is_plain and self.scratch is None and not named & self.instead.keys():
                return act(*paths, **kwargs)
            own = [self.instead.get(_key(p), p) if isinstance(p, str | os.PathLike) else p for p in paths]
            if act.__name__ in _TAKES_AWAY and self.scratch and _key(paths[0]) not in self.instead:
                return None  # a file of the user's, which stays where it is
            if act.__name__ in ("rename", "replace"):
                own[1] = self.place(paths[1])
            with contextlib.suppress(OSError):
                act(*own, **kwargs)
            return None

        return answer

    def _was_there(self, file: Any, folder: int | None) -> bool:
        """Whether a file was there before the program ran."""
        try:
            return self.scratch is None and os.stat(file, dir_fd=folder, follow_symlinks=False).st_ctime < self.began
        except (OSError, TypeError):
            return False

    def made_up(self, message: str) -> None:
        """Hear of made-up data: what is written from now on goes with them."""
        self.apart_from_now()
        self.stood_for = message
        self.said(message)

    def apart_from_now(self) -> Path:
        """The folder, gone when the script has ended, in which files are written from now on."""
        if self.scratch is None:
            self.scratch = Path(tempfile.mkdtemp(prefix="dout-"))
        return self.scratch

    def iglob(self, pattern: Any, *args: Any, **options: Any) -> Iterator[str]:
        """As `glob.iglob`, which `glob` calls, too: of a pattern that nothing fits, names of files that are made."""
        names, text = list(self.plain["iglob"](pattern, *args, **options)), str(pattern).replace("\\", "/")
        if not names and _asks(unguarded=True):
            folder, _, last = text.rpartition("/")
            names = [f"{folder or '.'}/{name}" for name in fnmatch.filter(_MNIST, last)]
            if _FILES.search(text):
                names = [re.sub(r"\*+", str(i), text) for i in range(_CLASSES)]
            if names:
                self.made_up(f"stand-in data for the files {text}, which are not there: drawn at random")
        return iter(names)

    def open(self, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """As `open`."""
        if isinstance(file, str | os.PathLike) and kwargs.get("opener") is None and not self.over:
            file = self._written(file, mode) if set(mode) & set("wax+") else self._read(file, "b" not in mode)
        return self.plain["open"](file, mode, *args, **kwargs)

    def open_numbers(self, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """As `open`, for what reads numbers from lines: words do not stand for them."""
        return self.plain["open"](self._read(file, None), mode, *args, **kwargs)

    def exists(self, file: Any) -> bool:
        """As `os.path.exists`: also of a file that lies beside the script, or is stood for."""
        return self.plain["exists"](file) or self._is_known(file)

    def isfile(self, file: Any) -> bool:
        """As `os.path.isfile`, of the same files."""
        return self.plain["isfile"](file) or self._is_known(file)

    def isdir(self, folder: Any) -> bool:
        """As `os.path.isdir`: also of a folder that is stood for."""
        if self.plain["isdir"](folder) or not isinstance(folder, str | os.PathLike):
            return bool(self.plain["isdir"](folder))
        return _key(folder) in self.listed or (self._is_listed(folder) and "." not in Path(folder).name)

    def _is_listed(self, file: Any) -> bool:
        """Whether a folder that is stood for was said to have that in it."""
        parent, name = os.path.split(_key(file))
        return name in self.listed.get(parent, ())

    def listdir(self, folder: Any = ".") -> Any:
        """As `os.listdir`: of a folder of images that is not there, ten folders of some images each.

        Where the file that asks lists folders at one place alone, and reads images there, they are in that folder.
        """
        return self._listed(folder, _listed_by)

    def walk(self, top: Any, *args: Any, **options: Any) -> Iterator[Any]:
        """As `os.walk`: of a folder of images that is not there, the same folders."""
        if not isinstance(top, str | os.PathLike) or self.plain["isdir"](top):
            yield from self.plain["walk"](top, *args, **options)
            return
        names: list[str] = []
        with contextlib.suppress(OSError):  # the folder is not found, as ever
            names = self._listed(top, lambda frame: (_CLASSES, "{}"))
        folders = [name for name in names if not Path(name).suffix]
        if names:
            yield top, folders, [name for name in names if name not in folders]
        for name in folders:
            yield from self.walk(os.path.join(top, name), *args, **options)  # noqa: PTH118 - which is a text

    def _listed(self, folder: Any, first: Callable[[FrameType], tuple[int, str]]) -> Any:
        """What is in a folder; how many names of what form are the `first` that the file that asks is told."""
        from dout.trace.program.drawn_data import mentions

        if not isinstance(folder, str | os.PathLike) or self.plain["isdir"](folder):
            return self.plain["listdir"](folder)
        elsewhere = next((str(f / folder) for f in self.folders if self.plain["isdir"](f / folder)), None)
        frame = _asking(unguarded=True)
        if elsewhere is not None or frame is None or not mentions(*_READ_IMAGES):
            return self.plain["listdir"](elsewhere or folder)
        key = _key(folder)
        if key not in self.listed:
            outer = self.listed.get(os.path.dirname(key))  # noqa: PTH120 - which is a text
            if outer is None:  # one word for all folders in it
                self.made_up(
                    f"stand-in data for the folder {os.fspath(folder)}, which is not there: images drawn at random"
                )
            of_images = _IMAGES if outer is None else _IMAGES * _CLASSES // len(outer)
            number, name = (of_images, "{}.png") if outer is not None else first(frame)
            self.listed[key] = [name.format(i) for i in range(number)]
        return list(self.listed[key])

    def _is_known(self, file: Any) -> bool:
        if not isinstance(file, str | os.PathLike) or self.plain["exists"](file) or (frame := _asking()) is None:
            return False
        reads = sys._getframe(2).f_code.co_filename.endswith("_datasource.py")  # np.loadtxt asks before it opens
        if self._elsewhere(file) is not None:
            return True
        if not reads and not is_demanded(frame):
            return False
        is_bare = not reads and not Path(file).suffix  # nothing says what it holds: lines of words, unless it is named
        return bool(self._stand_in(file, None if reads else False) or (is_bare and self._stand_in(file, True)))

    def urlopen(self, url: Any, *args: Any, **kwargs: Any) -> Any:
        """As `urllib.request.urlopen`, also inside of `urlretrieve`; what cannot be fetched is stood for."""
        import socket
        from email.message import Message
        from urllib.response import addinfourl

        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_WAIT)
        try:
            return self.plain["urlopen"](url, *args, **kwargs)
        except OSError:
            address = getattr(url, "full_url", url)
            if (made := self._stand_in(address, unguarded=False)) is None:  # a `try` goes to another mirror
                raise
            headers = Message()
            headers["Content-Length"] = str(Path(made).stat().st_size)
            return addinfourl(self.plain["open"](made, "rb"), headers, address, 200)
        finally:
            socket.setdefaulttimeout(before)

    def _read(self, file: str | os.PathLike[str], as_text: bool | None) -> Any:
        if _key(file) in self.instead:
            return self.instead[_key(file)]
        is_here = self.plain["exists"](file)
        found = file if is_here else self._elsewhere(file) if _asks() else None
        if found is not None and self._is_pointer(found) and _asks():
            self.said(f"the file {os.fspath(file)} is a pointer of Git LFS, not the data: `git lfs pull` fetches them")
            return self._stand_in(file, as_text) or found
        if found is not None and not is_here:
            self.said(f"the file {os.fspath(file)} is not in the working folder: {found} was read")
        return found or self._stand_in(file, as_text) or file

    def _is_pointer(self, file: str | os.PathLike[str]) -> bool:
        """Whether a file only says where Git LFS has the data."""
        if not self.plain["isfile"](file) or os.path.getsize(file) > _POINTER:  # noqa: PTH202 - as it is asked for
            return False
        with self.plain["open"](file, "rb") as opened:
            return bool(opened.read(len(_LFS)) == _LFS)

    def _elsewhere(self, file: str | os.PathLike[str]) -> str | None:
        """The file under its name in a folder above the script, or what stands for it."""
        if _key(file) in self.instead:
            return self.instead[_key(file)]
        name = os.fspath(file).replace("\\", "/")  # as Windows writes it
        places = (str(folder / name) for folder in self.folders if name)  # of an absolute path: itself
        return next(filter(self.plain["isfile"], places), None)

    def _stand_in(
        self, file: str | os.PathLike[str], as_text: bool | None = False, *, unguarded: bool = True
    ) -> str | None:
        if (frame := _asking(unguarded=unguarded)) is None:
            return None
        from dout.trace.program.data_files import content  # few programs need it

        beside, _, name = os.fspath(file).replace("\\", "/").rpartition("/")
        folders = [Path(beside), *(folder / beside for folder in self.folders)]
        asked = name if as_text or "." in name or not self._is_listed(file) else f"{name}.png"
        data = content(asked, folders, frame.f_code.co_filename, as_text=as_text, words=_vocabulary(frame))
        if data is None:
            return None
        self.made_up(f"stand-in data for the file {os.fspath(file)}, which is not there: drawn at random")
        place = self.place(file)
        with self.plain["open"](place, "wb") as made:
            made.write(data)
        return place

    def _written(self, file: str | os.PathLike[str], mode: str) -> Any:
        """Where a file is written: in its place, as long as nothing is stood for and the program was not stopped.

        Nor is the folder missing, which a repository does not keep if it is empty.
        """
        folder = Path(os.fspath(file)).parent
        is_lost = not os.path.lexists(folder) and _key(file) not in self.instead and _asks(unguarded=True)
        if is_lost:
            self.made_up(f"the folder {folder} is not there: what is written into it is not kept")
        elif (self.scratch is None and not EndOfRun.begun) or os.fspath(file) == os.devnull:
            return file
        if _key(file) not in self.instead:
            before = Path(file).read_bytes() if self.plain["isfile"](file) and "w" not in mode else None
            place = self.place(file)
            if before is not None:
                with self.plain["open"](place, "wb") as copy:
                    copy.write(before)
        return self.instead[_key(file)]

    def place(self, file: str | os.PathLike[str]) -> str:
        """A place for a file in a folder that is gone when the script has ended."""
        place = str(self.apart_from_now() / f"{len(self.instead)}-{Path(file).name}")
        self.instead[_key(file)] = place
        return place


def _vocabulary(frame: FrameType | None) -> list[str]:
    """The words that the functions which ask for a text have numbers for: it is looked up in there."""
    while frame is not None:
        for known in frame.f_locals.values() if is_user_code(frame.f_code.co_filename) else ():
            if type(known) is dict and len(known) >= _VOCABULARY:
                some = [*islice(known.items(), 4 * _VOCABULARY)]
                if all(type(word) is str and isinstance(number, int | np.integer) for word, number in some):
                    return [word for word, _ in some if len(word.split()) == 1]
        frame = frame.f_back
    return []


def _asks(*, unguarded: bool = False) -> bool:
    """Whether the user's code reads the file."""
    return _asking(unguarded=unguarded) is not None


def _asking(*, unguarded: bool = False) -> FrameType | None:
    """The frame of the user's that reads the file, by itself or by what NumPy and Python have to read data with.

    And, where asked, not in a `try` whose author has an answer of their own for a file that is missing.
    """
    frame = asking_user(sys._getframe(1), _READERS.search)
    return None if frame is None or (unguarded and is_guarded(frame, _MISSING)) else frame


def _listed_by(frame: FrameType) -> tuple[int, str]:
    """How many names the file that asks is told first, and of what form: images, if it lists folders at one place.

    A helper may be called for one level and another: its names can be listed, and opened as images.
    """
    code, lines = frame.f_code, linecache.getlines(frame.f_code.co_filename)
    text = "".join(lines)
    own = "".join(lines[code.co_firstlineno - 1 : max(line or 0 for _, _, line in code.co_lines())])
    if len(_LISTS.findall(text)) != 1:
        return _CLASSES, "{}"
    is_helper = len(re.findall(rf"\b{code.co_name}\(", text)) > _ONE_CALL  # `<module>` is found nowhere
    if is_helper and not any(re.search(read, own) for read in _READ_IMAGES):
        return _CLASSES, "{}" if "isdir" in text or "is_dir" in text else "{}.png"
    return _IMAGES, "{}.png"


def _key(file: str | os.PathLike[str]) -> str:
    return os.path.realpath(file)
