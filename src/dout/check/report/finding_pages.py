"""The pages of docs/findings/, one a code: installed inside the package, read from docs/ in a working copy."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
FOLDERS = (_PACKAGE / "findings", _PACKAGE.parents[1] / "docs" / "findings")


def codes() -> tuple[str, ...]:
    """Return every finding code, in order. Their pages have them all, so that no rule has to be loaded."""
    return tuple(sorted({file.stem for folder in FOLDERS for file in folder.glob("D*.md")}))


def page(code: str) -> str:
    """Return the page of a code: what it is, why it hurts, how to mend it, how to silence it."""
    for folder in FOLDERS:
        if (file := folder / f"{code}.md").is_file():
            return file.read_text(encoding="utf-8")
    return f"# {code}\n"
