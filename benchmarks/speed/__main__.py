"""Forward and backward of plain NumPy code, as it is, compiled by dout, and in PyTorch and JAX: times and goals.

    python -m benchmarks.speed                        every row; more than an hour
    python -m benchmarks.speed --only 4 --rounds 21   rows by the number of their group, or by a part of their name
    python -m benchmarks.speed --sizes 1K 1M --json speed.json

How. Every contender has a process of its own, so that thread pools do not meet; one works at a time, in turns
A B C, B C A, …, the others sleep. A turn is the calls that fit in `--seconds`, after one to wake up; what counts is
the median of that half of them in which the system least often gave a core to another program, and a turn that was
interrupted all the same is tried again. The table shows the median over the rounds and half the distance between the
quartiles, and each ratio is the median of the ratios round by round. Everything is float32 unless the row says so,
made before, and warm. A contender whose results differ from float64 NumPy by more than 1e-4 of the largest value (5e-3
after training steps) is not timed. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are removed.

What is compared. `plain` is layers.py as it is, `dout` the same code compiled. `torch` and `torch.compile` call
forward, then `.backward()`, with gradients set to None before. `torch.compile(NumPy)` is the plain code again, by
torch.compile, which takes NumPy's functions for its own; of naive loops it had compiled nothing after three minutes.
`jax` is one jitted function for forward and backward together, which may fuse more than two calls can; `jax sync` is
the same, dispatched without a thread of its own, which is faster for small arrays and slower for large ones. `copy`
moves the bytes the work has to move, `matmuls` are a training step's matrix products alone, through the same BLAS, into
arrays that exist: what nobody can be faster than, by this code. Numbers of a busy machine spread, those of threads
most: look at ± before you believe a ratio, and give the command a higher priority (on Linux, as root, `nice -n -20`),
or take the least of many calls (`--least`).

Networks. Nothing is dropped out in the deep net: everyone would drop other numbers. The reset gate of the GRU follows
the product, as in PyTorch. `10 steps` is the first call of the same layer with ten steps; a first call less a plain
one is processor time of the calling thread. Another batch size is the first call with a size, the median of twelve,
in a net that is compiled for 100; dout must not have written machine code for them.

The ten small kernels count whole, with their own time, which is next to nothing at 8 elements: what is left is the
way from one to the next. New memory is what tracemalloc sees of a call, peak memory what the system gives the process.

Limits. Two calls count what a user sees, arguments, results and kept attributes; their results are dropped at the next
call. No GPU. A 64 MB array may partly stay in a large last-level cache, for all contenders alike.

The peers are not needed; a missing one is a dash:
pip install torch --index-url https://download.pytorch.org/whl/cpu
pip install jax micrograd threadpoolctl
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # when run as a folder
os.environ.pop("OPENBLAS_CORETYPE", None)  # before NumPy is loaded, here and in the processes to come
os.environ.pop("OPENBLAS_L2_SIZE", None)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a first call would compile the modules of a checkout at each start

from rich.console import Console

from benchmarks.speed.fresh import MEASURES, measure
from benchmarks.speed.machine import machine
from benchmarks.speed.rows import ROWS, Row
from benchmarks.speed.table import Line, as_json, render
from benchmarks.speed.worker import Worker, race


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="numbers of groups, or parts of names")
    parser.add_argument("--sizes", nargs="+", default=[], metavar="SIZE", help="such as 1K, 16M, 64x1K, 100")
    parser.add_argument("--contenders", nargs="+", default=[], metavar="NAME", help="such as plain torch dout")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn")
    parser.add_argument("--patience", type=float, default=0.3, help="seconds that a turn waits for a quiet machine")
    parser.add_argument(
        "--least", action="store_true", help="the least of a turn's calls, for a machine that is not yours"
    )
    parser.add_argument("--json", type=Path, help="where to write every sample")
    return parser.parse_args()


def _wanted(row: Row, options: argparse.Namespace) -> bool:
    size = row.size.replace(" ", "").replace("×", "x").removeprefix("batch")
    named = any(part == str(row.number) or (not part.isdigit() and part in row.name) for part in options.only)
    return (named or not options.only) and (size in options.sizes or not options.sizes)


def _measured(rows: list[Row], options: argparse.Namespace) -> list[Line]:
    """The rows of a name, with processes that no other name has used."""
    names = dict.fromkeys(name for row in rows for name in row.contenders)
    names = [name for name in names if name in options.contenders or not options.contenders]
    if rows[0].kind in MEASURES:
        return [Line(row, *measure(row, names, min(options.rounds, 3))) for row in rows]
    workers = {name: Worker(name) for name in names}
    lines = []
    for row in rows:
        racing = {name: worker for name, worker in workers.items() if name in row.contenders}
        lines.append(Line(row, *race(row, racing, options.rounds, options.seconds, options.patience, options.least)))
    for worker in workers.values():
        worker.close()
    return lines


def main() -> None:
    """Measure group by group, each name with new processes, and print each group when it is done."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 200)
    about = machine()
    for name, text in about.items():
        console.print(f"{name}: {text}", highlight=False)
    lines: list[Line] = []
    for name, group in groupby((row for row in ROWS if _wanted(row, options)), key=lambda row: row.name):
        done = _measured(list(group), options)
        console.print(render(name, done))
        lines += done
        if options.json:
            options.json.write_text(json.dumps({"machine": about, "rows": [as_json(line) for line in lines]}, indent=1))


if __name__ == "__main__":
    main()
