"""`%load_ext dout`: `%%check` and `%%explain` at the head of a cell, in Jupyter and every other IPython."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from typing import Any

from dout.errors import DoutError, visible


def load(shell: Any) -> None:
    """Give a shell of IPython the magics."""
    import dout

    def magic(verb: Callable[[Any], Any]) -> Callable[[str, str], None]:
        return lambda line, cell: _run(shell, verb, line, cell)

    shell.register_magic_function(magic(lambda layer: dout.check(layer)), "cell", "check")
    shell.register_magic_function(magic(lambda layer: dout.explain(layer)), "cell", "explain")


def _run(shell: Any, verb: Callable[[Any], Any], line: str, cell: str) -> None:
    """Run a cell, then show what the verb says of each class in it with a forward, or of those named in the line.

    What the cell itself raises, its shell shows. What dout has to say is one line, without a traceback.
    """
    magic = "" if cell.startswith("%%") else "# the line of the magic, so that lines count as in the cell\n"
    if not shell.run_cell(f"{magic}{cell}").success:
        return
    display = importlib.import_module("IPython.display").display  # it is there: its shell called
    named = line.replace(",", " ").split()
    defined = [item.name for item in ast.parse(shell.transform_cell(cell)).body if isinstance(item, ast.ClassDef)]
    layers = named or [name for name in defined if hasattr(shell.user_ns.get(name), "forward")]
    if not layers:
        _say("no class in this cell has a forward; name one: %%check NAME")
    for name in layers:
        if name not in shell.user_ns:
            _say(f"there is no {visible(name)} in this notebook")
            continue
        try:
            display(verb(shell.user_ns[name]))
        except DoutError as error:
            _say(visible(str(error)))


def _say(message: str) -> None:
    sys.stderr.write(f"dout: {message}\n")
