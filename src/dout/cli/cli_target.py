"""What a TARGET on the command line means."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from dout.check.project.foreign_gradients import foreign_layer
from dout.cli.cli_values import read
from dout.errors import TargetError
from dout.files import is_there
from dout.trace.record.script import load_file, run_user_code


def split(target: str) -> tuple[str, str | None]:
    """Split `file.py:Name` or `module:Name` into where and what.

    >>> split("mine.py:Affine"), split("mine.py")
    (('mine.py', 'Affine'), ('mine.py', None))
    """
    where, colon, name = target.rpartition(":")
    if colon and name and not Path(target).exists() and all(part.isidentifier() for part in name.split(".")):
        return where, name
    return target, None


def find(where: str, name: str | None) -> Any:
    """Return the class, function or object a TARGET names. Runs the file or imports the module it is in.

    A name alone is one of the ready-made layers. Raises TargetError, and UserCodeError for what the file raises.
    """
    if name is None:
        from dout import layers

        if where.isidentifier() and where in layers.__all__:
            return getattr(layers, where)
        known = ", ".join(layers.__all__)
        raise TargetError(f"there is no file {where}, and no ready-made layer of this name ({known})")
    module = load_file(where) if where.endswith(".py") or is_there(where) else _imported(where)
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            classes = [key for key, item in vars(module).items() if isinstance(item, type) and hasattr(item, "forward")]
            has = f"; it has the layers {', '.join(classes)}" if classes else ""
            raise TargetError(f"{where} has no {name}{has}")
        found = getattr(found, part)
    return of_numpy(found, f"{where}:{name}")


def of_numpy(found: Any, name: str) -> Any:
    """What was found, unless it is of torch or JAX. Raises TargetError."""
    if foreign_layer(found) is not None:
        raise TargetError(f"{name} computes with another library than NumPy: `dout check` alone judges it")
    return found


def _imported(name: str) -> Any:
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"there is no file {name}")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            raise TargetError(f"there is no module {name}")
        return run_user_code(lambda: importlib.import_module(name), name)
    finally:
        sys.path.pop(0)


def parse(given: tuple[str, ...], option: str) -> dict[str, Any]:
    """Read `NAME=VALUE` or `VALUE` options: Python literals, where a list becomes an array, and arrays by their shape.

    `x=array(3,4)` are numbers of that shape, always the same: `dout.cli.cli_values` has the syntax.

    >>> parse(("x=[1.0, 2.0]", "n=3"), "--input")
    {'x': array([1., 2.]), 'n': 3}
    """
    values: dict[str, Any] = {}
    for place, text in enumerate(given):
        name, equals, literal = text.partition("=")
        if not (equals and name.strip().isidentifier()):
            name, literal = str(place), text
        try:
            values[name.strip()] = read(literal, name.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            example = f"{option} 'x=[[1.0, -0.5], [-2.0, 3.0]]' or 'x=array(2,2)'"
            raise TargetError(f"{option} {text!r}: not a Python literal; write {example}") from None
    return values
