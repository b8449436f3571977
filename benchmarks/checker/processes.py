"""The command as whole processes: how long beside `import numpy`, and 200 files at once.

    python -m benchmarks.checker.processes

Goals: `dout check examples/slide_layers.py` ≤ 8 × `python -c "import numpy"`; 200 files with -j2 leave no process
behind and need no more memory than one.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.checker import corpus
from benchmarks.checker.case import write

ROOT = Path(__file__).resolve().parents[2]
PAIRS = 9


def seconds(*command: str) -> float:
    """How long one process takes."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return time.perf_counter() - start


def ratio() -> float:
    """The median of pairs, one after the other: the machine is noisy."""
    check = (sys.executable, "-m", "dout", "check", "examples/slide_layers.py")
    plain = (sys.executable, "-c", "import numpy")
    seconds(*check)
    return statistics.median(seconds(*check) / seconds(*plain) for _ in range(PAIRS))


def many(files: int) -> tuple[float, float, int]:
    """Seconds, largest memory of a process in MB, and processes left over, for so many files."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [*corpus.right(), *corpus.controls()][:files]
        for case in cases:
            write(case, folder)
        took = seconds(sys.executable, "-m", "dout", "check", "-j2", folder)
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        left = subprocess.run(["pgrep", "-f", folder], capture_output=True, text=True, check=False).stdout.split()
    return took, memory, len([pid for pid in left if int(pid) != os.getpid()])


def main() -> None:
    """Print the figures."""
    print(f"dout check examples/slide_layers.py: {ratio():.1f} × import numpy, as whole processes (goal ≤ 8)")
    for files in (20, 200):
        took, memory, left = many(files)
        print(f"{files} files with -j2: {took:.1f} s, at most {memory:.0f} MB a process, {left} processes left")


if __name__ == "__main__":
    main()
