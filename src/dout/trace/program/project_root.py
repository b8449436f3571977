"""The home of a user's file: its module name in its package, and the folder from which its imports count."""

from __future__ import annotations

import ast
import contextlib
import importlib
import itertools
import linecache
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from dout.run import names_of
from dout.trace.model.user_source import is_user_code
from dout.trace.program.stub_modules import KNOWN, NeedsError

MOST_ABOVE = 5  # folders in which a file's imports are looked for
_MOST_BESIDE = 200  # folders beside those
_MOST_DESCRIBED = 4  # folders among which one with a README is the project's
_DESCRIBED = ("README.md", "readme.md", "README.rst", "README.txt", "README")  # a listing would change with any file
MARKS = (".git", "pyproject.toml", "setup.py", "requirements.txt", ".gitignore", "environment.yml")  # of a project


class Home(NamedTuple):
    """The module name of a file in its package, and the folders to search first for its imports."""

    name: str
    folders: list[str]


def home(path: Path, text: str) -> Home:
    """The home of a file.

    A file in a package, or with relative imports, is a module of that package, with or without __init__.py.
    """
    own = path.resolve().parent
    root, parts = own, [path.stem]
    levels = [n.level for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)] if "from ." in text else []
    needed = max(levels, default=0)
    while (root / "__init__.py").exists() or len(parts) <= needed:
        is_named = root.name.isidentifier() or (len(parts) <= needed and "." not in root.name)  # `my-layers`
        if root == root.parent or not is_named:
            break
        root, parts = root.parent, [root.name, *parts]
    above = _counted_from(own, text)
    folders = [root, own] if above is None else [above]
    if above is not None and len(parts) > 1 and above in root.parents:
        parts = [*root.relative_to(above).parts, *parts]
    if path.stem == "__init__" and len(parts) > 1:
        parts.pop()
    return Home(".".join(parts), list(dict.fromkeys(map(str, folders))))


def _counted_from(folder: Path, text: str) -> Path | None:
    """The folder above from which a file's absolute imports count: `import neural_network.functions` says so."""
    imported = re.findall(r"^\s*(?:from|import)\s+([A-Za-z_][\w.]*\.\w+|\w+(?=\s+import))", text, re.MULTILINE)
    for name in imported:
        place = Path(*name.split("."))
        for above in folder.parents[:MOST_ABOVE]:
            beside = (folder / place).with_suffix(".py").exists() or (folder / place).is_dir()
            if not beside and ((above / place).with_suffix(".py").exists() or (above / place).is_dir()):
                return above
    return None


def name_in_package(name: str, path: Path) -> str:
    """The name of a file as a module of its package, which is imported; its own where that package is another."""
    return path.stem if "." in name and not _has_parent(name, path) else name


def _has_parent(name: str, path: Path) -> bool:
    """Import the package a file is in; whether that is the file's folder, and no other of the name.

    Where that raises, which may be for a library that the file itself does not need, the package is its files alone.
    """
    package, folder = name.rpartition(".")[0], path.resolve().parent
    try:
        parent = importlib.import_module(package)
    except (Exception, NeedsError):
        parent = _bare_package(package, folder)
    return any(Path(p).resolve() == path.resolve().parent for p in getattr(parent, "__path__", ()))


def _bare_package(name: str, folder: Path) -> ModuleType:
    """A package, and those around it, without what their __init__ files do."""
    above, _, last = name.rpartition(".")
    package = sys.modules.get(name)
    if package is None:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
        if above:
            setattr(_bare_package(above, folder.parent), last, package)
    return package


