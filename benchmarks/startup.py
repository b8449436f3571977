"""How long dout takes to start, beside `import numpy`: ratios of paired runs of whole processes.

    python benchmarks/startup.py

Goals: `import dout` at most 1.3 × `import numpy`; `dout show examples/buy_fruits.py` at most 4 ×, as is a first check.
Modules are compiled once, as after an installation, also where PYTHONDONTWRITEBYTECODE is set.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 15
HOME = Path(__file__).resolve().parents[1]
NUMPY = [sys.executable, "-c", "import numpy"]
SHOW = [sys.executable, "-m", "dout", "show"]
CHECK = [sys.executable, "-m", "dout", "check"]
COMMANDS = {
    "import dout": ([sys.executable, "-c", "import numpy, dout"], 1.3),
    "dout show examples/buy_fruits.py": ([*SHOW, "examples/buy_fruits.py"], 4.0),
    "dout show examples/residual.py": ([*SHOW, "examples/residual.py"], 4.0),
    "dout check examples/slide_layers.py": ([*CHECK, "examples/slide_layers.py"], 4.0),
}


def seconds(command: list[str], compiled: str) -> float:
    """Wall time of one whole process."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
    code = subprocess.run(command, cwd=HOME, env=environment, check=False, stdout=subprocess.DEVNULL).returncode
    assert code in (0, 1), command  # 1: the layers of the slides have findings
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    print(f"{'':36}{'numpy ms':>10}{'this ms':>10}{'ratio':>8}{'goal':>8}")
    for name, (command, goal) in COMMANDS.items():
        with tempfile.TemporaryDirectory() as compiled:
            seconds(NUMPY, compiled)  # warm the disk
            seconds(command, compiled)
            pairs = [(seconds(NUMPY, compiled), seconds(command, compiled)) for _ in range(PAIRS)]
        numpy_, this = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"{name:36}{numpy_:10.0f}{this:10.0f}{ratio:8.2f}{'≤':>6}{goal}")


if __name__ == "__main__":
    main()
