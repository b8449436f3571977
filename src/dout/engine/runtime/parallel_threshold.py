"""When a kernel is worth more than one thread: constants and where they come from are in docs/decisions/0007.

They are not measured on each machine: a figure measured while other programs run stays wrong until it is deleted.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from math import ceil
from pathlib import Path

OVERHEAD = 8  # operations in whose time one element of a kernel's arrays comes and goes
_SMALL_PRODUCT = 1e7  # operations of float32: on one thread they take about 100 µs, and to wake another what it gains
ENOUGH = 2_400_000  # operations that take about 30 µs


def parallel_pays(elements: int, cost: float) -> bool:
    """Whether a kernel over so many elements, with `cost` operations for each, should run on several threads.

    >>> parallel_pays(1000, 50)
    False
    """
    return elements * (OVERHEAD + cost) > ENOUGH and cores() > 1


def is_small_product(operations: float, itemsize: int) -> bool:
    """Whether a product of matrices stays on one thread: one of float64 takes twice as long as one of float32.

    >>> is_small_product(8e6, 4), is_small_product(8e6, 8)
    (True, False)
    """
    return operations * itemsize <= _SMALL_PRODUCT * 4


@cache
def cores() -> int:
    """The processors that this process may use: by affinity, by its container's share; at most `NUMBA_NUM_THREADS`."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [count]
    with suppress(OSError, ValueError):  # no container; or "max", which is no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        limits.append(ceil(int(quota) / int(period)))
    with suppress(ValueError):
        limits.append(int(os.environ.get("NUMBA_NUM_THREADS", "")))
    return max(1, min(limits))