def loaded(name: str, path: Path) -> ModuleType | None:
    """The module of that name, if it was loaded from this file."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return sys.modules[name] if file and Path(str(file)).resolve() == path.resolve() else None


def at_home(module: ModuleType, name: str, path: Path) -> ModuleType:
    """A module that has been run, under its own name: its code may have changed that, or put something in its place."""
    if type(module).__getattribute__ is not ModuleType.__getattribute__:
        ModuleType.__setattr__(module, "__class__", ModuleType)
    names_of(module).update(__name__=name, __file__=str(path))
    sys.modules[name] = module
    return module


def free_name(name: str, path: Path) -> str:
    """The name under which a file is loaded: its own, unless that is taken or none."""
    taken = name in sys.modules or not name.rpartition(".")[2].isidentifier()
    return f"_dout_{abs(hash(path))}" if taken else name


def folders_above(file: Path) -> list[Path]:
    """The folder of a file and those above it, up to its project's own: that with a README where nothing else tells.

    Else the next one above, and no more: what lies beside a project is another one.
    """
    above = list(itertools.islice(file.resolve().parents, MOST_ABOVE))
    marked = [i for i, folder in enumerate(above) if any((folder / mark).exists() for mark in MARKS)]
    described = [
        i for i, folder in enumerate(above[:_MOST_DESCRIBED]) if any((folder / name).exists() for name in _DESCRIBED)
    ]
    return above[: (marked or described[-1:] or [1])[0] + 1]


def reach(name: str, file: Path) -> bool:
    """Make a module of the user's importable that lies in a folder above a file, or beside one of those.

    A project's root, a package without __init__.py, a folder that a script is started in, or one that is itself the
    package, under another name. Whether there is one.
    """
    above = list(itertools.islice(file.resolve().parents, MOST_ABOVE))
    folder = next((a for a in above if _has(a, name) and str(a) not in sys.path), None) or _beside(
        folders_above(file), name
    )
    is_free = folder is None and name not in sys.modules and name not in KNOWN  # a library's name is no other's
    if is_free and (package := _called_otherwise(name, file)) is not None:
        _bare_package(name, package)
        return True
    if folder is None or str(folder) in sys.path:
        return False
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    return True


def _called_otherwise(package: str, file: Path) -> Path | None:
    """The folder above a file in which lies what it imports from a package: `tensorlib.nn.layers` is nn/layers.py.

    A package that is installed has the name that its setup says, or its clone, and no folder has to be called so. It
    may be the only folder above, or beside those, that has all of several modules which the file imports from it.
    """
    text = "".join(linecache.getlines(str(file)))
    names = re.findall(rf"^\s*(?:from|import)\s+{package}\.(\w+(?:\.\w+)*)", text, re.MULTILINE)
    places = [Path(name.replace(".", "/")).with_suffix(".py") for name in dict.fromkeys(names)]
    above = folders_above(file)
    for folder in above:
        if any((folder / place).is_file() for place in places if len(place.parts) > 1):
            return folder
    beside = (child for folder in above for child in sorted(folder.iterdir()) if child.is_dir())
    whole = [one for one in dict.fromkeys((*above, *beside)) if all(_is_in(one, place) for place in places)]
    # One module may be there by chance, but not in the project's root.
    is_sure = len(places) > 1 or (len(places) == 1 and whole == above[-1:])
    return whole[0] if len(whole) == 1 and is_sure else None


def _is_in(folder: Path, place: Path) -> bool:
    """Whether a folder has a module, or a package, at that place."""
    return (folder / place).is_file() or (folder / place.with_suffix("") / "__init__.py").is_file()


def _has(folder: Path, name: str) -> bool:
    if (folder / f"{name}.py").is_file():
        return True
    inside = folder / name
    return inside.is_dir() and any(True for _ in inside.rglob("*.py"))


def _beside(project: list[Path], name: str) -> Path | None:
    """The only folder beside a file (`src`, say), or beside those above it, that has a module, in the nearest one."""
    for parent in project:  # what lies beside the project is another one
        with contextlib.suppress(OSError), os.scandir(parent) as entries:
            folders = [Path(entry) for entry in itertools.islice(entries, _MOST_BESIDE) if entry.is_dir()]
            found = [f for f in folders if not f.name.startswith(".") and _has(f, name) and is_user_code(str(f))]
            if len(found) == 1:
                return found[0]
    return None
