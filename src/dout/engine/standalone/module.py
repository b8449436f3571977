"""The whole module: the user's classes with fast methods, the kernels that these call, and what kernels call."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dout.adapt.example import Example
from dout.engine.standalone.functions import definitions
from dout.engine.standalone.kernels import WIDTH, Kernels, wrapped
from dout.engine.standalone.merge import merged
from dout.engine.standalone.methods import Branch, branch
from dout.engine.standalone.runs import Specimen, quietly
from dout.engine.standalone.source import Edit, Imports, UsersFile
from dout.errors import UnsupportedError
from dout.trace.layercalls import KINDS

_CHECKS = {
    "is_array": '''\
def is_array(item, dtype, axes):
    """Whether kernels take it: an array of this dtype and so many axes, in C order, and not empty."""
    if type(item) is not np.ndarray or item.dtype != dtype or item.ndim != axes:
        return False
    return item.flags.carray and item.size > 0''',
    "is_floats": '''\
def is_floats(item, axes):
    """Whether kernels take it: as `is_array`, of float32 or float64."""
    return is_array(item, np.float32, axes) or is_array(item, np.float64, axes)''',
}


@dataclass(frozen=True)
class Layer:
    """A layer class of the user's, with an example of its arguments; None where there is none, and why."""

    cls: type
    example: Example | None
    why_not: str = ""


@dataclass(frozen=True)
class Standalone:
    """The text of a module. `fast` names the methods that call kernels, `plain` says of the others why they do not."""

    text: str
    fast: tuple[str, ...]
    plain: Mapping[str, str]


def standalone(module: ModuleType, layers: Sequence[Layer], dtypes: Sequence[str]) -> Standalone:
    """Write a module with these layer classes of the user's module, whose floats are of any of these dtypes.

    Raises TargetError where the module's file cannot be read, or needs dout itself.
    """
    file = UsersFile(Path(str(module.__file__)))
    imports, kernels = Imports(), Kernels({*vars(module), *_CHECKS, "by_dtype", "np", "njit"})
    statements = file.needed([layer.cls.__name__ for layer in layers], imports)
    edits: dict[str, list[Edit]] = {}
    fast, plain = list[str](), dict[str, str]()
    for layer in layers:
        name = layer.cls.__name__
        for kind, found in _methods(layer, module, dtypes).items():
            if isinstance(found, str):
                plain[f"{name}.{kind}"] = found
                edit = _comment(file, name, kind, found)
                edits.setdefault(name, []).extend([edit] if edit else [])
            else:
                fast.append(f"{name}.{kind}")
                edits.setdefault(name, []).append(_edit(file, name, kind, found, kernels))
    text = "\n".join(_lines(file, statements, edits, imports, kernels, [layer.cls.__name__ for layer in layers]))
    return Standalone(text + "\n", tuple(fast), plain)


# --- methods ----------------------------------------------------------------------------------------------------------


def _methods(layer: Layer, module: ModuleType, dtypes: Sequence[str]) -> dict[str, list[Branch] | str]:
    """The ways through forward and backward; or why one of them stays as it is."""
    file = UsersFile(Path(str(module.__file__)))
    if layer.example is None:
        return dict.fromkeys(KINDS, layer.why_not)
    if layer.example.interface is not None and not layer.example.interface.is_plain:
        return dict.fromkeys(KINDS, "it is not called as forward(*inputs) and backward(dout)")
    found: dict[str, list[Branch] | str] = {}
    with quietly():
        specimen = Specimen(layer.cls, layer.example, dtypes)
        sizes = specimen.sizes()
        recorded = [found for way in specimen.ways() for found in specimen.recorded(way, sizes)]
    for kind in KINDS:
        try:
            file.method(layer.cls.__name__, kind)
            branches: dict[Branch, None] = {}
            parameters = [p.name for p in specimen.parameters[kind]]
            for which, one in recorded:
                if which == kind:
                    branches[branch(one, module, parameters, _plain(kind, specimen))] = None
            found[kind] = list(branches) or "it raised an error when it was run"
        except UnsupportedError as error:
            found[kind] = str(error).replace(str(module.__file__), file.path.name)
    return found


def _plain(kind: str, specimen: Specimen) -> str:
    """The call of the method as it was."""
    given = [f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name for p in specimen.parameters[kind]]
    return f"self.__plain_{kind}({', '.join(given)})"


