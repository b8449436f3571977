"""Places in the user's source: where a backward is written, which line raised, which line runs."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from dout.adapt.repository.project_files import statements_of
from dout.graph import Where
from dout.trace.model.user_source import behind, is_ours, user_frame

_STANDARD = str(Path(os.__file__).parent)  # of the standard library
_LIBRARIES = tuple(f"{os.sep}{library}{os.sep}" for library in ("numpy", "scipy"))


def backward_of(layer: Any) -> Where | None:
    """Where the backward of a layer is written."""
    return written_at(_backward(layer))


def is_lambda(layer: Any) -> bool:
    """Whether the backward of a layer is a lambda."""
    return getattr(_backward(layer), "__name__", "") == "<lambda>"


def _backward(layer: Any) -> Any:
    return getattr(layer, "written", getattr(type(layer), "backward", None))


def written_at(function: Any) -> Where | None:
    """Where a function is written; None where its source is not to be had."""
    try:
        function = inspect.unwrap(behind(function))
        file, (_, line) = inspect.getsourcefile(function), inspect.getsourcelines(function)
    except (OSError, TypeError, AttributeError):
        return None
    return Where(file, line) if file else None


def raised_at(error: BaseException) -> Where | None:
    """The innermost line of the user's code in a traceback."""
    places = [Where(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [place for place in places if is_users(place.file) and linecache.getline(place.file, place.line)]
    return users[-1] if users else None


def is_users(file: str) -> bool:
    """Whether a source file is the user's: no one of ours, of Python's, or of NumPy's."""
    if file.startswith(_STANDARD) and f"{os.sep}site-packages{os.sep}" not in file:
        return False
    return not (file.startswith("<frozen") or is_ours(file) or any(folder in file for folder in _LIBRARIES))


def users_line() -> Where | None:
    """The line of the user's code that is running, seen from a callback of NumPy's."""
    frame = user_frame(sys._getframe(2))
    return Where(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def class_at(file: str, line: int) -> str:
    """The name of the class in which a line stands; "" outside of classes."""
    statements = statements_of(file)
    holds = (s for s in statements if isinstance(s, ast.ClassDef) and s.lineno <= line <= (s.end_lineno or s.lineno))
    return next((s.name for s in holds), "")
