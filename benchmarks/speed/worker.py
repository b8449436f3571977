"""A process for each contender, and turns: one of them works, the others sleep."""

from __future__ import annotations

import contextlib
import gc
import importlib
import math
import multiprocessing
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None  # type: ignore[assignment]

from benchmarks.speed import plain
from benchmarks.speed.rows import Row

BUILDERS = {
    "plain": "plain.build",
    "dout": "plain.build_compiled",
    "10 steps": "plain.build_few_steps",
    "matmuls": "plain.build_matmuls",
    "copy": "plain.build_copy",
    "torch": "peers.build_torch",
    "torch.compile": "peers.build_torch_compiled",
    "torch.compile(NumPy)": "plain.build_numpy_by_torch",
    "jax": "peers.build_jax",
    "jax sync": "peers.build_jax_sync",
    "micrograd": "peers.build_micrograd",
}
SHORT = 2e-4  # seconds: shorter calls are timed in batches of this length
SPINNING = 0.01  # seconds that the threads of the last worker may still spin
LONG = 0.1  # seconds: what is interrupted in any case
TOO_LONG = 180  # seconds, for a contender that makes its work ready
TRIES = 3  # turns, where others interrupt
TOLERANCE = 1e-4  # of the largest value
TRAINED = 5e-3  # after a few steps: where a number that was nearly zero falls on the other side in one precision


def builder(contender: str) -> Callable[[Row], plain.Work]:
    """How the contender makes its work."""
    module, name = BUILDERS[contender].split(".")
    return getattr(importlib.import_module(f"benchmarks.speed.{module}"), name)


def turn(call: Callable[[], Any], seconds: float, least: bool = False) -> tuple[float, float]:
    """Interruptions a call, and time of a call: the median of the half least interrupted, or the `least` of all.

    There are as many calls as fit in `seconds`, and three unless they are very long. On a busy machine another program
    may take a core in the middle of a call. The system counts that, and parallel code suffers out of all proportion: a
    thread waits for one that does not run.
    """
    start = perf_counter()
    call()  # wakes threads and caches
    if (once := perf_counter() - start) < LONG:
        start = perf_counter()
        call()
        once = perf_counter() - start
    many = max(1, round(SHORT / once))
    samples: list[tuple[int, float]] = []
    begin = perf_counter()
    while (passed := perf_counter() - begin) < seconds or len(samples) < (3 if passed < 10 * seconds else 1):
        before = _interruptions()
        start = perf_counter()
        for _ in repeat(None, many):
            call()
        time = (perf_counter() - start) / many
        samples.append((_interruptions() - before, time))
    if least:
        return 0, min(time for _, time in samples)
    calm = sorted(samples, key=lambda sample: sample[0])[: (len(samples) + 1) // 2]
    return sum(often for often, _ in calm) / len(calm) / many, median(time for _, time in calm)


def _interruptions() -> int:
    """How often a core was taken from this process so far."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _serve(contender: str, pipe: Any) -> None:
    """Obey orders until there are no more: build a row's work and leave its results in a file, or time it."""
    call = None
    for order, what, where in iter(pipe.recv, None):
        try:
            if order == "build":
                call = None  # lets go of the last one's arrays
                gc.collect()
                call, results = builder(contender)(what)
                np.savez(where, *results(_thrice(call)))
                del results
                pipe.send(("done", None))
            else:
                gc.disable()
                pipe.send(("done", turn(call, *what)))
                gc.enable()
        except (plain.MissingError, ModuleNotFoundError) as error:
            pipe.send(("missing", getattr(error, "name", None) or str(error)))
        except Exception:
            pipe.send(("failed", traceback.format_exc(limit=-2)))


def _thrice(call: Callable[[], Any]) -> Any:
    """The last of three answers: the first call of compiled code may still be the plain run."""
    call()
    call()
    return call()


class Worker:
    """A contender's process; a new one where the last one ended, or took too long."""

    def __init__(self, contender: str) -> None:
        self._contender = contender
        self._begin()

    def _begin(self) -> None:
        self._pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(self._contender, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    def ask(self, order: str, what: Any, where: str = "") -> tuple[str, Any]:
        """What it did: ("done", answer), ("missing", name) or ("failed", trace)."""
        try:
            self._pipe.send((order, what, where))
            if self._pipe.poll(TOO_LONG):
                return self._pipe.recv()
            why = f"it took more than {TOO_LONG} s"
        except (EOFError, OSError):
            why = "the process ended"
        self._process.kill()
        self._process.join()
        self._begin()
        return "failed", why

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join()


def differs(found: Sequence[Any], right: Sequence[Any], tolerance: float) -> str:
    """What is wrong with results, in words; nothing where they agree with the float64 ones."""
    if len(found) != len(right):
        return f"{len(found)} results, not {len(right)}"
    for i, (mine, true) in enumerate(zip(found, right, strict=True)):
        if np.shape(mine) != np.shape(true):
            return f"result {i} has shape {np.shape(mine)}, not {np.shape(true)}"
        scale = float(np.max(np.abs(true), initial=0)) or 1.0
        error = float(np.max(np.abs(mine - true), initial=0)) / scale
        if not (math.isfinite(error) and error <= tolerance):
            return f"result {i} is off by {error:.1e} of its largest value"
    return ""


def race(
    row: Row, workers: Mapping[str, Worker], rounds: int, seconds: float, patience: float, least: bool = False
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Times of those whose results are right, a round in turn A B C, the next B C A; and why the others have none.

    Times are in microseconds.
    """
    reasons: dict[str, str] = {}
    call, results = plain.build(row, dtype=np.float64)
    right = results(_thrice(call))
    with tempfile.TemporaryDirectory() as folder:
        for name, worker in workers.items():
            file = Path(folder) / "results.npz"
            state, why = worker.ask("build", row, str(file))
            if state == "done" and name not in ("matmuls", "copy"):
                with np.load(file) as stored:
                    why = differs(
                        [stored[key] for key in stored.files], right, TRAINED if row.task == "net" else TOLERANCE
                    )
            if why:
                reasons[name] = f"{state}: {why}" if state != "done" else f"wrong: {why}"
    del call, results, right
    racing = [name for name in workers if name not in reasons]
    samples: dict[str, list[float]] = {name: [] for name in racing}
    for i in range(rounds):
        for name in racing[i % len(racing) :] + racing[: i % len(racing)]:
            samples[name].append(_calmest(workers[name], (seconds, least), patience) * 1e6)
    return samples, reasons


def _calmest(worker: Worker, how: tuple[float, bool], patience: float) -> float:
    """Time of a call in the first turn without an interruption, or of a few the one with the fewest."""
    turns = []
    for _ in range(TRIES):
        sleep(SPINNING)
        _wait_for_quiet(patience)
        state, answer = worker.ask("time", how)
        turns.append(answer if state == "done" else (math.inf, math.nan))
        if turns[-1][0] == 0 or turns[-1][1] > LONG:
            break
    return min(turns)[1]


def _wait_for_quiet(patience: float) -> None:
    """Until no other program wants a core, where the system tells; not for ever."""
    end = perf_counter() + patience
    calm = 0
    while calm < 3 and perf_counter() < end:
        try:
            running = Path("/proc/loadavg").read_text().split()[3].partition("/")[0]
        except OSError:
            return
        calm = calm + 1 if running == "1" else 0  # ourselves
        sleep(0.001)
