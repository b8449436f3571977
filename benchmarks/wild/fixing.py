"""What `dout check --fix` makes of repositories: how many wrong layers it repairs, and whether it keeps its word.

    python -m benchmarks.wild.fixing FOLDER... [--safe]

Each FOLDER is copied, checked, fixed (with `--unsafe-fixes`, unless --safe), and fixed again. A layer is repaired if it
had an error and has none afterwards. A second share leaves out the layers that only raise: their code is not finished.
Goals: 60 % repaired, no layer made wrong, and the second time nothing changes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.wild.run import _digest

Layers = set[tuple[str, str]]


def main() -> None:
    """Print a line for each folder, and the share of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--safe", action="store_true", help="only what --fix writes without --unsafe-fixes")
    options = parser.parse_args()
    how = ["--fix"] if options.safe else ["--fix", "--unsafe-fixes"]
    repaired = wrong = raising = 0
    for folder in options.folders:
        with TemporaryDirectory() as place:
            copy = Path(shutil.copytree(folder, Path(place, folder.name)))
            (before, raises), (after, _) = _wrong(copy), _wrong(copy, *how)
            fixed = _digest(copy)
            _wrong(copy, *how)
            again = "" if _digest(copy) == fixed else ", changed again"
        repaired, wrong = repaired + len(before - after), wrong + len(before)
        raising += len(raises & after)
        print(
            f"{folder.name}: {len(before - after)} of {len(before)}, {len(after - before)} made wrong{again}",
            flush=True,
        )
    print(f"repaired {repaired} of {wrong} ({repaired / max(1, wrong):.1%})")
    runs = wrong - raising
    print(f"without those that only raise, and still do: {repaired} of {runs} ({repaired / max(1, runs):.1%})")


def _wrong(folder: Path, *options: str) -> tuple[Layers, Layers]:
    """The layers with an error, by file and name, and those of them that only raise."""
    command = [sys.executable, "-m", "dout", "check", ".", "--json", *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    files: list[dict[str, Any]] = json.loads(run.stdout)["files"]
    codes = {
        (file["file"], layer["layer"]): {f["code"] for f in layer["findings"] if f["severity"] == "error"}
        for file in files
        for layer in file["layers"]
    }
    return {one for one in codes if codes[one]}, {one for one in codes if codes[one] == {"D001"}}


if __name__ == "__main__":
    main()
