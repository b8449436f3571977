"""A file of functions in; those of them whose backward another file of its folder has, out. Nothing runs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from dout.adapt.repository.project_files import statements_of

_MOST = 60  # files in the folder: with more it is a collection of scripts, each for itself
Names = Callable[[str], Iterable[str]]


@lru_cache(maxsize=64)
def backward_beside(file: Path, forward_names: Names) -> dict[str, tuple[Path, str]]:
    """The functions of a file without a backward in it: where that is written, and its name.

    `forward_names` says what the forward of a backward of some name may be called. No other file of the folder has a
    function of the forward's name, and one file alone has a backward for it.
    """
    beside = [path for path in sorted(file.parent.glob("*.py")) if path.name != file.name]
    own = _functions(file)
    if not own or len(beside) > _MOST:
        return {}
    others = {path: _functions(path) for path in beside}
    wanted = own.difference((ahead for ahead, _ in _pairs(own, own, forward_names)), *others.values())
    found: dict[str, list[tuple[Path, str]]] = {}
    for path, functions in others.items():
        for ahead, back in dict(_pairs(wanted, functions, forward_names)).items():
            found.setdefault(ahead, []).append((path, back))
    return {ahead: places[0] for ahead, places in found.items() if len(places) == 1}


def _functions(path: Path) -> frozenset[str]:
    return frozenset(node.name for node in statements_of(path) if isinstance(node, ast.FunctionDef))


def _pairs(forwards: frozenset[str], backwards: Iterable[str], forward_names: Names) -> list[tuple[str, str]]:
    return [(ahead, back) for back in sorted(backwards) for ahead in forward_names(back) if ahead in forwards - {back}]
