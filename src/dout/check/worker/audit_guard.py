"""What the user's code may not do while it is checked: write outside a scratch folder, use the network, run programs.

Python tells the guard of every such act before it happens (`sys.addaudithook`); it refuses it as the system would, with
a PermissionError, and notes the line. Where Linux has Landlock, the kernel refuses the same to C code as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dout.trace.model.user_source import users_place

MOST = 50  # acts that are told of one file


@dataclass(frozen=True)
class GuardRules:
    """How a file is run: `scratch` is the folder it may write in, `asked` whether it was named (and not its folder).

    `timeout` is how many seconds loading may take (0: no limit); `left_out` are the places, (file, line), of statements
    that ended the process before. With `isolated` it runs in `scratch`, and without a network.
    """

    scratch: str = ""
    asked: bool = True
    timeout: float = 0.0
    left_out: frozenset[tuple[str, int]] = frozenset()
    isolated: bool = False


class Guard:
    """Refuses, from `start` on, what a check must not do; `tell` hears each line that tried, once."""

    def __init__(self, scratch: str, checked: str, tell: Callable[[str], None]) -> None:
        self.scratch = scratch
        self.may_write = tuple(_real(folder) for folder in (scratch, *caches(checked)) if folder)
        self.tell, self.refused = tell, list[str]()
        self._told: set[str] = set()

    def start(self) -> None:
        """Refuse from now on, for as long as the process lives."""
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            os.environ.pop(name, None)  # no window opens
        os.environ.update(SDL_VIDEODRIVER="dummy", QT_QPA_PLATFORM="offscreen", MPLBACKEND="Agg")
        if self.scratch:
            os.environ.setdefault("NUMBA_CACHE_DIR", self.scratch)  # else njit(cache=True) writes beside the file
        enforce(self.may_write)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        judge = _JUDGES.get(event)
        if judge is not None and (what := judge(self, args)):
            self._refuse(what)

    def _refuse(self, what: str) -> None:
        self.refused.append(what)
        where = users_place(sys._getframe(2))
        self._say(f"{f'{shown(where.file)}:{where.line}' if where else 'it'} wanted to {what}")
        raise PermissionError(errno.EACCES, f"`dout check` does not let user code {what}")

    def note_replaced(self, where: str, names: Sequence[str]) -> None:
        """Tell that a line replaced names of Python's own, which have been put back."""
        if names:
            listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            self._say(f"{where} wanted to replace {listed} for everyone")

    def _say(self, text: str) -> None:
        if text not in self._told and len(self._told) < MOST:
            self._told.add(text)
            self.tell(text)

    def is_outside(self, path: Any, folder: int = -1) -> bool:
        """Whether a path lies where nothing may be written."""
        try:
            text = os.fsdecode(path)
            if folder >= 0:  # a path that counts from an open folder
                text = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)  # noqa: PTH115, PTH118
        except (TypeError, OSError):
            return True
        if text == os.devnull or text in _DEVICES:
            return False
        real = _real(text)
        return not any(real == free or real.startswith(free + os.sep) for free in self.may_write)


def _real(path: str) -> str:
    """The path without links; its last part may be missing."""
    return os.path.realpath(path)


def caches(checked: str) -> list[str]:
    """The folders in which libraries keep what they have prepared, like the list of fonts: those stay theirs.

    None in which the person works, or in which what is checked lies.
    """
    home = Path.home()
    asked = [os.environ.get(name, "") for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR",
                                                   "NUMBA_CACHE_DIR", "LOCALAPPDATA")]  # fmt: skip
    usual = [home / ".cache", home / ".config", home / ".matplotlib", home / "Library" / "Caches"]
    above = {*Path(HERE).resolve().parents, Path(HERE).resolve(), *Path(_real(checked)).parents}
    known = [Path(folder).resolve() for folder in (*asked, *map(str, usual)) if folder]
    return [str(folder) for folder in known if folder.is_dir() and folder not in above]


def shown(file: str) -> str:
    """A file as one sees it from the current folder."""
    with contextlib.suppress(ValueError, OSError):
        if not os.path.isabs(file):  # noqa: PTH117
            return file
        near = os.path.relpath(file, HERE)
        return file if near.startswith("..") else near
    return file


_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/stdout", "/dev/stderr")
HERE = os.getcwd()  # noqa: PTH109 - what the person who started it calls here

# --- what is refused, event by event: the words for it, or nothing where it may be ------------------------------------

_IN_MEMORY = (":memory:", b":memory:", "")  # of databases
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _open(guard: Guard, args: tuple[Any, ...]) -> str:
    path, mode, flags = args
    writes = any(c in mode for c in "wax+") if isinstance(mode, str) else bool((flags or 0) & _WRITES)
    return f"write {_name(path)}" if writes and not isinstance(path, int) and guard.is_outside(path) else ""


