"""The code of a repository that uses a class, read: its files and scopes, and what can be told of its expressions.

No program runs for it, no function of the user's is called, and nothing is imported. An expression can be told where it
holds literals, names that are bound to such, NumPy, and the repository's own classes, if they are loaded; functions are
handed on as they are.
"""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any

from dout.adapt.repository.project_files import SourceFile, files_below, parsed, repository_root, texts_of
from dout.adapt.source.syntax import bindings
from dout.run import names_of, quiet
from dout.trace.session.user_modules import user_modules

UNTOLD: Any = object()
LARGE = 12  # whole numbers above this are sizes that may as well be smaller
_SMALLER = (5, 7, 6, 9, 8, 11, 10, 12)
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_PLAIN = {"abs", "bool", "dict", "float", "int", "len", "list", "max", "min", "range", "str", "sum", "tuple", "zip"}


def calling_files(file: str, *words: str, smaller: bool = False) -> Iterator[CallingFile]:
    """The files of the repository in which a file lies that have these words in them, itself first.

    With `smaller`, large whole numbers in what is told are small ones, equal where they are: `Dense(784, 100)`.
    """
    for source in sources_with(file, *words):
        yield CallingFile.of(source, smaller=smaller)


def sources_with(file: str, *words: str) -> Iterator[SourceFile]:
    """The same files, not read as Python."""
    paths = sorted(files_below(repository_root(file)), key=lambda one: str(one) != file)
    return (source for source, text in texts_of(paths) if all(word in text for word in words))


