"""How long a try of each exercise takes: `dout exercise try`, as a learner runs it, in a process of its own.

    python benchmarks/exercises.py [--answers 2]

For each exercise the first right answer and the first wrong ones of the tests are tried. Seconds are those by the clock
and those of a processor, with all child processes; a machine that does other work makes the first ones longer.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOME / "tests" / "support"))

from exercise_answers import answers  # noqa: E402


def seconds(file: Path) -> tuple[float, float]:
    """Seconds by the clock and of a processor that a try of a sheet takes."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "dout", "exercise", "try", str(file)]
    subprocess.run(command, check=False, capture_output=True)
    clock, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median and the longest try."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--answers", type=int, default=2, help="of each exercise [2]")
    most = options.parse_args().answers
    found: list[tuple[float, float, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sheet.py")
        for number in sorted({answer.exercise for answer in answers()}):
            mine = [answer for answer in answers() if answer.exercise == number]
            right = [answer for answer in mine if not answer.lost][:1]
            for answer in [*right, *(answer for answer in mine if answer.lost)][:most]:
                file.write_text(answer.sheet.text, encoding="utf-8")
                found.append((*seconds(file), str(answer)))
    print(f"{len(found)} tries; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for place, what in enumerate(("by the clock", "of a processor")):
        longest = max(found, key=lambda one: one[place])
        median = statistics.median(one[place] for one in found)
        print(f"{what:14}  median {median:.2f} s  longest {longest[place]:.2f} s ({longest[2]})")


if __name__ == "__main__":
    main()
