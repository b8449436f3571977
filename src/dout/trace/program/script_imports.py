"""Imports of a script that Python does not find: in a folder above or beside, or what stands for a missing library."""

from __future__ import annotations

import ast
import builtins
import collections.abc
import contextlib
import functools
import importlib
import sys
import urllib
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from dout.run import flat
from dout.trace.model.user_source import asking_user, is_ours, is_user_code
from dout.trace.model.uses_of_answers import is_guarded
from dout.trace.program.main_module import fire
from dout.trace.program.missing_files import when_imported
from dout.trace.program.project_root import folders_above, reach
from dout.trace.program.stub_modules import KNOWN, NeedsError, Quiet, stand_in, why_absent
from dout.trace.tracer.traced_modules import tracing_version

_LIKE_NUMPY = frozenset({"cupy", "cupyx", "autograd.numpy", "minpy.numpy"})
_RENAMED = {  # modules of Python 2, and others, and what they are called since
    "cPickle": "pickle", "Queue": "queue", "ConfigParser": "configparser", "StringIO": "io",
    "urllib2": "urllib.request", "glob2": "glob",
}  # fmt: skip
_OF_BOTH_PYTHONS = frozenset({"past", "future", "six"})  # libraries for code that Python 2 runs, too
_OF_PYTHON_2: dict[str, Any] = {  # names of theirs that Python 3 calls otherwise
    "xrange": range, "unicode": str, "basestring": str, "long": int, "raw_input": input, "reduce": functools.reduce,
    "iteritems": lambda table: iter(table.items()), "itervalues": lambda table: iter(table.values()),
    "iterkeys": iter, "string_types": (str,), "integer_types": (int,), "PY2": False, "PY3": True,
}  # fmt: skip
_BACKENDS = frozenset({"cupy", "jax", "torch", "tensorflow", "keras", "mxnet", "numba", "autograd"})  # NumPy is another
_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@contextlib.contextmanager
def script_imports(said: Callable[[str], None], made_up: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, answer the imports of the user's files that Python does not find; `said` hears what stands in.

    So does `made_up` of data.

    Nothing is answered that the user's code guards with `try`: it has an answer of its own.
    """
    finder = _Finder(said, made_up)
    sys.meta_path.append(finder)  # last: what is installed and there is used
    first: Any = SimpleNamespace(find_spec=finder.instead_of_a_folder)
    sys.meta_path.insert(0, first)
    moved = [name for name in collections.abc.__all__ if not hasattr(collections, name)]  # since Python 3.10
    vars(collections).update({name: getattr(collections.abc, name) for name in moved})
    own: list[tuple[ModuleType, dict[str, Any]]] = []

    def answer_loaders(module: ModuleType) -> None:
        from dout.trace.program import data_sets  # few programs need it

        own.append((module, dict(vars(module))))
        vars(module).update(data_sets.of_installed(module, made_up))

    vars(urllib)["__getattr__"] = _of_urllib
    try:
        with when_imported("sklearn.datasets", answer_loaders), when_imported("requests", answer_loaders):
            yield
    finally:
        for module, names in own:
            vars(module).clear()
            vars(module).update(names)
        for name in moved:
            delattr(collections, name)
        del vars(urllib)["__getattr__"]
        sys.meta_path.remove(finder)
        sys.meta_path.remove(first)
        for name in finder.made:
            sys.modules.pop(name, None)


def _of_urllib(name: str) -> Any:
    """A part of `urllib`, which other libraries load where they are installed, or a name of it in Python 2."""
    if name in ("request", "parse", "error", "response"):
        return importlib.import_module(f"urllib.{name}")
    for part in map(importlib.import_module, ("urllib.request", "urllib.parse")):
        if not name.startswith("_") and hasattr(part, name):
            return getattr(part, name)
    raise AttributeError(f"module 'urllib' has no attribute {name!r}")


class _Finder(Loader):
    """Finds what no other finder has found."""

    def __init__(self, said: Callable[[str], None], made_up: Callable[[str], None]) -> None:
        self.said, self.made_up = said, made_up
        self.made: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A spec of the user's module in another folder, or of what stands for a library; None where there is none."""
        top = name.partition(".")[0]
        if top in self.made or name.rpartition(".")[0] in self.made:
            return self._standing(name)
        frame = _importing()
        if frame is None or _is_expected(frame, alone=top in KNOWN - _BACKENDS):
            return None
        if (twin := _in_other_case(name, list(path or folders_above(Path(frame.f_code.co_filename))))) is not None:
            self.said(
                f"{name} is {Path(twin.origin or name).name} here: its letters are large and small in another way"
            )
            return twin
        if path is not None:  # a part of a package of the user's: it may not have been built
            self.said(f"{name} cannot be found")
            return self._standing(name)
        file = frame.f_code.co_filename
        if reach(top, Path(file)):
            return PathFinder.find_spec(name, path, target) or _of_files(name, sys.modules[top].__path__)
        if name in _RENAMED:
            return find_spec(_RENAMED[name])
        if not isinstance(stand_in(top, ""), Quiet):
            self.said(f"{top} {why_absent(top)}")
        return self._standing(name)

    def instead_of_a_folder(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A spec of what stands for a library of whose name is only a folder without code, as `wandb` leaves one."""
        spec = PathFinder.find_spec(name) if name in KNOWN else None
        if spec is None or spec.origin is not None or not spec.submodule_search_locations:
            return None
        has_code = any(True for folder in spec.submodule_search_locations for _ in Path(folder).rglob("*.py"))
        return None if has_code else self._standing(name)

    def _standing(self, name: str) -> ModuleSpec:
        self.made.append(name)
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """What stands for a library, or for a part of it."""
        return _StandingModule(spec.name, self.made_up)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it is made already."""


def _of_files(name: str, folders: Sequence[str]) -> ModuleSpec | None:
    """The spec of a package in folders that may be called otherwise; without an __init__ it is its files alone."""
    inside = Path(next(iter(folders))) / "__init__.py"
    if inside.is_file():
        return spec_from_file_location(name, inside, submodule_search_locations=list(folders))
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = list(folders)
    return spec


def _in_other_case(name: str, folders: Sequence[str | Path]) -> ModuleSpec | None:
    """The spec of a module whose file or folder differs by large and small letters alone, as some systems allow."""
    last = name.rpartition(".")[2]
    for entry in (entry for folder in map(Path, folders) if folder.is_dir() for entry in folder.iterdir()):
        if entry.stem == last or entry.stem.lower() != last.lower():
            continue
        if entry.suffix == ".py" or (entry / "__init__.py").is_file():
            inside, parts = (entry / "__init__.py", [str(entry)]) if entry.is_dir() else (entry, None)
            return spec_from_file_location(name, inside, submodule_search_locations=parts)
        if entry.is_dir():
            return _of_files(name, [str(entry)])
    return None


class _StandingModule(ModuleType):
    """A library that is not installed: its loaders of data give data of the same shape, the rest is stood for."""

    def __init__(self, name: str, said: Callable[[str], None]) -> None:
        super().__init__(name)
        self.__dict__["_said"] = said

    def __mro_entries__(self, bases: Any) -> Any:
        """What a class that derives from it derives from: it was to be a name of a module, and none is there."""
        return stand_in(self.__name__, f"{self.__name__}, which cannot be found").__mro_entries__(bases)

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":  # `from PyQt5.QtWidgets import *`
            return [] if (frame := _importing()) is None else _unbound_names(frame.f_code.co_filename)
        if name.startswith("__"):
            raise AttributeError(name)
        whole = f"{self.__name__}.{name}"
        if whole in sys.modules:
            return sys.modules[whole]
        if whole == "fire.Fire":
            return fire
        from dout.trace.program import data_sets  # few programs need it

        if self.__name__ in _LIKE_NUMPY:
            return _like_numpy(name)
        if self.__name__.partition(".")[0] in _OF_BOTH_PYTHONS:
            return _of_both_pythons(name)
        if data_sets.is_before_loader(whole):
            return _StandingModule(whole, self.__dict__["_said"])
        found = data_sets.loader(whole, self.__dict__["_said"])
        if found is None:
            top = self.__name__.partition(".")[0]
            if "_made" not in self.__dict__:  # once: it may remember something
                self.__dict__["_made"] = stand_in(self.__name__, f"{self.__name__}, which {why_absent(top)}")
            found = getattr(self.__dict__["_made"], name)
        return found


def _importing() -> FrameType | None:
    """The user's frame that imports a module; None where a library imports it."""
    return asking_user(sys._getframe(1), lambda file: file.startswith("<frozen") or is_ours(file))


def _unbound_names(file: str) -> list[str]:
    """The names that a file uses and does not bind."""
    try:
        nodes = [*ast.walk(ast.parse(Path(file).read_text(encoding="utf-8", errors="replace")))]
    except (OSError, SyntaxError, ValueError):
        return []
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)} | {*vars(builtins)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {(node.asname or node.name).partition(".")[0] for node in nodes if isinstance(node, ast.alias)}
    return sorted({node.id for node in names} - bound)


def standing(module: str, reason: str) -> Any:
    """What stands for a module that cannot be imported: NumPy for one that has its names, what does no harm."""
    if module in _LIKE_NUMPY or module.partition(".")[0] in _OF_BOTH_PYTHONS:
        return _StandingModule(module, lambda message: None)
    return stand_in(module, reason)


def _of_both_pythons(name: str) -> Any:
    """What a name of Python 2 is in Python 3; what does no harm for one that is neither."""
    if name in _OF_PYTHON_2:
        return _OF_PYTHON_2[name]
    module = _RENAMED.get(name)
    return importlib.import_module(module) if module else getattr(builtins, name, Quiet())


_SCATTERS = {"scatter_add": "add", "scatter_max": "maximum", "scatter_min": "minimum"}  # CuPy's for `np.add.at`, …


def _like_numpy(name: str) -> Any:
    """A name of a library that has NumPy's: CuPy is NumPy with another memory, autograd's is NumPy that is watched."""
    if hasattr(np, name):
        return getattr(tracing_version(np), name)
    if name == "asnumpy":
        return tracing_version(np).asarray
    if name in _SCATTERS:
        return getattr(tracing_version(np), _SCATTERS[name]).at
    return (lambda *arrays: tracing_version(np)) if name == "get_array_module" else _Settings()


class _Settings(Quiet):
    """What such a library has beside NumPy's names: settings of its devices and memory, which do no harm.

    Given an array it would compute, or write into it: `cupy.fuse(x)`.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Nothing. Raises NeedsError where it is given an array."""
        if any(isinstance(item, np.ndarray) for item in flat([*args, *kwargs.values()])):
            raise NeedsError("needs a function of a library that is not installed, and that NumPy has not")
        return super().__call__(*args, **kwargs)


def _is_expected(frame: FrameType | None, alone: bool) -> bool:
    """Whether an import that fails is expected, by this file `alone`, or by one that imports it, and so on.

    What imports a file that plots expects something else to be missing; of one that needs CuPy it may be that.
    """
    while frame is not None:
        if is_user_code(frame.f_code.co_filename) and is_guarded(frame, _CAUGHT):
            return True
        frame = None if alone else frame.f_back
    return False
