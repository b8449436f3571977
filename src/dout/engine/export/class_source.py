"""The user's file: which of its statements a module of some of its classes needs, and its methods by their lines."""

from __future__ import annotations

import ast
import dis
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import resolve_name
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import CodeType
from typing import Any

from dout.errors import TargetError, UnsupportedError
from dout.files import text_of

_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR")
FUTURE, STANDARD, OTHERS, OWN = range(4)  # the groups of imports, in their order


@dataclass(frozen=True)
class MethodEdit:
    """A method that gets another in front of it: `name` what it is called from now on, `before` the lines of the other.

    Without a name it stays what it is, below lines of comment.
    """

    method: str
    name: str | None
    before: Sequence[str]


@dataclass
class Imports:
    """Import statements, each name once, in the order that linters like."""

    found: set[tuple[int, str, str]] = field(default_factory=set)  # the group, the module of `from`, the name

    def add(self, line: str, folder: Path | None = None) -> None:
        """Add a statement."""
        for node in ast.walk(ast.parse(line)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else ""
                self.found |= {(_group(module or one.name, folder), module, ast.unparse(one)) for one in node.names}

    def lines(self) -> Iterator[str]:
        """The statements, an empty line between groups."""
        before = None
        for (group, module), several in groupby(sorted(self.found), key=itemgetter(0, 1)):
            names = sorted((name for *_, name in several), key=_rank if module else None)
            yield from [""] if before not in (None, group) else []
            yield from [f"from {module} import {', '.join(names)}"] if module else [f"import {name}" for name in names]
            before = group


def _rank(name: str) -> tuple[int, str]:
    """Constants, then classes, then all others."""
    word = name.partition(" ")[0]
    return (0 if word.isupper() and len(word) > 1 else 1 if word[:1].isupper() else 2), name


def _group(module: str, folder: Path | None) -> int:
    first = module.partition(".")[0]
    if module == "__future__":
        return FUTURE
    if first in sys.stdlib_module_names:
        return STANDARD
    beside = folder is not None and ((folder / f"{first}.py").exists() or (folder / first).is_dir())
    return OWN if beside or module.startswith(".") else OTHERS


class UsersFile:
    """A Python file of the user's. TargetError where it cannot be read."""

    def __init__(self, path: Path, package: str = "") -> None:
        self.path = path
        self.package = package  # from which its relative imports count
        try:
            self.text = text_of(path)
            self.tree = ast.parse(self.text)
        except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
            raise TargetError(f"{path} cannot be read: {error}") from None
        self.lines = self.text.split("\n")  # as Python counts them: a form feed ends none
        self.names = {name for node in self.tree.body for name in _bound(node)}
        self.classes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    def written(self, cls: str, name: str) -> ast.FunctionDef | None:
        """The method of this name in a class: the last of several."""
        body = self.classes[cls].body if cls in self.classes else []
        return next((n for n in reversed(body) if isinstance(n, ast.FunctionDef) and n.name == name), None)

    def method(self, cls: str, name: str) -> ast.FunctionDef:
        """A method as it stands in its class. UnsupportedError where it is not a plain one."""
        node = self.written(cls, name)
        if node is None:
            raise UnsupportedError(f"{name} is not written in the class itself")
        if node.decorator_list:
            raise UnsupportedError(f"{name} has a decorator")
        if node.args.vararg or node.args.kwarg:
            raise UnsupportedError(f"{name} takes any number of arguments")
        return node

    def needed(self, classes: Iterable[str], imports: Imports) -> list[ast.stmt]:
        """The statements that these classes need, in order; their imports are added to `imports`."""
        binders: dict[str, list[ast.stmt]] = {}
        for node in self.tree.body:
            for name in _bound(node):
                binders.setdefault(name, []).append(node)
        waiting, seen, chosen = list(classes), set[str](), dict[ast.stmt, None]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for node in binders.get(name, ()):
                if node not in chosen:
                    chosen[node] = None
                    if not isinstance(node, ast.Import | ast.ImportFrom):
                        waiting += _used(node)
        self._import(seen, imports)
        return [node for node in self.tree.body if node in chosen and not isinstance(node, ast.Import | ast.ImportFrom)]

    def _import(self, names: set[str], imports: Imports) -> None:
        for node in self.tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                wanted = [a for a in node.names if a.name == "*" or _bound_by(a) in names]
                if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                    wanted = list(node.names)
                if not wanted:
                    continue
                module = getattr(node, "module", None) or ", ".join(alias.name for alias in wanted)
                if module.partition(".")[0] == "dout":
                    raise TargetError(f"{self.path}:{node.lineno} imports dout, which a module of its own cannot")
                head = f"from {self._absolute(node)} " if isinstance(node, ast.ImportFrom) else ""
                imports.add(f"{head}import {', '.join(map(ast.unparse, wanted))}", self.path.parent)

    def _absolute(self, node: ast.ImportFrom) -> str:
        """The module of a relative import by its whole name: the new module may lie elsewhere."""
        name = "." * node.level + (node.module or "")
        return resolve_name(name, self.package) if node.level and self.package else name

    def segment(self, node: ast.stmt, edits: Sequence[MethodEdit] = ()) -> list[str]:
        """The lines of a statement, with the comment above it, and of a class with its methods edited."""
        first = _first(node)
        start = first
        while start > 1 and self.lines[start - 2].startswith("#") and not self.lines[start - 2].startswith("#!"):
            start -= 1
        lines = {n: [self.lines[n - 1]] for n in range(start, (node.end_lineno or first) + 1)}
        for edit in edits:
            assert isinstance(node, ast.ClassDef)
            method = self.method(node.name, edit.method) if edit.name else self.written(node.name, edit.method)
            assert method is not None
            at = _first(method)
            if edit.name is not None:
                text = self.lines[method.lineno - 1]
                before, _, after = text.partition(f"def {edit.method}")
                lines[method.lineno] = [f"{before}def {edit.name}{after}"]
            lines[at] = [*edit.before, *lines[at]]
        return [line.rstrip() for found in lines.values() for line in found]


def _first(node: ast.stmt) -> int:
    """The first line of a statement, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _bound_by(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a file gives a meaning."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from map(_bound_by, node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.If | ast.Try | ast.With) and not _is_main(node):
        for part in ast.walk(node):
            if part is not node and isinstance(part, ast.stmt):
                yield from _bound(part)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _used(node: ast.stmt) -> Iterator[str]:
    """The names from outside that a statement uses, those in types among them."""
    code: Any = compile(ast.Module([node], []), "<user>", "exec", dont_inherit=True)
    waiting = [code]
    while waiting:
        code = waiting.pop()
        waiting += [item for item in code.co_consts if isinstance(item, CodeType)]
        yield from (step.argval for step in dis.get_instructions(code) if step.opname.startswith(_LOADS))
    for part in ast.walk(node):
        types = [getattr(part, "annotation", None), getattr(part, "returns", None)]
        for one in (inside for kind in types if kind is not None for inside in ast.walk(kind)):
            if isinstance(one, ast.Name):
                yield one.id
            elif isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield from re.findall(r"[^\W\d]\w*", one.value)
