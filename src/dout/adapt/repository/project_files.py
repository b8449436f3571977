"""The files of a repository, and the Python in them: in modules and notebook cells."""

from __future__ import annotations

import ast
import functools
import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dout.files import KNOWN_TEXT, regular
from dout.trace.program.project_root import MARKS

MOST_FILES = 400
_MOST_FOLDERS = 1_600
_LARGE = 4_000_000  # bytes
_LEVELS = 5  # the file's own folder and four above
_NOT_THEIRS = frozenset({"site-packages", "node_modules", "__pycache__", "venv", "env", "build", "dist"})
_README_ENDS = (".md", ".rst", ".txt", "")
_NOTEBOOK = ".ipynb"
_CELL = "\f"  # what stands between the cells of a notebook


def repository_root(file: str | Path) -> Path:
    """The nearest folder above a file that looks like a project's, at most four levels up, else the file's own.

    A README alone counts where nothing better is found, then the working folder. Never the home folder or the root of
    the file system, unless the file itself lies there.
    """
    try:
        own = Path(file).resolve().parent
        inside = itertools.takewhile(lambda f: f not in (Path.home(), Path(f.anchor)), (own, *own.parents))
        above = list(itertools.islice(inside, _LEVELS))
        marked = [folder for folder in above if any((folder / mark).exists() for mark in MARKS)]
        described = [folder for folder in above if any((folder / f"README{end}").exists() for end in _README_ENDS)]
        described = described or [folder for folder in above if folder == Path.cwd()]
    except (OSError, RuntimeError, ValueError):
        return Path(file).parent
    return (marked or described[-1:] or [own])[0]


def files_below(root: Path) -> list[Path]:
    """The Python files and notebooks below a folder, nearest first; no hidden folders, no installed packages."""
    found: list[Path] = []
    folders = [root]
    for folder in folders:  # grows as it is walked: breadth first
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.suffix in (".py", _NOTEBOOK):
                found.append(entry)
            elif len(folders) < _MOST_FOLDERS and entry.name not in _NOT_THEIRS and entry.is_dir():
                folders.append(entry)
        if len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]


@dataclass(frozen=True)
class SourceFile:
    """A file as it was when it was last changed."""

    path: str
    changed: int
    size: int

    @classmethod
    def of(cls, path: Path) -> SourceFile:
        """The file at a path as it is now. Raises OSError."""
        sys.audit(KNOWN_TEXT, path)
        status = path.stat()
        return cls(str(path), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=2 * MOST_FILES)
def text_of(source: SourceFile) -> str:
    """The Python of a file; the code cells of a notebook, each after a form feed. Raises OSError and ValueError."""
    raw = regular(source.path).read_text(encoding="utf-8", errors="replace")
    if not source.path.endswith(_NOTEBOOK):
        return raw
    try:
        code = [cell for cell in json.loads(raw).get("cells", []) if cell.get("cell_type") == "code"]
        cells = ["".join(cell.get("source", ())) for cell in code]
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{source.path} is JSON, and no notebook") from error
    return _CELL.join(re.sub(r"(?m)^(\s*)[%!?].*$", r"\1pass", cell) for cell in cells)


def texts_of(paths: Iterable[Path]) -> Iterator[tuple[SourceFile, str]]:
    """The files that can be read, each with its Python."""
    for path in paths:
        with suppress(OSError, ValueError):
            source = SourceFile.of(path)
            yield source, text_of(source)


@functools.lru_cache(maxsize=256)
def parsed(source: SourceFile) -> tuple[ast.stmt, ...]:
    """The statements of a file, without the notebook cells that are not Python; none of a large one, which is data."""
    if source.size > _LARGE:
        return ()
    text = text_of(source)
    parts = text.split(_CELL) if source.path.endswith(_NOTEBOOK) else [text]
    return tuple(statement for part in parts for statement in statements_in(part))


def statements_of(path: str | Path) -> Sequence[ast.stmt]:
    """The statements of the file at a path; none where it cannot be read."""
    with suppress(OSError, ValueError):
        return parsed(SourceFile.of(Path(path)))
    return ()


def statements_in(text: str) -> list[ast.stmt]:
    """The statements of a text; none where it is not Python."""
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
