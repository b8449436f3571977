"""From the text of a kernel to a native function, through a folder in which the next process finds it."""

from __future__ import annotations

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

from dout import cache_folder, errors
from dout.engine.lowering.entry_point import ArrayType, KernelType

__all__ = ["ArrayType", "KernelType", "load"]

_OF_CODE = ("work_stealing", "compiler", "binding", "product_code", "product_tiles")  # beside whole rooms
_loaded: dict[str, Callable[..., Any]] = {}
lock = RLock()
if hasattr(os, "register_at_fork"):  # a fork waits for a kernel that is being compiled: LLVM has locks of its own
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def load(
    name: str,
    text: str,
    types: Sequence[KernelType],
    *,
    results: Sequence[np.dtype[Any]] = (),
    meaning: str | None = None,
) -> Callable[..., Any]:
    """The function `name` of `text`, compiled for arguments of `types`, and for no others: a TypeError answers those.

    `text` is a module with one function under Numba's `njit` (without its `cache`). Texts of one `name` and `meaning`
    are compiled once; without a meaning each text is. The function returns NumPy scalars of the dtypes `results`: one
    alone, or a tuple. It checks its arguments before it computes anything, and holds Python's lock during the call.
    """
    try:
        key = _key(name, text if meaning is None else meaning, types, results)
        with lock:
            if key not in _loaded:
                _loaded[key] = _find(f"{_readable(name)}_{key}", name, text, types, results)
            return _loaded[key]
    except ImportError as error:
        raise errors.TargetError(errors.needs("dout.compile", "numba")) from error


def object_code(name: str, meaning: str, text: Callable[[], str]) -> bytes:
    """The object code of a text of LLVM's, from the cache folder, or else made; the text follows from `meaning`."""
    from dout.engine.runtime import binding

    title = f"{name}_{_key(name, meaning, (), ())}.bin"
    code = cache_folder.read(title)
    if code is None:
        code = binding.object_of(text())
        cache_folder.write(title, code)
    return code


def is_loaded(name: str, types: Sequence[KernelType], *, results: Sequence[np.dtype[Any]] = (), meaning: str) -> bool:
    """Whether this process has the function already."""
    return _key(name, meaning, types, results) in _loaded


def _find(
    title: str, name: str, text: str, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]
) -> Callable[..., Any]:
    """The function from the cache folder, or else compiled."""
    from dout.engine.runtime import binding

    native = binding.usable()
    kept = cache_folder.read(f"{title}.bin") if native else None
    if kept is not None and (found := binding.link(name, kept)) is not None:
        return found
    cache_folder.write(f"{title}.py", text.encode(), plain=True)  # to read, and for tracebacks; nothing reads it back
    if native and not os.environ.get("NUMBA_DISABLE_JIT"):
        from dout.engine.runtime import compiler

        kernel = compiler.compiled(name, text, types, results)
        function = binding.link(name, kernel)
        if function is not None:
            cache_folder.write(f"{title}.bin", kernel)
            return function
    from dout.engine.runtime import numba_dispatcher

    dispatcher = numba_dispatcher.function(
        name, f"dout_kernels.{title}", text, str(cache_folder.root() / f"{title}.py")
    )
    if not hasattr(dispatcher, "py_func"):  # NUMBA_DISABLE_JIT: someone wants to step through it
        return cast(Callable[..., Any], dispatcher)
    return numba_dispatcher.dispatched(dispatcher, types, results)


def _readable(name: str) -> str:
    """A name that a file may have on every platform."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII)[:60]


def _key(name: str, meaning: str, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]) -> str:
    """What distinguishes this machine code from any other."""
    return sha256(repr((name, meaning, types, results, _surroundings())).encode()).hexdigest()[:24]


@cache
def _surroundings() -> str:
    """All that machine code depends on, beside its text: the processor, versions, and our own code in it."""
    import llvmlite

    from dout.engine.runtime import binding

    own = [path for room in ("math", "lowering") for path in sorted((Path(__file__).parents[1] / room).glob("*.py"))]
    own += [Path(__file__).with_name(f"{part}.py") for part in _OF_CODE]
    sources = [sha256(path.read_bytes()).hexdigest() for path in own if path.is_file()]
    versions = (sys.version, platform.machine(), np.__version__, llvmlite.__version__)
    return repr((versions, binding.host(), sources))
