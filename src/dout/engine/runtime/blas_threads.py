"""Small products of matrices on one thread: NumPy's BLAS lets its threads wait for each other where that gains nothing.

On two processors with other programs on them, (20, 400) · (400, 100) with a transposed factor took 25 µs, on one thread
and on two; but on two every fiftieth call took 60 ms, and the mean 600 µs of a processor.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_FOLDERS = ("../numpy.libs", ".dylibs")  # where NumPy's wheels have their BLAS
_PREFIXES, _SUFFIXES = ("scipy_openblas", "openblas"), ("64_", "")


def alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, on one thread of the BLAS; as it is where the BLAS has no switch that we know."""
    switch = _switch()
    if switch is None:
        return function
    number, put = switch

    def on_one_thread(*given: Any) -> Any:
        before = number()
        if before == 1:  # also where another thread of Python's is in here, which sets it back
            return function(*given)
        put(1)
        try:
            return function(*given)
        finally:
            put(before)

    return on_one_thread


def threads() -> int | None:
    """How many threads the BLAS takes now; None where it does not tell."""
    switch = _switch()
    return None if switch is None else switch[0]()


def products() -> dict[Any, int]:
    """The addresses of CBLAS' products of float32 and of float64, where these count in 64 bits."""
    library, prefix, suffix = _library() or (None, "", "")
    names = {kind: f"{prefix.removesuffix('openblas')}cblas_{kind}gemm{suffix}" for kind in "sd"}
    if library is None or suffix != "64_" or not all(hasattr(library, name) for name in names.values()):
        return {}
    places = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names.values()]
    return dict(zip((np.dtype(np.float32), np.dtype(np.float64)), places, strict=True))


def switch() -> tuple[int, int] | None:
    """The addresses of what tells and what sets the number of threads."""
    number, put = (ctypes.cast(one, ctypes.c_void_p).value or 0 for one in _switch() or (None, None))  # type: ignore[arg-type]
    return (number, put) if number else None


def _switch() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """The functions of NumPy's OpenBLAS that tell and set the number of its threads."""
    library, prefix, suffix = _library() or (None, "", "")
    if library is None:
        return None
    number, put = (getattr(library, f"{prefix}_{verb}_num_threads{suffix}") for verb in ("get", "set"))
    return number, put


@cache
def _library() -> tuple[Any, str, str] | None:
    """NumPy's OpenBLAS, and how the names of its own functions begin and end."""
    root = Path(np.__file__).parent
    for file in (file for folder in _FOLDERS for file in root.joinpath(folder).glob("*openblas*")):
        try:
            library = ctypes.CDLL(str(file))  # NumPy has loaded it
        except OSError:
            continue
        for prefix, suffix in ((prefix, suffix) for prefix in _PREFIXES for suffix in _SUFFIXES):
            if all(hasattr(library, f"{prefix}_{verb}_num_threads{suffix}") for verb in ("get", "set")):
                return library, prefix, suffix
    return None
