"""What an error says is not there: a library that a check before the error asks for, or that it was raised from."""

from __future__ import annotations

import ast
import linecache
import re
import traceback
from types import FrameType
from typing import Any

from dout.adapt.argument_names import names_label
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.method_pairs import optional, required
from dout.adapt.search.own_faults import not_imported
from dout.trace.program.stub_modules import needed_by


def lacks(error: BaseException | None) -> str:
    """What the code that raised an error needs and has not; nothing where the error says no such thing.

    That is a module whose import failed just before or when the file was loaded, a function that a shared library has
    not, or what stands for a missing library in the condition of the `raise`: `if not isinstance(x, cupy.ndarray)`.
    """
    if error is None:
        return ""
    before = error.__cause__ or error.__context__
    if isinstance(before, ImportError) and before.name:
        return before.name
    if module := not_imported(error):
        return module
    symbol = re.search(r"undefined symbol: (\w+)", str(error)) if isinstance(error, AttributeError) else None
    if symbol is not None:
        return f"{symbol[1]} of a shared library"
    frames = [*traceback.walk_tb(error.__traceback__)]
    return _in_its_condition(*frames[-1]) if frames else ""


def lacks_target(target: Any, interface: Interface | None, message: str) -> bool:
    """Whether a backward met None where it has an argument for the target, which forward does not take."""
    how = interface or Interface()
    ahead, behind = (optional(getattr(target, name, None)) for name in (how.forward, how.backward))
    labels = [n for n, default in behind.items() if default is None and names_label(n) and n not in ahead]
    taken = required(getattr(target, how.forward, None), bound=isinstance(target, type))
    return "NoneType" in message and bool(labels) and not any(map(names_label, taken))


def _in_its_condition(frame: FrameType, line: int) -> str:
    """What is missing among the names that the condition of a `raise` in this line is made of."""
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
    except (SyntaxError, ValueError):
        return ""
    for branch in (node for node in ast.walk(tree) if isinstance(node, ast.If)):
        if any(
            isinstance(part, ast.Raise) and part.lineno <= line <= (part.end_lineno or line) for part in branch.body
        ):
            names = [node.id for node in ast.walk(branch.test) if isinstance(node, ast.Name)]
            found = (needed_by(frame.f_globals.get(name)) for name in names)
            return next(filter(None, found), "")
    return ""
