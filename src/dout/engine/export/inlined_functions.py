"""What kernels call, as text for a module of its own: of the engine's files the few definitions that are needed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dout.engine.math import vector_math

_FILES = ("base", "rare", "exp", "log", "waves")  # each after those that it takes from
_FOLDER = Path(vector_math.__file__).parent
_SOURCES = [*(_FOLDER / f"vector_math_{part}.py" for part in _FILES), _FOLDER / "accumulate.py"]


@dataclass(frozen=True)
class Definition:
    """One definition at the top of a file: its name, its text, the names in it, and where it stands."""

    name: str
    text: str
    uses: frozenset[str]
    place: tuple[int, int, int]


def definitions(called: Iterable[str]) -> tuple[list[Definition], list[str]]:
    """Everything that these functions need, in order, themselves last; and the imports that it takes."""
    known, found, last = _known(), dict[str, Definition](), list[Definition]()
    waiting = []
    for index, name in enumerate(sorted(called)):
        if name in known:
            waiting.append(name)
        else:  # exp_f32 is EXP[F32]
            table, layout = _version(name)
            last.append(Definition(name, f"{name} = {table}[{layout}]", frozenset({table, layout}), (9, index, 0)))
            waiting += [table, layout]
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found[name] = known[name]
            waiting += found[name].uses
    texts = {one.text: one for one in sorted(found.values(), key=lambda one: one.place)}  # `a, b = …` is one of both
    chosen = [*texts.values(), *last]
    used = {name for one in chosen for name in one.uses}
    return chosen, [line for name, line in _imports().items() if name in used]


def names() -> set[str]:
    """All names that definitions can have."""
    versions = {f"{name}_{width}" for name in vector_math.FUNCTIONS for width in ("f32", "f64")}
    return versions | set(_known())


def _version(name: str) -> tuple[str, str]:
    stem, _, width = name.rpartition("_f")
    assert stem in vector_math.FUNCTIONS, f"{name} is none of the kernels' functions"
    return stem.upper(), f"F{width}"


@cache
def _imports() -> dict[str, str]:
    """The import of each name that is not ours. (Those for types are used by none.)"""
    found = {}
    for file in _SOURCES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                found.update({alias.asname or alias.name: f"import {ast.unparse(alias)}" for alias in node.names})
            elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(("dout.", "__")):
                lines = {alias.name: f"from {node.module} import {alias.name}" for alias in node.names}
                found.update(lines)
    return found


@cache
def _known() -> dict[str, Definition]:
    found = {}
    for number, file in enumerate(_SOURCES):
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            for name, segment, column in _defined(node, text):
                uses = frozenset(n.id for n in ast.walk(ast.parse(segment)) if isinstance(n, ast.Name)) - {name}
                found[name] = Definition(name, segment, uses, (number, node.lineno, column))
    return found


def _defined(node: ast.stmt, text: str) -> Iterator[tuple[str, str, int]]:
    """The names that a statement defines, each with a text of its own."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name, _without_types(node), 0
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, f"{node.target.id} = {ast.get_source_segment(text, node.value)}", 0
    elif isinstance(node, ast.Assign):
        value = node.value
        target = node.targets[0]
        pairs: Iterable[tuple[ast.expr, ast.expr]] = [(target, value) for target in node.targets]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = zip(target.elts, value.elts, strict=True)
        elif isinstance(target, ast.Tuple):
            whole = str(ast.get_source_segment(text, node))
            yield from ((one.id, whole, 0) for one in target.elts if isinstance(one, ast.Name))
        for place, (one, part) in enumerate(pairs):
            if isinstance(one, ast.Name):
                lines = _comments_above(node, text) if place == 0 else ""
                yield one.id, f"{lines}{one.id} = {ast.get_source_segment(text, part)}", place


def _comments_above(node: ast.stmt, text: str) -> str:
    """The lines of comment right above a statement."""
    lines, first = text.splitlines(), node.lineno - 1
    start = first
    while start and lines[start - 1].startswith("# ") and not lines[start - 1].startswith("# ---"):
        start -= 1
    return "".join(f"{line}\n" for line in lines[start:first])


def _without_types(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The text of a definition without the types of arguments: a kernel's user has no use for `Any`."""
    for part in ast.walk(node):
        if isinstance(part, ast.arg):
            part.annotation = None
        elif isinstance(part, ast.FunctionDef):
            part.returns = None
        elif isinstance(part, ast.AnnAssign) and ast.unparse(part.annotation) == "Any":
            part.annotation = ast.Name("object")
    return ast.unparse(node)
