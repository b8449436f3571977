"""The pages of docs/findings/, one a code: installed inside the package, read from docs/ in a working copy."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
FOLDERS = (_PACKAGE / "findings", _PACKAGE.parents[1] / "docs" / "findings")


def page(code: str) -> str:
    """The page of a code: what it is, why it hurts, how to mend it, how to silence it."""
    for folder in FOLDERS:
        if (file := folder / f"{code}.md").is_file():
            return file.read_text(encoding="utf-8")
    return f"# {code}\n"
