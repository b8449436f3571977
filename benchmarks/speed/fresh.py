"""What takes a process of its own to measure: first calls, calls of another size, new memory, and the peak of it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, sleep, thread_time
from typing import Any

import numpy as np

from benchmarks.speed import plain
from benchmarks.speed.plain import MissingError
from benchmarks.speed.rows import M, Row
from benchmarks.speed.tasks import NETS, TASKS, arrays, images
from benchmarks.speed.worker import builder

CACHES = ("DOUT_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")
ALONE = {"OPENBLAS_NUM_THREADS": "1"}
OTHER_SIZES = range(99, 75, -2)  # of batches
ADDRESS_SPACE = Path("/proc/self")  # where the system tells


def first_call(contender: str, row: Row, clock: Callable[[], float] = perf_counter) -> float:
    """Seconds from code and data that are there to the first result; libraries are imported, Numba is not.

    The plain run in it takes one thread of BLAS: on a busy machine several wait for each other for seconds.
    """
    make = builder(contender)
    _load(contender)
    drawing = _seconds_of_numbers(row, clock)
    start = clock()
    call, _ = make(row)
    for _ in range(2 if row.kind.startswith("first two") else 1):
        call()
    return clock() - start - drawing


def _seconds_of_numbers(row: Row, clock: Callable[[], float]) -> float:
    """What it takes to draw the row's numbers, with which `make` begins for every contender."""
    start = clock()
    if row.task in TASKS:
        arrays(TASKS[row.task], row.shape, np.dtype(row.dtype))
    elif row.task in NETS:
        images(row.shape[0], np.dtype(row.dtype))
    return clock() - start


def first_call_less_plain(contender: str, row: Row) -> float:
    """What a first call takes more than a plain one, of a processor in the thread that calls."""
    seconds = first_call(contender, row, thread_time)
    shape = (row.shape[0], 10, *row.shape[2:]) if contender == "10 steps" else row.shape
    return seconds - min(first_call("plain", replace(row, shape=shape), thread_time) for _ in range(2))


def another_size(contender: str, row: Row) -> float:
    """Milliseconds of a first call with another batch size, the median; an error if they compile anything.

    It is a plain call, by one thread of BLAS, too.
    """
    compile = plain.by_dout() if contender == "dout" else plain.as_it_is
    gradient = compile(NETS[row.task](row.dtype).gradient)
    for _ in range(4):
        gradient(*images(row.shape[0]))
    batches = [images(size) for size in OTHER_SIZES]
    before = _kept_files()
    times = []
    for x, t in batches:
        start = perf_counter()
        gradient(x, t)
        times.append(perf_counter() - start)
    sleep(0.5)  # for what another thread may still write
    if new := _kept_files() - before:
        raise RuntimeError(f"{len(new)} files of machine code for another size")
    return 1e3 * median(times)


def _kept_files() -> set[Path]:
    """What lies in the caches on disk."""
    return {file for cache in CACHES if cache in os.environ for file in Path(os.environ[cache]).rglob("*.[no]*")}


def _load(contender: str) -> None:
    """Import the contender's library, and where it is no toy, wake it with a sum."""
    library = {"plain": "numpy", "10 steps": "dout"}.get(contender, contender.partition(".")[0])
    module = __import__(library)
    if library == "jax":
        import jax.numpy as jnp

        jnp.ones(3).sum().block_until_ready()
    elif library == "torch":
        module.ones(3, requires_grad=True).sum().backward()


def new_memory(contender: str, row: Row) -> float:
    """Kilobytes that NumPy and Python newly take for a call, at its peak, when everything is warm."""
    call, _ = builder(contender)(row)
    for _ in range(5):
        call()
    tracemalloc.start()
    peaks = []
    for _ in range(9):
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    return median(peaks) / 1e3


def peak_memory(contender: str, row: Row) -> float:
    """Megabytes of the process at the peak of a warm call, above those it had with its inputs alone."""
    make = builder(contender)
    small, _ = make(Row(row.number, row.task, row.kind, (M,)))
    for _ in range(3):
        small()  # loads what there is to load, and compiles for many elements
    del small
    gc.collect()
    inputs = [np.ones(row.shape, np.float32) for _ in "xab"]  # as many as the work will make for itself
    before = _memory("VmRSS")
    del inputs
    call, _ = make(row)
    for _ in range(3):
        call()
    (ADDRESS_SPACE / "clear_refs").write_text("5")  # forget the peak so far
    call()
    return _memory("VmHWM") - before


def _memory(name: str) -> float:
    lines = (ADDRESS_SPACE / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) * 1024 / 1e6


MEASURES = {
    "first call, cold": first_call,
    "first call, warm": first_call,
    "first two calls, cold": first_call,
    "first call, cold, less a plain one": first_call_less_plain,
    "another batch size": another_size,
    "new memory a call": new_memory,
    "new memory a step": new_memory,
    "peak memory of a step": peak_memory,
}


def _run(pipe: Any, contender: str, row: Row) -> None:
    sys.dont_write_bytecode = False  # what is installed has its bytecode
    try:
        pipe.send(("done", MEASURES[row.kind](contender, row)))
    except (MissingError, ModuleNotFoundError) as error:
        pipe.send(("missing", getattr(error, "name", None) or str(error)))
    except Exception as error:
        pipe.send(("failed", f"{type(error).__name__}: {error}"))


def in_a_process(contender: str, row: Row) -> tuple[str, Any]:
    """("done", figure), ("missing", name) or ("failed", why), from a new process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, contender, row))
    process.start()
    theirs.close()
    try:
        answer: tuple[str, Any] = ours.recv()
    except EOFError:
        answer = "failed", "the process ended"
    process.join()
    return answer


def measure(row: Row, contenders: list[str], rounds: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """A figure a round for those that give one, and why the others do not. Caches on disk begin empty.

    A warm first call is the first in a process after another process has made the same call.
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    reasons: dict[str, str] = {}
    for _ in range(rounds):
        for name in [name for name in contenders if name not in reasons]:
            with tempfile.TemporaryDirectory() as folder:
                os.environ.update({cache: f"{folder}/{cache}" for cache in CACHES})
                os.environ.update(ALONE if "call" in row.kind or MEASURES[row.kind] is another_size else {})
                state, answer = in_a_process(name, row)
                if state == "done" and row.kind.endswith("warm"):
                    state, answer = in_a_process(name, row)
            if state == "done":
                samples[name].append(answer)
            else:
                reasons[name] = f"{state}: {answer}"
    for name in (*CACHES, *ALONE):
        os.environ.pop(name, None)
    return {name: found for name, found in samples.items() if name not in reasons}, reasons
