"""Which programs of a repository use its layers: files that do something by themselves, and the files that they import.

Nothing is run here; names are read from the text.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dout.adapt.repository.project_files import (
    SourceFile,
    files_below,
    parsed,
    repository_root,
    statements_of,
    texts_of,
)
from dout.check.program.layer_names import base_names, has_backward, layer_names

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([\w.,\s*]+|[\w., \t*]+)|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)
_CLASS = re.compile(r"^[ \t]*class[ \t]+(\w+)", re.MULTILINE)
_WORD, _CALLED = re.compile(r"\w+"), re.compile(r"(?<!class )(?<!def )\b(\w+)[ \t]*\(")
_DOES = (ast.Expr, ast.For, ast.While, ast.With, ast.Try, ast.If)
_NO_WORK = re.compile(r"sys\.path|\.(seed|filterwarnings|simplefilter|use|set_printoptions|seterr|append|insert)\(")

Name = tuple[str, str]  # a file, and a class or function in it


@dataclass(frozen=True)
class ProjectProgram:
    """A file that does something by itself, and what it and the files that it imports may use of the project's.

    Its own text `says` some of these names.
    """

    path: str
    names: frozenset[Name]
    says: frozenset[Name] = frozenset()


def programs(wanted: Iterable[str]) -> list[ProjectProgram]:
    """The programs that reach these files, in the repositories that those lie in; a program may be one of them."""
    files = list(map(_real, wanted))
    roots = dict.fromkeys(map(repository_root, files))
    return [program for root in roots for program in _Project(files_below(root)).programs(set(files))]


def next_program(
    left: Sequence[ProjectProgram], used: set[Name], in_vain: Collection[Name] = ()
) -> ProjectProgram | None:
    """The program that reaches most of what nobody has used yet, and names most of it; None where none reaches any.

    What others reached `in_vain` is more surely used by one that names it.
    """

    def worth(program: ProjectProgram) -> tuple[int, ...]:
        reached, said = program.names - used, program.says - used
        return len(reached.difference(in_vain)), len(said), len(reached)

    best = max(left, key=worth, default=None)
    return best if best is not None and best.names - used else None


def is_program(path: Path) -> bool:
    """Whether a file does something by itself, and not only defines and imports."""
    try:
        return any(map(_does_something, parsed(SourceFile.of(path))))
    except (OSError, ValueError, RecursionError):
        return False


def _does_something(statement: ast.stmt) -> bool:
    """Whether a statement at the top of a file is work: a call, a loop, the block of `__main__`, a test."""
    if isinstance(statement, ast.FunctionDef):
        return statement.name.startswith("test")
    if isinstance(statement, ast.ClassDef):
        return "test" in statement.name.lower()
    if isinstance(statement, ast.Assign):
        calls = [n for n in ast.walk(statement.value) if isinstance(n, ast.Call)]
        return any(isinstance(call.func, ast.Attribute) and call.func.attr in ("forward", "backward") for call in calls)
    if not isinstance(statement, _DOES) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    ):
        return False
    if isinstance(statement, ast.Try):
        return any(map(_does_something, statement.body))
    if isinstance(statement, ast.If) and "__name__" not in ast.unparse(statement.test):
        return any(map(_does_something, [*statement.body, *statement.orelse]))
    return not _NO_WORK.search(ast.unparse(statement)) or not isinstance(statement, ast.Expr)


class _Project:
    """The files of a repository, and which imports which."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.texts = {_real(source.path): text for source, text in texts_of(files)}
        self._words: dict[tuple[str, bool], frozenset[str]] = {}
        self._imported: dict[str, list[str]] = {}

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """The files by what they are imported as: their own name, or that of their package."""
        found: dict[str, list[str]] = {}
        for file in self.texts:
            path = Path(file)
            found.setdefault(path.parent.name if path.stem == "__init__" else path.stem, []).append(file)
        return found

    @cached_property
    def with_backward(self) -> frozenset[str]:
        """What the classes are called that have a backward, or derive from one that has, wherever they are written."""
        bases: dict[str, set[str]] = {}
        found = set[str]()
        for file, text in self.texts.items():
            inside = (n for one in statements_of(file) for n in ast.walk(one)) if _CLASS.search(text) else ()
            for node in (node for node in inside if isinstance(node, ast.ClassDef)):
                bases.setdefault(node.name, set()).update(base_names(node))
                found |= {node.name} if has_backward(node) else set()
        while more := {name for name, above in bases.items() if name not in found and above & found}:
            found |= more
        return frozenset(found)

    def programs(self, wanted: set[str]) -> Iterator[ProjectProgram]:
        """The programs that reach these files."""
        known = wanted & self.texts.keys()
        defined = {file: layer_names(statements_of(file), self.with_backward.__contains__) for file in known}
        for file in self.texts:
            reached = self._reached(file)
            if not reached & defined.keys():
                continue
            names = frozenset(
                (one, name)
                for one in reached & defined.keys()
                for name in defined[one]
                if any(name in self._words_of(other, own=other == one) for other in reached)
            )
            if names and is_program(Path(file)):
                said = frozenset(name for name in names if name[1] in self._words_of(file, own=name[0] == file))
                yield ProjectProgram(file, names, said)

    def _words_of(self, file: str, own: bool) -> frozenset[str]:
        """The words of a file; where it is the one that defines them, those that it calls."""
        if (file, own) not in self._words:
            self._words[file, own] = frozenset((_CALLED if own else _WORD).findall(self.texts[file]))
        return self._words[file, own]

    def _reached(self, file: str) -> set[str]:
        """A file with those that it imports, and so on."""
        found, waiting = {file}, [file]
        while waiting:
            one = waiting.pop()
            if one not in self._imported:
                self._imported[one] = list(self._imports(one))
            new = set(self._imported[one]) - found
            found |= new
            waiting += new
        return found

    def _imports(self, file: str) -> Iterator[str]:
        for module, names, plain in _IMPORT.findall(self.texts[file]):
            inside = [part.split(" as ")[0].strip("( \t\n") for part in names.split(",")]
            for dotted in [module, *(f"{module}.{n}" for n in inside if n.isidentifier())] if module else []:
                yield from self._files_of(dotted, file)
            for dotted in plain.split(","):
                yield from self._files_of(dotted.split(" as ")[0].strip(), file)

    def _files_of(self, dotted: str, asking: str) -> Iterator[str]:
        """The project's file that a module's name means, the nearest to the one that asks."""
        parts = [part for part in dotted.split(".") if part]
        if not parts:
            return
        ends = ("/".join(parts) + ".py", "/".join(parts) + "/__init__.py", "/".join(parts) + ".ipynb")
        fitting = [f for f in self.by_stem.get(parts[-1], []) if f.endswith(tuple(f"/{end}" for end in ends))]
        if fitting:
            yield max(fitting, key=lambda f: len(_common(f, asking)))


def _common(one: str, other: str) -> tuple[str, ...]:
    both = zip(Path(one).parts, Path(other).parts, strict=False)
    return tuple(a for a, b in both if a == b)


def _real(path: str | Path) -> str:
    return os.path.realpath(path)
