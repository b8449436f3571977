"""What a user sees: `dout check .` in the folder of each volume of "Deep Learning from Scratch", with no configuration.

    python benchmarks/books.py PATH_TO/deep-learning-from-scratch PATH_TO/deep-learning-from-scratch-2

Takes checkouts of the books' repositories (oreilly-japan/deep-learning-from-scratch and -2); nothing of them is part of
dout. For each layer it prints what the report makes of it, and whether that is true. Goal: no false error, none missed,
none stopped, none not driven.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

# All that is wrong in the two volumes, as a reader and a difference quotient find it; the rest is right.
WRONG = {
    ("common/layers.py", "Relu"): "D201",  # of volume 1: it overwrites the dout that it is given
    ("common/time_layers.py", "Simple_TimeAffine"): "D001",  # asks its Affine for a dW that this keeps in grads
}
KINDS = ("exact", "within rounding", "warning", "error", "not driven", "stopped")


def kind_of(layer: dict[str, Any]) -> str:
    """What a report makes of a layer."""
    severities = {finding["severity"] for finding in layer["findings"]}
    if any(finding["code"] == "D003" for finding in layer["findings"]):
        return "stopped"
    if "error" in severities:
        return "error"
    if not layer["verdicts"]:
        return "warning" if "warning" in severities else "not driven"
    exact = all(verdict["route"] == "exact arithmetic" for verdict in layer["verdicts"])
    return "warning" if "warning" in severities else "exact" if exact else "within rounding"


def is_true(layer: dict[str, Any], kind: str) -> bool:
    """Whether a wrong layer has the finding that it deserves, and a right one was judged and has no error."""
    code = WRONG.get((layer["file"], layer["layer"]))
    if code is not None:
        return any(f["code"] == code and f["severity"] != "note" for f in layer["findings"])
    return bool(layer["verdicts"]) and kind not in ("error", "stopped")


def layers_of(folder: Path) -> list[dict[str, Any]]:
    """The layers in the report on a folder, each with the file that it is written in."""
    command = [sys.executable, "-m", "dout", "check", ".", "--json"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    files = json.loads(done.stdout)["files"]
    return [{**layer, "file": file["file"]} for file in files for layer in file["layers"]]


def main() -> None:
    """Print a line a layer, then how many of each kind; the exit code is 1 where anything is not true."""
    false = 0
    for folder in map(Path, sys.argv[1:]):
        kinds: Counter[str] = Counter()
        for layer in layers_of(folder):
            kind = kind_of(layer)
            true = is_true(layer, kind)
            kinds[kind] += 1
            false += not true
            codes = " ".join(dict.fromkeys(f["code"] for f in layer["findings"] if f["severity"] != "note"))
            name = f"{layer['file']}:{layer['layer']}"
            why = "" if true else next((finding["message"] for finding in layer["findings"]), "")
            mark, seconds = "ok" if true else "FALSE", layer["seconds"] or 0
            print(f"{mark:6}{name:60}{kind:17}{seconds:6.1f} s  {codes}  {why}".rstrip(), flush=True)
        counted = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS)
        print(f"{folder.name}: {sum(kinds.values())} layers: {counted}")
    print(f"{false} said falsely, or not at all")
    sys.exit(false > 0)


if __name__ == "__main__":
    main()
