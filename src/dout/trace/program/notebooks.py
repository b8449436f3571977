"""The code of a notebook as one text, so that the classes in its cells are read like those of a file."""

from __future__ import annotations

import ast
import json
import linecache
import re
from pathlib import Path

from dout.errors import TargetError
from dout.files import lines_of, regular, text_of
from dout.trace.program.stub_modules import Quiet

SUFFIX = ".ipynb"
_RUN_PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun")  # the magics of a cell that runs as it is
BUILTINS = {"display": lambda *items, **options: None, "get_ipython": Quiet}  # names that a kernel gives


def source_of(path: Path) -> str:
    """The text of a Python file, or of the code cells of a notebook, one after the other.

    Lines of a notebook that only its kernel understands (`%matplotlib inline`, `!pip install`) are left out, and so is
    a cell that is no Python without them; every line keeps its number, counted over the code cells.

    Raises OSError, TargetError for what is no notebook, and SyntaxError or ValueError for what is no Python file.
    """
    if path.suffix != SUFFIX:
        return text_of(path)
    return "".join(f"{cell}\n" for cell in cells_of(path))


def cells_of(path: Path) -> list[str]:
    """The code cells of a notebook, as `source_of` has them. Raises OSError; TargetError for what is no notebook."""
    try:
        document = json.loads(regular(path).read_text(encoding="utf-8"))
        cells = [c for c in document["cells"] if c.get("cell_type") == "code"]
        texts = ["".join(c["source"]) for c in cells]
    except json.JSONDecodeError as error:
        raise TargetError(f"{path}:{error.lineno} is no notebook: its JSON is broken there, {error.msg}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TargetError(f"{path} is no notebook: it is no JSON with a list of cells") from None
    return [_python(text) for text in texts]


def _python(cell: str) -> str:
    """A cell without its magics; without anything, where it is no Python. It has as many lines as before."""
    lines = cell.splitlines()
    if cell.lstrip().startswith(_RUN_PYTHON):
        cell = re.sub(r"%%.*", "", cell, count=1)
    kept = cell.splitlines()
    while (at := _wrong_line("\n".join(kept))) is not None:
        if at >= len(kept) or not _is_magic(kept[at]) or cell.lstrip().startswith("%%"):
            kept = []
        else:
            kept[at] = f"{kept[at][: len(kept[at]) - len(kept[at].lstrip())]}pass"
    return "\n".join(kept + [""] * (len(lines) - len(kept)))


def _wrong_line(text: str) -> int | None:
    """The line, from 0, at which a text is no Python; None where it is."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        return (error.lineno or 1) - 1
    except (ValueError, RecursionError):
        return len(text)
    return None


def _is_magic(line: str) -> bool:
    """Whether only a notebook's kernel understands a line: `%matplotlib inline`, `!pip install`, `np.exp?`."""
    bare = line.strip()
    return bare.startswith(("%", "!", "?")) or re.fullmatch(r"[\w.]+\?{1,2}", bare) is not None


def remember(file: str, text: str) -> None:
    """Let tracebacks and `inspect` read a text where the file itself holds another."""
    lines = lines_of(text if text.endswith("\n") else f"{text}\n")
    linecache.cache[file] = (len(text), None, lines, file)
