"""A process for the user's code: what it may use, and what is as before when it is done."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def take_place(memory: float) -> None:
    """Become a process of its own: its group, its limits, nothing to read, and nobody who hears it."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):
            os.setsid()
    _die_with_the_parent()
    _limit(memory)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _die_with_the_parent() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(Exception):
            import ctypes

            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _limit(memory: float) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory > 0:
        most = int(memory * 2**30) + _mapped()
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _mapped() -> int:
    """Bytes of address space that this process has already."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 2**30


_CORE = (  # what runs, and tells of, the user's code
    "builtins", "sys", "os", "posixpath", "ntpath", "io", "time", "signal", "threading", "types", "typing", "abc",
    "ast", "re", "traceback", "linecache", "tokenize", "inspect", "dis", "contextlib", "functools", "itertools",
    "operator", "collections", "copy", "copyreg", "pickle", "struct", "dataclasses", "enum", "importlib",
    "importlib.util", "multiprocessing.connection", "multiprocessing.reduction", "gc", "weakref", "math", "random",
)  # fmt: skip
_THEIRS = {"sys.excepthook", "sys.displayhook", "sys.breakpointhook", "sys.unraisablehook"}  # made to be replaced


class Kept:
    """What dout itself runs on: Python's own names, modules and import path, as they were before the user's code."""

    def __init__(self) -> None:
        self.take()

    def take(self) -> None:
        """Remember how everything is."""
        self.names: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        for module in (sys.modules[name] for name in _CORE if name in sys.modules):
            name, names = module.__name__, vars(module)
            whole = name == "builtins"  # elsewhere numbers and tables are a module's own affair
            parts = {k: v for k, v in names.items() if whole or callable(v) or isinstance(v, ModuleType)}
            self.names.append((name, names, {k: v for k, v in parts.items() if f"{name}.{k}" not in _THEIRS}))
        self.table, self.modules, self.limit = sys.modules, dict(sys.modules), sys.getrecursionlimit()
        self.lists = [(key, getattr(sys, key), list(getattr(sys, key))) for key in ("path", "meta_path", "path_hooks")]

    def put_back(self) -> list[str]:
        """Make it so again; what was not, such as `builtins.len`. What has been added stays.

        Until Python's own names are there again, this calls nothing that has one.
        """
        changed: list[str] = []
        for module, names, kept in self.names:
            for name in kept:
                if name not in names or names[name] is not kept[name]:
                    names[name] = kept[name]
                    changed.append(f"{module}.{name}")
        sys.modules = self.table
        for name, item in self.modules.items():
            if sys.modules.get(name) is not item:
                sys.modules[name] = item
        for key, whole, entries in self.lists:
            if getattr(sys, key) is not whole:
                whole[:] = getattr(sys, key) if isinstance(getattr(sys, key), list) else []
                setattr(sys, key, whole)
            whole += [entry for entry in entries if entry not in whole]
        sys.setrecursionlimit(max(sys.getrecursionlimit(), self.limit))
        return changed


@contextmanager
def put_back(kept: Kept) -> Iterator[list[str]]:
    """Afterwards NumPy, its error state, the folder and the streams are as before, and what is `kept`.

    Yields the names that were not.
    """
    changed: list[str] = []
    modules = [sys.modules[m] for m in ("numpy", "numpy.linalg", "numpy.random", "math") if m in sys.modules]
    before = [(module, dict(vars(module))) for module in modules]
    folder, streams, path = os.getcwd(), (sys.stdin, sys.stdout, sys.stderr), list(sys.path)  # noqa: PTH109
    with np.errstate():
        try:
            yield changed
        finally:
            changed += kept.put_back()
    for module, names in before:
        for name, item in names.items():
            if vars(module).get(name, module) is not item:
                changed.append(f"{module.__name__}.{name}")
                setattr(module, name, item)
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.path[:] = path
    with contextlib.suppress(OSError):
        os.chdir(folder)
