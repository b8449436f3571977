"""Time to a test accuracy of 97 %, beside PyTorch and JAX: the same nets, data, batches, optimizer and rate, in turns.

    PYTHONPATH=src python -m benchmarks.training [--runs 3] [--threads 2] [TASK …]

PyTorch, JAX, scikit-learn and mlxtend have to be there. A line a contender, each run a process of its own: the median
seconds of training until the accuracy at the end of an epoch is 97 % or more, those of the processor in it (with one
thread they hardly depend on what else runs; the ratio is of these), those of the whole process with all imports, the
epochs that it took, and those of the processor for one of these, all that comes once among them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

CONTENDERS = {
    "digits": ("dout", "dout plain", "torch", "jax"),
    "mnist": ("dout", "dout plain", "dout.layers", "torch", "jax"),
}


def once(task: str, contender: str, seed: int, threads: int) -> dict[str, float]:
    """Run one process."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
    one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" if threads == 1 else ""
    environment = {**os.environ, **dict.fromkeys(names, str(threads)), "XLA_FLAGS": one}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode, a checkout gets it here
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), task, contender, str(seed), str(threads)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    return dict(json.loads(told.splitlines()[-1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("tasks", nargs="*", default=list(CONTENDERS))
    asked = parser.parse_args()
    for task in asked.tasks:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS[task]}
        for seed in range(asked.runs):
            for name, found in runs.items():
                one = once(task, name, seed, asked.threads)
                found.append({**one, "an epoch": one["cpu"] / one["epochs"]})
        middle = {
            name: {key: statistics.median(run[key] for run in found) for key in found[0]}
            for name, found in runs.items()
        }
        print(f"\n{task}, threads: {asked.threads}, medians of {asked.runs} runs; load {os.getloadavg()[0]:.1f}")
        columns = {
            "to 97 %": 10,
            "processor": 12,
            "÷ torch": 9,
            "whole": 10,
            "epochs": 8,
            "an epoch": 11,
            "accuracy": 10,
        }
        print(" " * 14 + "".join(f"{title:>{width}}" for title, width in columns.items()))
        for name, one in middle.items():
            ratio = one["cpu"] / middle["torch"]["cpu"]
            print(
                f"{name:14}{one['seconds']:>8.2f} s{one['cpu']:>10.2f} s{ratio:>8.2f}×{one['whole']:>8.2f} s"
                f"{one['epochs']:>8.0f}{one['an epoch'] * 1e3:>8.0f} ms{one['accuracy']:>10.3f}",
                flush=True,
            )


main()
