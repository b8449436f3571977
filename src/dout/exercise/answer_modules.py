"""What an answer may use of a module: functions that compute, found by the module's own list of what is public.

A module is no value in an answer: its name stands in front of a dot. So each use of it can be read from the text, and a
module that runs text or files (numpy.testing, say) is out of reach, whatever other modules hold of it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType

from dout.errors import visible
from dout.exercise.sheet import listed

_MODULES = (  # of which an answer may use something
    "numpy", "numpy.linalg", "numpy.fft", "numpy.random", "numpy.lib.stride_tricks", "math", "scipy.special",
)  # fmt: skip
_ON_THE_WAY = frozenset({"numpy.lib", "scipy"})  # to one of them: nothing else of these
_WINDOWS = frozenset({"as_strided", "sliding_window_view"})  # numpy.lib.stride_tricks lists nothing in older versions
_NO_FUNCTIONS_OF_ARRAYS = frozenset({
    "fromfile", "fromregex", "genfromtxt", "get_include", "info", "load", "loadtxt", "memmap", "save", "savetxt",
    "savez", "savez_compressed", "set_printoptions", "setbufsize", "seterr", "seterrcall", "show_config",
    "show_runtime", "test",
})  # fmt: skip
_ALLOWED = "an answer imports numpy, math and scipy.special alone"
NUMPY = "np"  # what a star import of a project may bring

Modules = Mapping[str, frozenset[str]]


def modules_in(tree: ast.AST) -> dict[str, frozenset[str]]:
    """The names that imports bind anywhere in a file, each with the dotted names that it may stand for.

    >>> modules_in(ast.parse("import numpy as n"))["n"]
    frozenset({'numpy'})
    """
    found: dict[str, frozenset[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            pairs = [(a.asname or a.name.partition(".")[0], a.name if a.asname else "") for a in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            pairs = [(a.asname or a.name, f"{node.module}.{a.name}") for a in node.names]
        else:
            continue
        for name, dotted in pairs:
            found[name] = found.get(name, frozenset()) | {dotted or name}
    return {NUMPY: frozenset({"numpy"}), **found}


def of_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """What an answer may not import."""
    if isinstance(node, ast.Import):
        dotted = [alias.name for alias in node.names]
    else:
        dotted = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    for name in dotted:
        if not _is_known(name):
            yield f"{_ALLOWED}, not {visible(name)}" if not name.startswith(".") else f"{_ALLOWED}, not from its folder"
        elif not (_is_module(name) or _computes(name.split("."))):
            yield f"an answer does not use {visible(name)}"


def of_uses(nodes: Iterable[ast.AST], modules: Modules) -> Iterator[tuple[ast.AST, str]]:
    """Each use of a module in some nodes that an answer may not make, and what is said of it."""
    nodes = list(nodes)
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if id(node) not in inner and isinstance(node, ast.Attribute | ast.Name):
            name, attributes = _chain(node)
            for module in modules.get(name, ()):
                dotted = ".".join([module, *attributes])
                if (_is_known(dotted) or _is_of_python(dotted)) and not _computes(dotted.split(".")):
                    used = ".".join([name, *attributes])
                    yield node, f"an answer does not use {visible(used)}: it uses functions of {listed(_MODULES)}"


def _chain(node: ast.expr) -> tuple[str, list[str]]:
    """The name that attributes begin with, and the attributes: `np.add.at` is np, add, at."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else ""), attributes


def _is_known(dotted: str) -> bool:
    return dotted.partition(".")[0] in {"numpy", "scipy", "math"}


def _is_of_python(dotted: str) -> bool:
    """Whether a name is of Python's own modules, which may hold all others; those of a project may be used."""
    return dotted.partition(".")[0] in sys.stdlib_module_names


def _is_module(dotted: str) -> bool:
    return dotted in _MODULES or dotted in _ON_THE_WAY


def _computes(parts: list[str]) -> bool:
    """Whether dotted names lead to a function or a value of one of the modules, or to something of it."""
    return any(
        ".".join(parts[:n]) in _MODULES and parts[n] in _public(".".join(parts[:n])) for n in range(1, len(parts))
    )


@cache
def _public(module: str) -> frozenset[str]:
    """What a module says to be public, without other modules, and without what reads files or changes settings."""
    try:
        found = import_module(module)
    except ImportError:
        return frozenset()
    listed = set(getattr(found, "__all__", [name for name in vars(found) if not name.startswith("_")])) | _WINDOWS
    values = ((name, getattr(found, name, None)) for name in listed - _NO_FUNCTIONS_OF_ARRAYS)
    return frozenset(name for name, value in values if value is not None and not isinstance(value, ModuleType)) | (
        {"newaxis"} if module == "numpy" else set()
    )
