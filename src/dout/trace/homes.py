"""Where a file of the user's is at home: the module it is in its package, and the folder that imports count from."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

MOST_ABOVE = 5  # folders in which a file's imports are looked for


def home(path: Path, text: str) -> tuple[Path, str]:
    """The folder from which a file's modules are counted, and the name of its own among them.

    A file in a package, or with relative imports, is a module of that package, with or without __init__.py.
    """
    root, parts = path.resolve().parent, [path.stem]
    levels = [n.level for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)] if "from ." in text else []
    needed = max(levels, default=0)
    while (root / "__init__.py").exists() or len(parts) <= needed:
        if root == root.parent or not root.name.isidentifier():
            break
        root, parts = root.parent, [root.name, *parts]
    above = counted_from(path.resolve().parent, text) if len(parts) > 1 else None
    if above is not None and above in root.parents:
        root, parts = above, [*root.relative_to(above).parts, *parts]
    if path.stem == "__init__" and len(parts) > 1:
        parts.pop()
    return root, ".".join(parts)


def folders(path: Path, text: str) -> list[str]:
    """Where a file's imports are looked for first."""
    root, own = home(path, text)[0], path.resolve().parent
    above = counted_from(own, text)
    return list(dict.fromkeys(map(str, [above] if above else [root, own])))


def counted_from(folder: Path, text: str) -> Path | None:
    """The folder above from which a file's absolute imports count: `import neural_network.functions` says so."""
    imported = re.findall(r"^\s*(?:from|import)\s+([A-Za-z_][\w.]*\.\w+|\w+(?=\s+import))", text, re.MULTILINE)
    for name in imported:
        place = Path(*name.split("."))
        for above in (*folder.parents[:MOST_ABOVE],):
            beside = (folder / place).with_suffix(".py").exists() or (folder / place).is_dir()
            if not beside and ((above / place).with_suffix(".py").exists() or (above / place).is_dir()):
                return above
    return None


def has_parent(name: str, path: Path) -> bool:
    """Import the package a file is in; whether that is the file's folder, and no other of the name."""
    try:
        parent = importlib.import_module(name.rpartition(".")[0])
    except Exception:
        return False
    return any(Path(p).resolve() == path.resolve().parent for p in getattr(parent, "__path__", ()))


def is_file_of(module: ModuleType, path: Path) -> bool:
    """Whether a module was loaded from a file."""
    file = getattr(module, "__file__", None)
    return bool(file) and Path(str(file)).resolve() == path.resolve()
