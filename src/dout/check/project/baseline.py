"""A baseline: the findings a project had when it began to check. They are known, and only new ones count.

A finding is told by its file, layer, code and argument, never by its line: moved code stays known.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dout.check.report.verdicts import Finding
from dout.errors import TargetError
from dout.files import Kind, regular, write

FORMAT = 1
BASELINE = Kind("a baseline", (".json",), rb'\A\s*\{\s*"dout_baseline":')
Key = tuple[str, str, str, str]


def key_of(finding: Finding, root: Path) -> Key:
    """File (as seen from the baseline's folder), layer, code, argument."""
    file = finding.file or ""
    try:
        file = Path(file).resolve().relative_to(root.resolve()).as_posix() if file else ""
    except ValueError:
        file = Path(file).as_posix()
    return file, finding.layer, finding.code, finding.argument or ""


def write_baseline(path: Path, findings: Iterable[Finding], *, force: bool = False) -> int:
    """Write these findings as known; return how many. Raises TargetError where the file cannot be written."""
    counts = Counter(key_of(finding, path.parent) for finding in findings)
    entries = [
        {"file": file, "layer": layer, "code": code, "argument": argument, "count": count}
        for (file, layer, code, argument), count in sorted(counts.items())
    ]
    text = json.dumps({"dout_baseline": FORMAT, "findings": entries}, indent=1) + "\n"
    write([path], [text.encode()], BASELINE, force=force)
    return counts.total()


class Baseline:
    """Known findings; each is spent once, so that a second one of the same kind is new."""

    def __init__(self, path: Path) -> None:
        self.root = path.parent
        self.left: Counter[Key] = Counter(_read(path))

    def knows(self, finding: Finding) -> bool:
        """Whether a finding is known."""
        key = key_of(finding, self.root)
        if self.left[key] <= 0:
            return False
        self.left[key] -= 1
        return True


def _read(path: Path) -> dict[Key, int]:
    try:
        document: Any = json.loads(regular(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TargetError(f"there is no baseline {path}; write it: add --write-baseline") from None
    except (OSError, ValueError) as error:
        raise TargetError(f"{path} cannot be read: {error}") from None
    try:
        if document["dout_baseline"] != FORMAT:
            raise TargetError(f"{path} is a baseline of another version of dout; write it anew: add --write-baseline")
        return {
            (str(e["file"]), str(e["layer"]), str(e["code"]), str(e["argument"])): int(e["count"])
            for e in document["findings"]
        }
    except (KeyError, TypeError, ValueError):
        raise TargetError(
            f"{path} is not a baseline of dout check; name another file, or write one: add --write-baseline"
        ) from None
