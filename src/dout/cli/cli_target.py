"""The TARGET of a command: the module that it is in, and the layer or function that it names."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from dout.errors import TargetError


def split(target: str) -> tuple[str, str | None]:
    """Split `file.py:Name` or `module:Name` into a place and a name there.

    >>> split("mine.py:Affine"), split("mine.py")
    (('mine.py', 'Affine'), ('mine.py', None))
    """
    where, colon, name = target.rpartition(":")
    if colon and name and not Path(target).exists() and all(part.isidentifier() for part in name.split(".")):
        return where, name
    return target, None


def load(target: str) -> tuple[ModuleType, Any]:
    """The module that a TARGET is in, and what it names there: None where it names the module or file alone.

    Runs the file, or imports the module. Raises TargetError, and UserCodeError for what the file raises.
    """
    from dout import layers
    from dout.adapt.tapes.tape_operations import tape_operations
    from dout.check.project.discover import attribute
    from dout.check.project.target_kind import kind_of
    from dout.run import is_class, names_of
    from dout.trace.record.script import load_file

    where, name = split(target)
    kind = kind_of(where, name)
    if kind == "folder":
        raise TargetError(f"{where} is a folder; name a file in it: {Path(where, 'FILE.py')}")
    if kind == "ready":
        return layers, getattr(layers, where)
    module = load_file(where, name or "") if kind == "file" else _imported(where)
    if name is None:
        return module, None
    found, (outer, _, own) = attribute(module, name, where), name.rpartition(".")
    owner: Any = attribute(module, outer, where) if outer else None
    if is_class(owner) or owner is None:
        operation = tape_operations(names_of(module), owner).get(own)
        if operation is not None:
            return module, operation
    if type(inspect.getattr_static(owner, own, None)) is FunctionType:
        with suppress(Exception):  # the user's constructor: a method is one of an instance, if that needs no arguments
            found = getattr(owner(), own)
    return module, of_numpy(found, target)


def loaded(target: str) -> Any:
    """The layer or function that a TARGET names. Raises TargetError where it names a module alone."""
    found = load(target)[1]
    if found is None:
        raise TargetError(f"{target} is a module; name one layer or function in it: {target}:NAME")
    return found


def of_numpy(found: Any, name: str) -> Any:
    """Return `found`, or raise TargetError if it belongs to torch or JAX."""
    from dout.check.project.foreign_gradients import foreign_layer

    if foreign_layer(found) is not None:
        raise TargetError(f"{name} computes with another library than NumPy; only `dout check` takes it")
    return found


def _imported(name: str) -> ModuleType:
    from dout.trace.record.script import run_user_code

    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        module: ModuleType = run_user_code(lambda: importlib.import_module(name), name)
        return module
    finally:
        sys.path.pop(0)
