"""Backwards that `dout.derive` writes: are they right, short and fast, on every forward of the tests' corpus?

    python -m benchmarks.derive                       every layer; about seven minutes of an idle core
    python -m benchmarks.derive --only losses Softmax families or classes
    python -m benchmarks.derive --rounds 0            without times
    python -m benchmarks.derive --json derive.json

The corpus (`tests/support/forwards/`) has layers with a forward alone, in plain NumPy, as many people write them. Each
is derived on one example, and then:

- exact: `dout.check` of the derived class at two sizes; the worst verdict, and findings of severity error.
- ±1000: the inputs are scaled so that the largest is 1000. Wherever the true gradient is a finite number, is the
  derived one finite (✓), and is it right to seven digits (else "off")? The judge is exact arithmetic on the forward
  itself, by `benchmarks.checker.exact`, which shares nothing with dout; PyTorch where that cannot run the forward.
- f32: float32 in gives gradients of float32; a dash where forward itself gives float64.
- torch: the largest difference to PyTorch's gradient in float64, as a share of its largest number. PyTorch is not
  needed; without it the column is empty.
- lines: of code of the derived class, as a multiple of the one that is written by hand (`forwards/by_hand*.py`).
- forward+backward, backward: time as a multiple of the hand-written one's, at a larger size, in float64. The two take
  turns in one process, with arrays in several places; the figure is the ratio of their best times, and of all places
  the median.

All times are those of the processor, so that a busy machine hardly changes them. BLAS has one thread: what a second one
waits would be counted as work.

Goals: all derived, all exact, all finite; lines ≤ 2 ×, backward ≤ 1.1 ×. The exit status is 0, whatever comes out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # when run as a folder
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is loaded

from rich.console import Console
from rich.progress import track

from benchmarks.derive.rows import wanted_rows
from benchmarks.derive.subject import TooLongError, examined
from benchmarks.derive.table import MeasuredLayer, render, summary


def main() -> None:
    """Derive and judge each layer, and print each family when it is done, and the counts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.derive", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="families or classes")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each layer that is timed; 0: none")
    parser.add_argument("--patience", type=float, default=120, help="seconds that a layer may take")
    parser.add_argument("--json", type=Path, help="where to write every figure")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    lines: list[MeasuredLayer] = []
    for family, group in groupby(wanted_rows(options.only), key=lambda row: row.family):
        done: list[MeasuredLayer] = []
        for row in track(list(group), family, console=Console(stderr=True), transient=True):
            try:
                done.append(examined(row, options.rounds, options.patience))
            except TooLongError as error:
                done.append(MeasuredLayer(row.family, row.name, why=str(error)))
        console.print(render(family, done))
        lines += done
        if options.json:
            options.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))
    console.print(summary(lines))


if __name__ == "__main__":
    main()
