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

SMALL = 4e6  # operations, for which threads gain nothing; on one they take about 60 µs

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


@cache
def _switch() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """The functions of NumPy's OpenBLAS that tell and set the number of its threads."""
    root = Path(np.__file__).parent
    for file in (file for folder in _FOLDERS for file in root.joinpath(folder).glob("*openblas*")):
        try:
            library = ctypes.CDLL(str(file))  # NumPy has loaded it
        except OSError:
            continue
        for prefix, suffix in ((prefix, suffix) for prefix in _PREFIXES for suffix in _SUFFIXES):
            names = [f"{prefix}_{verb}_num_threads{suffix}" for verb in ("get", "set")]
            if all(hasattr(library, name) for name in names):
                return getattr(library, names[0]), getattr(library, names[1])
    return None
