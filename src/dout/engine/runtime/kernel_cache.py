"""From the text of a kernel to a native function, through a folder in which the next process finds it."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Any, cast

import numpy as np

from dout import errors
from dout.engine.runtime import cache_folder
from dout.engine.runtime.entry_point import ArrayType, KernelType, Result

__all__ = ["ArrayType", "KernelType", "load"]

_loaded: dict[str, Callable[..., Any]] = {}
_lock = RLock()
if hasattr(os, "register_at_fork"):  # a fork waits for a kernel that is being compiled: LLVM has locks of its own
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def load(
    name: str,
    text: str,
    types: Sequence[KernelType | tuple[Any, ...] | type],
    *,
    results: Sequence[Result] | None = None,
    meaning: str | None = None,
) -> Callable[..., Any]:
    """The function `name` of `text`, compiled for arguments of `types`, and for no others: a TypeError answers those.

    `text` is a module with one function under Numba's `njit` (without its `cache`). Texts of one `name` and `meaning`
    are compiled once; without it each is. A number that it returns becomes a Python number, or what `results` asks: a
    NumPy scalar where it names a dtype. Arguments are looked at before anything is computed. Python's lock is held
    during the call.
    """
    kinds = tuple(ArrayType(*kind) if isinstance(kind, tuple) else np.dtype(kind) for kind in types)
    key = _key(name, text if meaning is None else meaning, kinds, results)
    with _lock:
        if key not in _loaded:
            _loaded[key] = _find(f"{_readable(name)}_{key}", name, text, kinds, results)
        return _loaded[key]


def _find(
    title: str, name: str, text: str, types: Sequence[KernelType], results: Sequence[Result] | None
) -> Callable[..., Any]:
    try:
        from dout.engine.runtime import binding
    except ImportError as error:
        raise errors.TargetError(errors.needs("dout.compile", "numba")) from error
    native = binding.usable()
    kept = cache_folder.read(f"{title}.bin") if native else None
    found = binding.link(name, kept) if kept is not None else None
    return found or _compile(title, name, text, types, results, native)


def _compile(
    title: str, name: str, text: str, types: Sequence[KernelType], results: Sequence[Result] | None, native: bool
) -> Callable[..., Any]:
    try:
        from dout.engine.runtime import compiler
    except ImportError as error:
        raise errors.TargetError(errors.needs("dout.compile", "numba")) from error
    cache_folder.write(f"{title}.py", text.encode(), plain=True)  # to read, and for tracebacks; nothing reads it back
    dispatcher = compiler.function(name, f"dout_kernels.{title}", text, str(cache_folder.root() / f"{title}.py"))
    if not hasattr(dispatcher, "py_func"):  # NUMBA_DISABLE_JIT: someone wants to step through it
        return cast(Callable[..., Any], dispatcher)
    kernel = compiler.compiled(dispatcher, types, results) if native else None
    if kernel is not None:
        from dout.engine.runtime import binding

        function = binding.link(name, kernel)
        if function is not None:
            cache_folder.write(f"{title}.bin", kernel)
            return function
    return compiler.dispatched(dispatcher, types, results)


def _readable(name: str) -> str:
    """A name that a file may have on every platform."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII)[:60]


def _key(name: str, meaning: str, types: Sequence[KernelType], results: Sequence[Result] | None) -> str:
    """What distinguishes this machine code from any other."""
    return sha256(repr((name, meaning, types, results, _surroundings())).encode()).hexdigest()[:24]


@cache
def _surroundings() -> str:
    """All that machine code depends on, beside its text: the processor, versions, settings, and our own code in it."""
    import llvmlite

    from dout.engine.runtime import binding

    settings = sorted(
        (name, value) for name, value in os.environ.items() if name.startswith("NUMBA_") and "THREAD" not in name
    )
    parts = ("entry_point", "work_stealing", "numba_stubs", "compiler", "binding")
    own = sorted((Path(__file__).parents[1] / "math").glob("*.py"))
    own += [Path(__file__).with_name(f"{part}.py") for part in parts]
    sources = [sha256(path.read_bytes()).hexdigest() for path in own if path.is_file()]
    versions = (sys.version, platform.machine(), np.__version__, llvmlite.__version__, _numba())
    return repr((versions, binding.host(), settings, sources))


def _numba() -> str:
    """Numba's version, without loading it, nor `importlib.metadata`, which takes 12 ms."""
    spec = importlib.util.find_spec("numba")
    if spec is None or spec.origin is None:
        raise errors.TargetError(errors.needs("dout.compile", "numba"))
    version = Path(spec.origin).with_name("_version.py")
    if version.exists():
        return sha256(version.read_bytes()).hexdigest()
    from importlib.metadata import version as installed

    return installed("numba")
