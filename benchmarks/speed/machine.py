"""What the figures were measured on, in a few lines."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.speed import plain
from benchmarks.speed.rows import K, M, Row
from benchmarks.speed.worker import turn

LIBRARIES = ("numpy", "torch", "jax", "micrograd", "numba", "scipy")


def machine() -> dict[str, str]:
    """Processor, BLAS, versions and bandwidth, by name."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        "cores": f"NumPy's exp runs {_together():.2f} times as often on all of them as on one",
        "BLAS of NumPy": _blas(),
        "versions": ", ".join(filter(None, map(_version, LIBRARIES))),
        "bandwidth": f"{_bandwidth():.0f} GB/s, a copy of 64 MB on every core, read + written",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    wide = any("avx512f" in line for line in lines if line.startswith("flags"))
    return name + (" with AVX-512" if wide else "")


def _together(rounds: int = 5, seconds: float = 0.1) -> float:
    """How much arithmetic all cores do together, of one that has the machine alone: virtual ones may share a core."""
    cores = os.cpu_count() or 1

    def calls(_: int) -> int:
        x, out, count, end = np.ones(32 * K, np.float32), np.empty(32 * K, np.float32), 0, perf_counter() + seconds
        while perf_counter() < end:
            np.exp(x, out=out)
            count += 1
        return count

    with ThreadPoolExecutor(cores) as threads:
        return median(sum(threads.map(calls, range(cores))) / calls(0) for _ in range(rounds))


def _blas() -> str:
    try:
        import threadpoolctl
    except ModuleNotFoundError:
        return "unknown: threadpoolctl is not installed"
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "numpy" not in pool["filepath"])  # SciPy has one of its own
    return ", ".join(
        f"{p['internal_api']} {p['version']}, kernel {p.get('architecture', '?')}, {p['num_threads']} threads"
        for p in pools[:1]
    )


def _version(library: str) -> str:
    try:
        return f"{library} {importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{library} –"


def _bandwidth() -> float:
    """Gigabytes a second of the copy that stands for memory's roof in the table."""
    size = 16 * M
    copy, _ = plain.build_copy(Row(0, "tanh", "one step", (size,)))
    return 2 * 4 * size / turn(copy, 0.5)[1] / 1e9
