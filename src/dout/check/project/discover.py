"""What there is to check: the files in folders, and the layers in a file."""

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

from dout.adapt.interface.function_pairs import forward_names, function_pairs
from dout.adapt.interface.interface import may_be_backward
from dout.adapt.target import Target
from dout.check.project.foreign_gradients import foreign_layer, is_custom_vjp
from dout.check.project.settings import Settings, matches
from dout.errors import TargetError
from dout.files import is_there, regular, text_of
from dout.trace.model.user_source import is_class, module_of, mro_of, names_of, vars_of

_NO_LAYERS = frozenset({"unittest", "torch", "tensorflow", "keras", "jax", "flax", "enum"})  # of what bases are
LARGE = 4_000_000  # bytes of a file
SKIPPED = frozenset({"venv", "env", "build", "dist", "node_modules", "site-packages", "__pycache__"})


@dataclass(frozen=True)
class Job:
    """A file, module or set of ready-made layers to be run in a process of its own.

    `names` are the layers asked for; None asks for every layer that is defined there.
    """

    where: str
    kind: Literal["file", "module", "ready"]
    names: tuple[str, ...] | None = None


def find_jobs(targets: Iterable[tuple[str, str | None]], settings: Settings) -> tuple[list[Job], list[str]]:
    """One job a file, in the order of `targets`, and what is wrong with those that cannot be run.

    A target is a place and perhaps a name there. Folders are searched for *.py; hidden ones, virtual environments and
    what is built are passed over, and so are files in which no class could be a layer: they are not run.
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
    from dout import layers

    path = Path(where)
    if path.is_dir():
        if name is not None:
            raise TargetError(f"{where} is a folder: a layer's name follows a file")
        yield from (("file", str(file)) for file in python_files(path, settings))
    elif is_there(path):
        yield "file", where
    elif name is None and where in layers.__all__:
        yield "ready", "dout.layers"
    elif where.endswith(".py") or os.sep in where or not all(part.isidentifier() for part in where.split(".")):
        raise TargetError(f"there is no file {where}")
    elif name is None and "." not in where and not _is_module(where):
        known = ", ".join(layers.__all__)
        raise TargetError(f"there is no file or module {where}, and no ready-made layer of this name ({known})")
    else:
        yield "module", where


def _is_module(name: str) -> bool:
    here = Path(name)
    if here.with_suffix(".py").exists():
        return True
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


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
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return True
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if any(ahead in functions for name in functions for ahead in forward_names(name)):
        return True
    vjp = any(isinstance(n, ast.Attribute | ast.Name) and ast.unparse(n).endswith("custom_vjp") for n in ast.walk(tree))
    return vjp or any(node.bases or any(map(may_be_backward, _methods(node))) for node in classes)


def _methods(node: ast.ClassDef) -> set[str]:
    found = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    names = (target for item in node.body if isinstance(item, ast.Assign) for target in item.targets)
    return found | {target.id for target in names if isinstance(target, ast.Name)}


def syntax_error(file: str) -> str | None:
    """What is wrong with a file that is no Python at all, with its line."""
    try:
        if regular(file).stat().st_size <= LARGE:  # the process that loads it will say so of a larger one
            _parsed(Path(file))
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        return f"{file}{line} is not valid Python: {error.msg}"
    except UnicodeDecodeError as error:
        return f"{file} cannot be read: {error}"
    except OSError:
        return None  # the process that loads it says so
    except (RecursionError, MemoryError):
        return f"{file} is nested too deeply: Python cannot read it"
    except ValueError as error:
        return f"{file} is not valid Python: {error}"
    return None


def _parsed(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text_of(path))


def line_of_class(file: str, name: str) -> int | None:
    """The line on which a class is written, found without running anything."""
    try:
        found: ast.AST = _parsed(Path(file))
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return None
    for part in name.split("."):
        inside = [node for node in ast.walk(found) if isinstance(node, ast.ClassDef) and node.name == part]
        if not inside:
            return None
        found = inside[-1]
    return getattr(found, "lineno", None)


# --- in a loaded module -----------------------------------------------------------------------------------------------


def layers_in(module: ModuleType) -> list[str]:
    """The names of the layers a module defines itself, in their order; no abstract ones and no second names."""
    found: dict[int, str] = {}
    for name, item in classes_in(module):
        with contextlib.suppress(BaseException):  # of a metaclass: `loading.needing` tells of it
            if _is_layer(item):
                found.setdefault(id(item), name)
    names = names_of(module)
    vjps = [(n, i) for n, i in names.items() if is_custom_vjp(i) and i.__module__ == names.get("__name__")]
    for name, item in vjps:
        found.setdefault(id(item), name)
    order = {name: place for place, name in enumerate(names)}
    return [*sorted(found.values(), key=order.__getitem__), *function_pairs(module)]


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


def named(module: ModuleType, name: str) -> Any:
    """What is called `name` in a module. Raises TargetError."""
    pair = function_pairs(module).get(name)
    if pair is not None:
        return pair
    found: Any = module
    for part in name.split("."):
        if found is module and part in names_of(module):
            found = names_of(module)[part]
            continue
        if not hasattr(found, part):
            layers = layers_in(module)
            has = f"; it has the layers {', '.join(layers)}" if layers else ""
            raise TargetError(f"{module.__file__} has no {name}{has}")
        found = getattr(found, part)
    if not (Target(found).has_both or is_custom_vjp(found)):
        raise TargetError(f"{module.__file__}: {name} is no layer: it has no forward and backward")
    return found


def _is_layer(cls: type) -> bool:
    if getattr(cls, "_is_protocol", False) or inspect.isabstract(cls) or cls.__name__.lower().startswith("test"):
        return False
    known = foreign_layer(cls) is not None or not any(_library(base) in _NO_LAYERS for base in mro_of(cls))
    return Target(cls).has_both and known


def _library(cls: type) -> str:
    return module_of(cls).partition(".")[0]
