"""The kind of place that a TARGET names: a folder, a file, a module, or a ready-made layer. Nothing of it runs."""

from __future__ import annotations

import os
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from dout import layers
from dout.errors import TargetError
from dout.files import is_there
from dout.trace.model.user_source import is_user_code

TargetKind = Literal["folder", "file", "module", "ready"]


def kind_of(where: str, name: str | None) -> TargetKind:
    """The kind of a place, and perhaps of a name there. Raises TargetError where there is no such place.

    >>> kind_of("Sigmoid", None), kind_of("dout.layers", "Sigmoid")
    ('ready', 'module')
    """
    if Path(where).is_dir():
        if name is not None:
            raise TargetError(f"{where} is a folder; write the file that {name} is in: {Path(where, 'FILE.py')}:{name}")
        return "folder"
    if is_there(where):
        return "file"
    if name is None and where in layers.__all__:
        return "ready"
    here = "" if Path(where).is_absolute() else f"; relative paths start at {Path.cwd()}"
    if where.endswith(".py") or os.sep in where or not all(part.isidentifier() for part in where.split(".")):
        raise TargetError(f"there is no file {where}{here}")
    if _spec(where) is not None:
        return "module"
    if name is not None or "." in where:
        raise TargetError(f"there is no file or module {where}{here}")
    known = ", ".join(layers.__all__)
    raise TargetError(f"there is no file, module or ready-made layer {where}; the ready-made layers are {known}")


def module_file(name: str) -> str:
    """The file of a module that is the user's own; nothing where it has none, or is a library's or ours."""
    spec = None if name.partition(".")[0] == "dout" else _spec(name)
    file = (spec.origin if spec is not None else None) or ""
    return file if file.endswith(".py") and is_user_code(file) else ""


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, in the working folder or installed; the packages above it are not imported."""
    first, *others = name.split(".")
    try:
        spec = PathFinder.find_spec(first, [os.getcwd()]) or find_spec(first)  # noqa: PTH109 - an entry of sys.path
        for part in others:
            first = f"{first}.{part}"
            spec = spec and PathFinder.find_spec(first, spec.submodule_search_locations or [])
    except (ImportError, ValueError, AttributeError):
        return None
    return spec
