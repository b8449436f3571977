"""The code of a notebook as one text, so that the classes in its cells are read like those of a file."""

from __future__ import annotations

import ast
import io
import json
import linecache
from pathlib import Path

from dout.files import regular, text_of

SUFFIX = ".ipynb"


def source_of(path: Path) -> str:
    """The text of a Python file, or of the code cells of a notebook, one after the other.

    Lines of a notebook that only its kernel understands (`%matplotlib inline`, `!pip install`) are left out, and so is
    a cell that is no Python without them; every line keeps its number, counted over the code cells.

    Raises OSError, and SyntaxError or ValueError for what is no Python file or no notebook.
    """
    if path.suffix != SUFFIX:
        return text_of(path)
    return "".join(f"{cell}\n" for cell in cells_of(path))


def cells_of(path: Path) -> list[str]:
    """The code cells of a notebook, as `source_of` has them. Raises OSError, and ValueError for what is no notebook."""
    try:
        document = json.loads(regular(path).read_text(encoding="utf-8"))
        cells = [c for c in document["cells"] if c.get("cell_type") == "code"]
        texts = ["".join(c["source"]) for c in cells]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no notebook ({type(error).__name__})") from None
    return [_python(text) for text in texts]


def _python(cell: str) -> str:
    """A cell without its magics; without anything, where it is no Python. It has as many lines as before."""
    lines = cell.splitlines()
    kept = [] if cell.lstrip().startswith("%%") else [_without_magic(line) for line in lines]
    try:
        ast.parse("\n".join(kept))
    except (SyntaxError, ValueError, RecursionError):
        kept = []
    return "\n".join(kept + [""] * (len(lines) - len(kept)))


def _without_magic(line: str) -> str:
    bare = line.lstrip()
    magic = bare.startswith(("%", "!", "?")) or bare.rstrip().endswith("?")
    return f"{line[: len(line) - len(bare)]}pass" if magic else line


def remember(file: str, text: str) -> None:
    """Let tracebacks and `inspect` read a text where the file itself holds another."""
    lines = [f"{line}\n" for line in io.StringIO(text).read().splitlines()]
    linecache.cache[file] = (len(text), None, lines, file)
