"""Layers of public repositories: what `dout check` says of each, with no configuration.

    python -m benchmarks.wild.run FOLDER... [--table FILE] [--processes N]

Each FOLDER is a checkout of one repository, named owner+name. Their code stays where it is; only the table of
repository, layer, verdict and reason is kept (benchmarks/wild/table.tsv). Printed is how many of the layers that run
under plain NumPy were driven, and how many of those were judged. A layer that raises by itself (a name that is missing)
runs nowhere and counts in neither.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

# What keeps a layer from running under plain NumPy, as the reports say it; the rest must be driven, also what needs
# arguments to be built.
_ELSEWHERE = (", which ", "takes the target itself", "is not complete by itself", "hands its input on",
              "ends the interp", "it is no gradient")  # fmt: skip


class Row(NamedTuple):
    """One layer: where it is, how it was called, what came out, and why."""

    repository: str
    file: str
    layer: str
    interface: str
    verdict: str
    why: str


def main() -> None:
    """Check every repository and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--table", type=Path, default=Path(__file__).with_name("table.tsv"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with ThreadPoolExecutor(options.processes) as pool:
        found = list(pool.map(_checked, options.folders))
    rows = [row for rows, _, _ in found for row in rows]
    text = "\n".join("\t".join(part.replace("\t", " ") for part in row) for row in [Row._fields, *rows])
    options.table.write_text(text + "\n", encoding="utf-8")
    _print(found, rows)


def _checked(folder: Path) -> tuple[list[Row], float, bool]:
    """The rows of one repository, the seconds it took, and whether anything in it has changed."""
    before, start = _digest(folder), time.perf_counter()
    command = [sys.executable, "-m", "dout", "check", ".", "--json", "-j", "1"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    try:
        files = json.loads(run.stdout)["files"]
    except (ValueError, KeyError):
        return [Row(folder.name, "", "", "", "the command failed", run.stderr[-200:])], seconds, False
    rows = [_row(folder.name, file["file"], layer) for file in files for layer in file["layers"]]
    return rows, seconds, _digest(folder) != before


def _row(repository: str, file: str, layer: dict[str, Any]) -> Row:
    words = [verdict["word"] for verdict in layer["verdicts"]]
    findings = layer["findings"]
    errors = [f for f in findings if f["severity"] == "error"]
    codes = {f["code"] for f in findings}
    if errors and words:
        verdict, why = "error", "; ".join(f"{f['code']} {f['message']}" for f in errors)
    elif not words:
        said = next((f for f in findings if f["code"] in ("D001", "D002", "D003", "D004")), None)
        message = said["message"] if said else "no gradient"
        verdict, why = ("elsewhere" if any(part in message for part in _ELSEWHERE) else "not driven"), message
        verdict = "raises" if said and said["code"] == "D001" and said["severity"] == "error" else verdict
        verdict = "nothing to judge" if said is None else verdict
    elif all(word == "inconclusive" for word in words):
        verdict, why = "inconclusive", layer["verdicts"][0].get("because") or ""
    else:
        verdict, why = "judged", ", ".join(sorted(codes))
    called, why = layer.get("interface") or "", re.sub(r"`[^`]*`", "`…`", " ".join(why.split()))  # none of their code
    return Row(repository.replace("+", "/", 1), file, layer["layer"], called, verdict, why[:200])


def _digest(folder: Path) -> str:
    """A hash over the names and contents of everything in a folder."""
    digest = hashlib.sha256()
    for path in sorted(_files(folder)):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if Path(parent, name).is_file())


def _print(found: list[tuple[list[Row], float, bool]], rows: list[Row]) -> None:
    counts = Counter(row.verdict for row in rows)
    judged = counts["judged"] + counts["error"]
    driven = judged + counts["inconclusive"] + counts["nothing to judge"]
    able = driven + counts["not driven"]
    print(f"{len(found)} repositories, {len(rows)} layers: {', '.join(f'{n} {v}' for v, n in counts.most_common())}")
    print(f"driven {driven} of {able} that run under plain NumPy ({driven / max(1, able):.1%}),")
    print(f"judged {judged} of {driven} driven ({judged / max(1, driven):.1%})")
    print(f"the slowest took {max(seconds for _, seconds, _ in found):.0f} s")
    print(f"changed: {sum(changed for _, _, changed in found)} repositories")


if __name__ == "__main__":
    main()
