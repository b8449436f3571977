"""The bandwidth of this machine's memory: no kernel over large arrays can be faster."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from time import perf_counter
from typing import Any

import numpy as np

from dout import cache_folder
from dout.engine.lowering.entry_point import ArrayType
from dout.engine.runtime.kernel_cache import load
from dout.engine.runtime.parallel_threshold import cores

FLOATS = 16 * 1024 * 1024  # of 32 bits in each array: 64 MB, more than a core's own caches hold
SECONDS = 0.08  # for each of the two loops, and each product
PRODUCT = 512  # rows and columns of the matrices that arithmetic is measured with
LOOPS = '''"""The loops of the STREAM benchmark that the roofline is measured with."""

import numpy as np
from numba import njit, prange


@njit(parallel=True, error_model="numpy", fastmath={"contract"})
def copy(x, y, out):
    for i in prange(out.size):
        out[i] = x[i]


@njit(parallel=True, error_model="numpy", fastmath={"contract"})
def triad(x, y, out):
    for i in prange(out.size):
        out[i] = x[i] + np.float32(0.5) * y[i]
'''


@dataclass(frozen=True)
class Bandwidth:
    """Bytes read and written in a second by all cores together, in arrays of `size` bytes: the best of several runs."""

    copy: float
    triad: float
    size: int
    cores: int

    def seconds(self, nbytes: int) -> float:
        """The least time in which so many bytes can be read and written, where no cache helps.

        >>> Bandwidth(copy=4e10, triad=5e10, size=1 << 26, cores=2).seconds(10**9)
        0.02
        """
        return nbytes / max(self.copy, self.triad)


@dataclass(frozen=True)
class Arithmetic:
    """Operations a second in products of matrices, by the BLAS of NumPy on all its cores: the best of several runs."""

    single: float
    double: float

    def seconds(self, flops: int, itemsize: int) -> float:
        """The least time of so many operations on numbers of `itemsize` bytes.

        >>> Arithmetic(single=2e11, double=1e11).seconds(10**9, 8)
        0.01
        """
        return flops / (self.single if itemsize <= 4 else self.double)


def bandwidth() -> Bandwidth:
    """This machine's bandwidth, measured once in 0.3 s and kept in the cache folder.

    The arrays have 64 MB. On a machine whose last cache holds them it is the bandwidth of that cache.
    """
    found = _kept()
    if found is None:
        found = _measured()
        cache_folder.write(_name(), json.dumps(asdict(found)).encode())
        _kept.cache_clear()
    return found


@cache
def arithmetic() -> Arithmetic:
    """This process's, measured in 0.1 s: another BLAS gives another figure, so that it is not kept."""
    return Arithmetic(*(_products(dtype) for dtype in (np.float32, np.float64)))


def _products(dtype: type[np.floating[Any]]) -> float:
    square: np.ndarray[Any, Any] = np.ones((PRODUCT, PRODUCT), dtype)
    out = np.empty_like(square)
    return 2 * PRODUCT**3 / _least(np.matmul, [square, square, out])


@cache
def _kept() -> Bandwidth | None:
    data = cache_folder.read(_name())
    return None if data is None else Bandwidth(**json.loads(data))


@cache
def _name() -> str:
    from dout.engine.runtime.binding import host

    machine = repr((platform.node(), host(), cores(), FLOATS))
    return f"bandwidth_{sha256(machine.encode()).hexdigest()[:24]}"


def _measured() -> Bandwidth:
    kind = ArrayType(np.dtype(np.float32), 1)
    arrays = [np.ones(FLOATS, np.float32) for _ in range(3)]  # written, so that they have their own pages
    copy, triad = (load(name, LOOPS, [kind, kind, kind._replace(written=True)]) for name in ("copy", "triad"))
    size = arrays[0].nbytes
    return Bandwidth(2 * size / _least(copy, arrays), 3 * size / _least(triad, arrays), size, cores())


def _least(loop: Callable[..., object], arrays: Sequence[np.ndarray[Any, Any]]) -> float:
    """The shortest of the runs that fit into `SECONDS`, at least three."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < SECONDS:
        start = perf_counter()
        loop(*arrays)
        times.append(perf_counter() - start)
    return min(times)