def _comment(file: UsersFile, cls: str, kind: str, why: str) -> Edit | None:
    """A comment above a method that stays as it is."""
    node = next((n for n in file.classes[cls].body if isinstance(n, ast.FunctionDef) and n.name == kind), None)
    if node is None:
        return None
    indent = " " * node.col_offset
    return Edit(
        kind,
        None,
        textwrap.wrap(f"Plain: {why}.", WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "),
    )


def _edit(file: UsersFile, cls: str, kind: str, branches: Sequence[Branch], kernels: Kernels) -> Edit:
    """The fast method, in front of the plain one."""
    node = file.method(cls, kind)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    lines = [f"def {kind}({ast.unparse(node.args)}){returns}:"]
    stem = f"{_snake(cls)}_{kind}"
    for one in merged(branches):
        lines += _condition(one.conditions)
        lines += [part for line in kernels.called(one, stem) for part in wrapped(f"        {line}", WIDTH - 4)]
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)][1:]
    names += [f"{a.arg}={a.arg}" for a in node.args.kwonlyargs]
    lines += [f"    return self.__plain_{kind}({', '.join(names)})", ""]
    indent = " " * node.col_offset
    return Edit(kind, f"__plain_{kind}", [f"{indent}{line}" if line else "" for line in lines])


def _condition(conditions: Sequence[str]) -> list[str]:
    """An `if` in one line, or in one for each condition."""
    if not conditions:
        conditions = ["True"]
    line = f"    if {' and '.join(conditions)}:"
    if len(line) <= WIDTH - 8:
        return [line]
    first, *rest = conditions
    return ["    if (", f"        {first}", *(f"        and {one}" for one in rest), "    ):"]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")


# --- the module -------------------------------------------------------------------------------------------------------


def _lines(
    file: UsersFile, statements: Sequence[ast.stmt], edits: Mapping[str, Sequence[Edit]], imports: Imports,
    kernels: Kernels, names: Sequence[str],
) -> Iterator[str]:  # fmt: skip
    functions, more = definitions(kernels.calls)
    if kernels.names:
        for line in ("import numpy as np", "from numba import njit", *more):
            imports.add(line)
    yield from _head(file.path.name, names, bool(kernels.names))
    yield ""
    yield from imports.lines()
    yield from _statements(file, statements, edits)
    if kernels.names:
        yield from ["", "", "# --- kernels, which Numba compiles at their first call, and keeps in __pycache__"]
        used = "\n".join(line for found in edits.values() for edit in found for line in edit.before)
        for name, text in _CHECKS.items():
            if f"{name}(" in used or name == "is_array":
                yield from ["", "", *text.split("\n")]
        yield from kernels.lines()
    if functions:
        yield from ["", "", "# --- what kernels call", ""]
        yield from _spaced((one.text.split("\n"), "def " in one.text or "class " in one.text) for one in functions)


def _head(file: str, names: Sequence[str], fast: bool) -> list[str]:
    shown = re.sub(r"[^\w.-]", "_", file)
    first = f'"""{", ".join(names)} of {shown}, compiled.'
    first = first if len(first) <= WIDTH else f'"""The layers of {shown}, compiled.'
    says = (
        f"Written by `dout compile` from {shown}, and needs NumPy{' and Numba' if fast else ''} alone. "
        "A forward or backward first looks whether it is given what its kernels were written for; anything else goes "
        f"to the method of {shown} as it stands there, called __plain_forward or __plain_backward here."
    )
    return [first, "", *textwrap.wrap(says, WIDTH), '"""']


def _statements(file: UsersFile, statements: Sequence[ast.stmt], edits: Mapping[str, Sequence[Edit]]) -> Iterator[str]:
    parts = []
    for node in statements:
        block = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        parts.append((file.segment(node, edits.get(node.name, ()) if isinstance(node, ast.ClassDef) else ()), block))
    yield ""
    yield from _spaced(parts)


def _spaced(parts: Iterable[tuple[Sequence[str], bool]]) -> Iterator[str]:
    """Statements, with two empty lines around those that are blocks."""
    last = True
    for index, (lines, block) in enumerate(parts):
        if block or last:
            yield from ["", ""] if index else [""] * block
        yield from lines
        last = block
