"""Find the files to check in folders, and the layers in a file."""

from __future__ import annotations

import ast
import contextlib
import inspect
import mmap
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Literal

from dout.adapt.interface.function_pairs import function_pairs
from dout.adapt.interface.method_pairs import pair_classes
from dout.adapt.tapes.tape_operations import tape_operations
from dout.adapt.target import Target
from dout.check.program.layer_names import layer_names
from dout.check.project.foreign_gradients import foreign_layer, is_custom_vjp
from dout.check.project.settings import Settings, matches
from dout.check.project.target_kind import kind_of, module_file
from dout.errors import TargetError
from dout.files import regular, text_of
from dout.run import is_class, module_of, mro_of, names_of, vars_of
from dout.trace.program import notebooks

UNREADABLE = (SyntaxError, ValueError, OSError, RecursionError, MemoryError)
_NO_LAYERS = frozenset({"unittest", "torch", "tensorflow", "keras", "jax", "flax", "enum"})  # of what bases are
LARGE = 4_000_000  # bytes of a file
SKIPPED = frozenset({"venv", "env", "build", "dist", "node_modules", "site-packages", "__pycache__"})


@dataclass(frozen=True)
class Job:
    """A file, module, set of ready-made layers, or program to be run, or recorded, in a process of its own.

    `names` are the layers asked for; None asks for every layer that is defined there, or that a program uses. Of a
    program they are files, or layers in them (`/a/layers.py:Affine`).
    """

    where: str
    kind: Literal["file", "module", "ready", "program", "recording"]
    names: tuple[str, ...] | None = None

    @property
    def file(self) -> str:
        """Its file, without links; nothing where it has none of the user's."""
        if self.kind == "ready":
            return ""
        file = module_file(self.where) if self.kind == "module" else self.where
        return file and os.path.realpath(file)


def find_jobs(targets: Iterable[tuple[str, str | None]], settings: Settings) -> tuple[list[Job], list[str]]:
    """One job a file, in the order of `targets`, and what is wrong with those that cannot be run.

    A target is a place and perhaps a name there. In a folder every *.py counts, except in hidden folders, virtual
    environments and build folders; files in which no class could be a layer are not run.
    """
    wanted: dict[tuple[str, str], list[str] | None] = {}
    problems: list[str] = []
    for where, name in targets:
        try:
            for kind, place in _places(where, name, settings):
                names = wanted.setdefault((kind, place), [])
                if name is None and kind != "ready":
                    wanted[kind, place] = None
                elif names is not None:
                    names.append(name or where)
        except TargetError as error:
            problems.append(str(error))
    jobs = []
    for (kind, place), names in wanted.items():
        wrong = syntax_error(place) if kind == "file" else None
        if wrong:
            problems.append(wrong)
        else:
            jobs.append(Job(place, kind, None if names is None else tuple(dict.fromkeys(names))))  # type: ignore[arg-type]
    return jobs, problems


def _places(where: str, name: str | None, settings: Settings) -> Iterator[tuple[str, str]]:
    kind = kind_of(where, name)
    if kind == "folder":
        yield from (("file", str(file)) for file in python_files(Path(where), settings))
    else:
        yield kind, "dout.layers" if kind == "ready" else where


def python_files(folder: Path, settings: Settings) -> Iterator[Path]:
    """Every Python file below a folder that may define a layer, in order of its path."""
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(f for f in folders if not _passed_over(here / f, settings))
        for name in sorted(files):
            path = here / name
            excluded = any(matches(path, pattern, settings.root) for pattern in settings.exclude)
            if name.endswith(".py") and not name.startswith(".") and not excluded and may_define_layers(path):
                yield path


def _passed_over(folder: Path, settings: Settings) -> bool:
    name = folder.name
    if name.startswith(".") or name in SKIPPED or name.endswith(".egg-info") or (folder / "pyvenv.cfg").exists():
        return True
    return any(matches(folder, pattern, settings.root) for pattern in settings.exclude)


def may_define_layers(path: Path) -> bool:
    """Whether a file has a class with forward or backward, or with a base, or a function of JAX with its own gradient.

    So too where it cannot be read.
    """
    try:
        if regular(path).stat().st_size > LARGE:  # data, written as code: to parse it takes a minute
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return re.search(rb"def \w*(back|grad|deriv|prime|b_?prop)", content) is not None
        tree = _parsed(path)
    except UNREADABLE:
        return True
    return bool(layer_names(tree.body))


def syntax_error(file: str) -> str | None:
    """Why a file is not valid Python, with its line; None if it is valid."""
    try:
        # The process that loads it will say so of a larger one, and of a notebook.
        if regular(file).stat().st_size <= LARGE and not file.endswith(notebooks.SUFFIX):
            _parsed(Path(file))
    except UNREADABLE as error:
        return None if isinstance(error, OSError) else why_unreadable(file, error)  # the process that loads it says so
    return None