@dataclass(frozen=True, eq=False)
class CallingFile:
    """A file that uses a class."""

    path: Path
    body: Sequence[ast.stmt]
    sizes: dict[int, int] | None = None  # what large numbers are in what is told; None where they stay

    @classmethod
    def of(cls, source: SourceFile, *, smaller: bool = False) -> CallingFile:
        """The file, read as Python."""
        with quiet():
            body = parsed(source)
        return cls(Path(source.path), body, {} if smaller else None)

    def code_of(self, node: ast.expr) -> CodeType:
        """An expression, compiled, at the sizes that are wanted."""
        if self.sizes is None:
            return compile(ast.Expression(node), str(self.path), "eval")
        own = ast.parse(ast.unparse(node), mode="eval").body
        for part in ast.walk(own):
            if isinstance(part, ast.Constant) and type(part.value) is int and part.value > LARGE:
                left = [n for n in _SMALLER if n not in self.sizes.values()]
                part.value = self.sizes.setdefault(part.value, next(iter(left), _SMALLER[-1] + len(self.sizes)))
        return compile(ast.Expression(own), str(self.path), "eval")

    @cached_property
    def scopes(self) -> list[CodeScope]:
        """The module, and each function in it."""
        outer = CodeScope(self, self.body)
        inside = [n for n in self.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        classes = {f: n.name for n in self.nodes if isinstance(n, ast.ClassDef) for f in n.body}
        return [outer, *(CodeScope(self, n.body, n.args, outer, of_class=classes.get(n, "")) for n in inside)]

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All that is written in it."""
        return [node for statement in self.body for node in ast.walk(statement)]

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """What an import binds a name to: a module, and a name in it or ""; for a star the name is "*"."""
        found: dict[str, tuple[str, str]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found |= {a.asname or a.name: (a.name, "") for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {a.asname or a.name: (node.module or a.name, a.name) for a in node.names}
        return found

    def known(self, name: str) -> Any:
        """What a name means here that no scope binds; UNTOLD where that is not known."""
        if name in self.imported:
            module, attribute = self.imported[name]
            found = _module(module)
            item = names_of(found).get(attribute) if attribute and found is not None else found
            item = _module(attribute) if item is None and attribute else item  # `from package import module`
            return UNTOLD if item is None else item
        own = next((m for m in user_modules() if _file(m) == os.path.realpath(self.path)), None)
        stars = (_module(module) for module, attribute in self.imported.values() if attribute == "*")
        found = [names_of(m)[name] for m in (own, *stars) if m is not None and name in names_of(m)]
        return found[0] if found else getattr(builtins, name) if name in _PLAIN else UNTOLD


@dataclass(frozen=True, eq=False)
class CodeScope:
    """The statements of a module or a function, and what their names are bound to."""

    file: CallingFile
    body: Sequence[ast.stmt]
    arguments: ast.arguments | None = None
    outer: CodeScope | None = None
    of_class: str = ""  # whose method it is
    open: set[str] = field(default_factory=set)  # names that are being told

    @cached_property
    def numbers(self) -> dict[ast.AST, int]:
        """The nodes of this scope, each with the number of its statement; without those of functions inside.

        Not by lines, which begin anew in each cell of a notebook.
        """
        found: dict[ast.AST, int] = {}
        left: list[tuple[ast.AST, int]] = [(node, 0) for node in reversed(self.body)]
        while left:
            node, number = left.pop()
            found[node] = number = len(found) + 1 if isinstance(node, ast.stmt) else number
            if not isinstance(node, _INNER):
                left += [(child, number) for child in reversed(list(ast.iter_child_nodes(node)))]
        return found

    @property
    def nodes(self) -> Iterable[ast.AST]:
        """The nodes of this scope, in the order of the text."""
        return self.numbers

    @cached_property
    def bound(self) -> dict[str, list[tuple[int, ast.expr | None]]]:
        """Where names are bound, each with its value; None for one that is not plain."""
        found: dict[str, list[tuple[int, ast.expr | None]]] = {}
        if self.arguments is not None:
            places = [*self.arguments.posonlyargs, *self.arguments.args]
            values = [*[None] * (len(places) - len(self.arguments.defaults)), *self.arguments.defaults]
            places, values = [*places, *self.arguments.kwonlyargs], [*values, *self.arguments.kw_defaults]
            found = {place.arg: [(0, value)] for place, value in zip(places, values, strict=True)}
        for node, number in self.numbers.items():
            for name, value in bindings(node):
                if isinstance(name, ast.Name):
                    found.setdefault(name.id, []).append((number, value))
        return found

    def told(self, node: ast.expr, number: int) -> Any:
        """What an expression gives in a statement; UNTOLD where that cannot be told."""
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        inner = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        known = {n.id: self._value(n.id, number) for n in names if n.id not in inner}
        if any(value is UNTOLD for value in known.values()) or not _is_harmless(node, known):
            return UNTOLD
        try:
            code = self.file.code_of(node)
            return eval(code, {"__builtins__": {}, **known})  # the user's own expression, where the user's code runs
        except Exception:  # whatever it raises
            return UNTOLD

    def given(self, call: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        """What a call is given, by place and by name; UNTOLD where that cannot be told."""
        number = self.numbers[call]
        by_name = {one.arg or "": self.told(one.value, number) for one in call.keywords}
        return [self.told(argument, number) for argument in call.args], by_name

    def _value(self, name: str, number: int) -> Any:
        """What a name stands for in a statement: what it was last bound to before."""
        own = [pair for pair in self.bound.get(name, ()) if pair[0] < number]
        if not own:
            return self.outer._value(name, sys.maxsize) if self.outer is not None else self.file.known(name)
        at, value = own[-1]
        if value is None or name in self.open:
            return UNTOLD
        self.open.add(name)
        try:
            return self.told(value, at or number)
        finally:
            self.open.discard(name)


def called(call: ast.Call) -> str:
    """The name of what a call calls, without what it is an attribute of."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _file(module: Any) -> str:
    return os.path.realpath(getattr(module, "__file__", None) or "")


def _module(name: str) -> Any:
    """A module by its name in an import: NumPy, or one of the user's that is loaded; nothing is imported for this."""
    if name.partition(".")[0] == "numpy":
        return sys.modules.get(name)
    last = name.rpartition(".")[2]
    loaded = [m for m in user_modules() if Path(_file(m)).stem == last or Path(_file(m)).parent.name == last]
    return loaded[0] if loaded else None


def _is_harmless(node: ast.expr, known: Mapping[str, Any]) -> bool:
    """Whether an expression calls nothing but classes, NumPy and a few of Python's own, and takes no time by itself."""
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow | ast.LShift):
            return False
        if isinstance(part, ast.Call) and not _is_maker(part.func, known):
            return False
    return True


def _is_maker(node: ast.expr, known: Mapping[str, Any]) -> bool:
    """Whether a dotted name is that of a class, of anything of NumPy's, or of one of Python's own."""
    path = ast.unparse(node).split(".")
    item = known.get(path[0])
    if str(getattr(item, "__name__", "")).partition(".")[0] == "numpy":
        return True
    for name in path[1:]:
        item = getattr(item, name, None)
    return isinstance(item, type) or (item is not None and item is getattr(builtins, path[-1], None))