def _on_path(verb: str, folder_at: int = -1, paths: int = 1) -> Any:
    """On the first argument, or the first two; `folder_at` is the place of the open folder that a path counts from."""

    def judge(guard: Guard, args: tuple[Any, ...]) -> str:
        folders = [place if isinstance(place, int) else -1 for place in args[folder_at:] if folder_at > 0]
        pairs = zip(args[:paths], [*folders, -1, -1], strict=False)
        outside = any(guard.is_outside(path, folder) for path, folder in pairs if not isinstance(path, int))
        return f"{verb} {_name(args[0])}" if outside else ""

    return judge


def _run(guard: Guard, args: tuple[Any, ...]) -> str:
    words = _name(args[0] or (args[1] or [""])[0]).split()
    return f"start a program ({os.path.basename(words[0]) if words else 'none'})"  # noqa: PTH119


def _name(path: Any) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        return str(path)


def _address(address: Any) -> str:
    return ":".join(map(str, address[:2])) if isinstance(address, tuple) else _name(address)


_JUDGES: Mapping[str, Callable[[Guard, tuple[Any, ...]], str]] = {
    "open": _open,
    "os.mkdir": _on_path("make the folder", 2),
    "os.remove": _on_path("delete", 1),
    "os.rmdir": _on_path("delete", 1),
    "os.truncate": _on_path("write"),
    **{f"os.{act}": _on_path("change") for act in ("chmod", "chown", "utime", "chflags", "setxattr", "removexattr")},
    "os.rename": _on_path("rename", 2, paths=2),
    "os.link": _on_path("link", 2, paths=2),
    "os.symlink": lambda guard, args: f"link {_name(args[1])}" if guard.is_outside(args[1]) else "",
    "sqlite3.connect": lambda guard, args: (
        f"write {_name(args[0])}" if args[0] not in _IN_MEMORY and guard.is_outside(args[0]) else ""
    ),
    **dict.fromkeys(("socket.connect", "socket.sendto"), lambda guard, args: f"reach {_address(args[1])}"),
    "socket.bind": lambda guard, args: f"open a server at {_address(args[1])}",
    **dict.fromkeys(
        ("socket.getaddrinfo", "socket.gethostbyname"), lambda guard, args: f"reach {_name(args[0])}" if args[0] else ""
    ),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile"), _run),
    **dict.fromkeys(("os.fork", "os.forkpty", "pty.spawn"), lambda guard, args: "start a process of its own"),
    **dict.fromkeys(
        ("os.kill", "os.killpg"),
        lambda guard, args: "" if args[0] == os.getpid() else f"end another process ({args[0]})",
    ),
    "webbrowser.open": lambda guard, args: f"show {_name(args[0])} in a browser",
}


# --- the kernel's help ------------------------------------------------------------------------------------------------

_NR_CREATE, _NR_ADD, _NR_RESTRICT = 444, 445, 446  # of Landlock, on every machine alike
_FILE = (1 << 1) | (1 << 14)  # write, truncate
_TREE = _FILE | sum(1 << bit for bit in range(4, 14))  # also make, remove and move files and folders
_TCP = 0b11  # bind, connect


def enforce(may_write: tuple[str, ...]) -> bool:
    """Have Linux refuse writes outside these folders, and TCP, to this process and all it starts; whether it does."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        version = libc.syscall(_NR_CREATE, None, 0, 1)
        if version < 3:
            return False
        handled = (ctypes.c_uint64 * 2)(_TREE, _TCP if version >= 4 else 0)
        rules = libc.syscall(_NR_CREATE, ctypes.byref(handled), 16 if version >= 4 else 8, 0)
        if rules < 0:
            return False
        for folder in may_write:
            _allow(libc, rules, folder, _TREE)
        for device in _DEVICES:
            _allow(libc, rules, device, _FILE)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        done = bool(libc.syscall(_NR_RESTRICT, rules, 0) == 0)
        os.close(rules)
        return done
    return False


def _allow(libc: Any, rules: int, path: str, what: int) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_PATH", 0))
    except OSError:
        return

    class Beneath(ctypes.Structure):
        _pack_ = 1
        _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))

    rule = Beneath(what, descriptor)
    libc.syscall(_NR_ADD, rules, 1, ctypes.byref(rule), 0)
    os.close(descriptor)


def without_network() -> bool:
    """Leave the network, for good, where Linux lets one; whether it did."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError, AttributeError):
        user, net = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.unshare(net) == 0 or libc.unshare(user | net) == 0)
    return False


def into_scratch(rules: GuardRules) -> None:
    """What is temporary lands in the scratch folder, which is removed with all that is in it."""
    if rules.scratch:
        os.environ.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), rules.scratch))
        tempfile.tempdir = rules.scratch
    if rules.isolated and rules.scratch:
        os.chdir(rules.scratch)
