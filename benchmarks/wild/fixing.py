"""What `dout check --fix` makes of repositories: how many wrong layers it repairs, and whether it keeps its word.

    python -m benchmarks.wild.fixing FOLDER... [--known LOGS]

Each FOLDER is copied, checked, fixed, fixed with `--unsafe-fixes`, and fixed once more. A layer is repaired if it had
an error and has none afterwards. Counted apart are layers that raise for want of a name, whose code is not finished; a
layer that was stopped by the clock counts nowhere. With --known only the files are checked in which LOGS/FOLDER.json,
the document of an earlier check, has an error. Goals: 60 % repaired, none made wrong, and no change the last time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.wild.run import _digest

Layers = set[tuple[str, str]]
_FIX, _UNSAFE = "--fix", "--unsafe-fixes"
_UNFINISHED = "raises NameError", "raises ImportError"


class Wrong(NamedTuple):
    """The layers with an error, by file and name, and those of them whose code is not finished."""

    layers: Layers
    unfinished: Layers


def main() -> None:
    """Print a line for each folder, and the share of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--known", type=Path, help="documents of earlier checks")
    options = parser.parse_args()
    wrong = safe = every = unfinished = 0
    for folder in options.folders:
        targets = _known(options.known / f"{folder.name}.json") if options.known else ["."]
        if not targets:
            continue
        with TemporaryDirectory() as place:
            copy = Path(shutil.copytree(folder, Path(place, folder.name)))
            before, first, second = (_wrong(copy, targets, *how) for how in ((), (_FIX,), (_FIX, _UNSAFE)))
            fixed = _digest(copy)
            _wrong(copy, targets, _FIX, _UNSAFE)
            again = "" if _digest(copy) == fixed else ", changed again"
        wrong, unfinished = wrong + len(before.layers), unfinished + len(before.unfinished & second.unfinished)
        safe, every = safe + len(before.layers - first.layers), every + len(before.layers - second.layers)
        made = len((first.layers | second.layers) - before.layers)
        print(f"{folder.name}: {len(before.layers - second.layers)} of {len(before.layers)}, {made} made wrong{again}")
        sys.stdout.flush()
    finished = max(1, wrong - unfinished)
    print(f"repaired {every} of {wrong} ({every / max(1, wrong):.1%}), {safe} of them by {_FIX} alone")
    print(f"without {unfinished} that lack a name: {every} of {finished} ({every / finished:.1%})")


def _known(log: Path) -> list[str]:
    """The files that have an error in the document of an earlier check."""
    try:
        files: list[dict[str, Any]] = json.loads(log.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return []
    return [file["file"] for file in files if any(f["severity"] == "error" for f in _findings(file))]


def _findings(file: dict[str, Any]) -> list[dict[str, Any]]:
    return [finding for layer in file["layers"] for finding in layer["findings"]]


def _wrong(folder: Path, targets: list[str], *options: str) -> Wrong:
    command = [sys.executable, "-m", "dout", "check", *targets, "--json", *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    files: list[dict[str, Any]] = json.loads(run.stdout)["files"]
    errors = {
        (file["file"], layer["layer"]): [
            f["message"] for f in layer["findings"] if f["severity"] == "error" and f["code"] != "D003"
        ]
        for file in files
        for layer in file["layers"]
    }
    wrong = {layer: messages for layer, messages in errors.items() if messages}
    unfinished = {
        layer for layer, messages in wrong.items() if all(any(word in m for word in _UNFINISHED) for m in messages)
    }
    return Wrong(set(wrong), unfinished)


if __name__ == "__main__":
    main()