def why_unreadable(file: str | Path, error: BaseException) -> str:
    """Why a file cannot be parsed, with its line."""
    if isinstance(error, SyntaxError):
        return f"{file}{f':{error.lineno}' if error.lineno else ''} is not valid Python: {error.msg}"
    if isinstance(error, RecursionError | MemoryError):
        return f"{file} is nested too deeply: Python cannot read it"
    how = "cannot be read" if isinstance(error, OSError | UnicodeDecodeError) else "is not valid Python"
    return f"{file} {how}: {error}"


def _parsed(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text_of(path))


def line_of_class(file: str, name: str) -> int | None:
    """The line on which a class is written, found without running anything."""
    try:
        found: ast.AST = _parsed(Path(file))
    except UNREADABLE:
        return None
    for part in name.split("."):
        inside = [node for node in ast.walk(found) if isinstance(node, ast.ClassDef) and node.name == part]
        if not inside:
            return None
        found = inside[-1]
    return getattr(found, "lineno", None)


# --- in a loaded module -----------------------------------------------------------------------------------------------


def layers_in(module: ModuleType, exported: bool = False) -> list[str]:
    """The names of the layers a module defines itself, in their order; no abstract ones and no second names.

    With `exported`, also those that a package shows of the modules in it.
    """
    found: dict[int, str] = {}
    bags = _pairs_in_classes(module)
    for name, item in (*classes_in(module), *(_shown_by(module) if exported else ())):
        with contextlib.suppress(BaseException):  # of a metaclass: `loading.needing` tells of it
            if _is_layer(item) and not any(pair.startswith(f"{name}.") for pair in bags):
                found.setdefault(id(item), name)
    names = names_of(module)
    vjps = [(n, i) for n, i in names.items() if is_custom_vjp(i) and i.__module__ == names.get("__name__")]
    for name, item in vjps:
        found.setdefault(id(item), name)
    order = {name: place for place, name in enumerate(names)}
    return [*sorted(found.values(), key=order.__getitem__), *bags, *(n for n in function_pairs(names) if n not in bags)]


def _pairs_in_classes(module: ModuleType) -> dict[str, type]:
    """The pairs of methods in classes that are bags of functions, each as a class, as `Activation.relu`.

    So the operations of classes that keep a tape, `Value.tanh`, and those that the module has beside them.
    """
    found: dict[str, type] = tape_operations(names_of(module))
    for name, item in classes_in(module):
        with contextlib.suppress(BaseException):  # of a metaclass
            pairs = pair_classes(item) or tape_operations(names_of(module), item)
            found |= {f"{name}.{ahead}": pair for ahead, pair in pairs.items() if _is_layer(pair)}
    return found


def classes_in(module: ModuleType) -> Iterator[tuple[str, type]]:
    """The classes that a module defines, by name: those that say so, and those with a method written in its file.

    None of the user's code runs, and what a class says of its module may have been changed.
    """
    names = names_of(module)
    for name, item in list(names.items()):
        if is_class(item) and type(name) is str:
            codes = (getattr(part, "__code__", None) for part in vars_of(item).values() if type(part) is FunctionType)
            written = any(code is not None and code.co_filename == names.get("__file__") for code in codes)
            if written or module_of(item) == names.get("__name__"):
                yield name, item


def _shown_by(package: ModuleType) -> Iterator[tuple[str, type]]:
    """The classes of the modules in a package that it has in `__all__`, or without that under a public name."""
    names = names_of(package)
    shown = names.get("__all__") or [name for name in names if not name.startswith("_")]
    for name in shown if "__path__" in names else ():
        item: Any = names.get(name)
        if is_class(item) and module_of(item).startswith(f"{names.get('__name__')}."):
            yield name, item


def named(module: ModuleType, name: str) -> Any:
    """The layer, or pair of functions, that is called `name` in a module. Raises TargetError."""
    names = names_of(module)
    pair = tape_operations(names).get(name) if type(names.get(name)) is FunctionType else None
    pair = pair or function_pairs(names).get(name)
    if pair is None and "." in name:
        pair = _pairs_in_classes(module).get(name)
    if pair is not None:
        return pair
    found = attribute(module, name, str(module.__file__))
    if not (Target(found).has_both or is_custom_vjp(found)):
        raise TargetError(f"{module.__file__}: {name} is no layer: it has no forward and backward{_layers_of(module)}")
    return found


def attribute(module: ModuleType, name: str, where: str) -> Any:
    """What is called `name` in a module: `Name`, or `Outer.Inner`. Raises TargetError that calls the module `where`."""
    found: Any = module
    for part in name.split("."):
        if found is module and part in names_of(module):
            found = names_of(module)[part]
        elif hasattr(found, part):
            found = getattr(found, part)
        else:
            raise TargetError(f"{where} has no {name}{_layers_of(module)}")
    return found


def _layers_of(module: ModuleType) -> str:
    layers = layers_in(module)
    return f"; it has the layers {', '.join(layers)}" if layers else ""


def _is_layer(cls: type) -> bool:
    if getattr(cls, "_is_protocol", False) or inspect.isabstract(cls) or cls.__name__.lower().startswith("test"):
        return False
    known = foreign_layer(cls) is not None or not any(_library(base) in _NO_LAYERS for base in mro_of(cls))
    return Target(cls).has_both and known


def _library(cls: type) -> str:
    return module_of(cls).partition(".")[0]
