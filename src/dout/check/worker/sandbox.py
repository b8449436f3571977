"""A process for the user's code: what it may use, and what is as before when it is done."""

from __future__ import annotations

import contextlib
import os
import pdb
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dout.trace.session.side_effects import KeptRuntime


def take_place(memory: float) -> None:
    """Become a process of its own: its group, its limits, nothing to read, and nobody who hears it."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):
            os.setsid()
    die_with_the_parent()
    _limit(memory)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    pdb.set_trace = lambda *_, **__: None  # it would wait for somebody


def die_with_the_parent() -> None:
    """Have Linux end this process as soon as the one that started it is gone."""
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
        own, before = int(memory * 2**30), _mapped()
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (before + own, before + 2 * own))


def as_much_again() -> None:
    """Let this process take as much memory as it was given for a program, which may have kept all of that."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _mapped() -> int:
    """Bytes of address space that this process has already."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 2**30


@contextmanager
def put_back(kept: KeptRuntime) -> Iterator[list[str]]:
    """Afterwards NumPy, its error state, warnings, the folder and the streams are as before, and what is `kept`.

    Yields the names that were not.
    """
    changed: list[str] = []
    modules = [sys.modules[m] for m in ("numpy", "numpy.linalg", "numpy.random", "math") if m in sys.modules]
    before = [(module, dict(vars(module))) for module in modules]
    folder, streams, path = os.getcwd(), (sys.stdin, sys.stdout, sys.stderr), list(sys.path)  # noqa: PTH109
    with np.errstate(), warnings.catch_warnings():
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
