"""The whole module: the user's classes with fast methods, the kernels that these call, and what kernels call."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from dout.engine.export.class_source import Imports, MethodEdit, UsersFile
from dout.engine.export.inlined_functions import definitions, names
from dout.engine.export.layer_study import Layer, Study
from dout.engine.export.module_verification import first_fault, loaded
from dout.engine.export.written_kernels import WIDTH, Kernels, merged, wrapped
from dout.engine.export.written_methods import Branch
from dout.errors import TargetError
from dout.trace.session.layer_calls import KINDS

_OURS = {*names(), "is_array", "is_floats", "by_dtype"}  # where the user has such a name, ours is another
_CHECKS = {
    "is_array": '''\
def is_array(item, dtype, *axes):
    """Whether kernels take it: an array of this dtype and as many axes (1 to 4), in C order, and not empty."""
    if type(item) is not np.ndarray or item.dtype != dtype or item.ndim not in (axes or (1, 2, 3, 4)):
        return False
    return item.flags.carray and item.size > 0''',
    "is_floats": '''\
def is_floats(item, *axes):
    """Whether kernels take it: as `is_array`, of float32 or float64."""
    return is_array(item, np.float32, *axes) or is_array(item, np.float64, *axes)''',
}


@dataclass(frozen=True)
class Standalone:
    """The text of a module. `fast` names the methods that call kernels, `plain` says of the others why they do not."""

    text: str
    fast: tuple[str, ...]
    plain: Mapping[str, str]


def standalone(
    module: ModuleType, layers: Sequence[Layer], dtypes: Sequence[str], *, done: Callable[[], None] = lambda: None
) -> Standalone:
    """Write a module with these layer classes of the user's module, whose floats are of any of these dtypes.

    What it writes it tries. `done` is called after each layer.

    Raises TargetError where the module's file cannot be read, or needs dout itself.
    """
    file = UsersFile(Path(str(module.__file__)), module.__package__ or "")
    studies = []
    for layer in layers:
        studies.append(Study(layer, module, file, dtypes))
        done()
    while True:
        writer = _Writer(file, studies, module)
        wanting = [study for study in studies if _found_wanting(study, writer, module)]
        if not wanting:
            return Standalone(writer.text, tuple(writer.fast), writer.plain)


def _found_wanting(study: Study, writer: _Writer, module: ModuleType) -> bool:
    """Try what was written of a layer; where it does not do the same as the user's, note that less can be written."""
    fast = [kind for kind in KINDS if kind not in study.plain]
    if study.specimen is None or not fast:
        return False
    specimen, cls = study.specimen, getattr(writer.loaded(module), study.name)
    trials = [size for kind in fast for size in specimen.trials(study.sizes[kind])]
    large = [size for size in trials if 1 not in {*size.everywhere.values(), *size.first.values()}]
    fault = first_fault(cls, specimen, large)
    if fault is None and study.any_axes and first_fault(cls, specimen, specimen.other_axes()):
        study.any_axes = False
        return True
    if fault is None and not study.above_one and first_fault(cls, specimen, trials):
        study.above_one = True
        return True
    if fault is not None:
        kind = fault if fault in fast else fast[0]
        study.plain[kind] = "compiled it does not give what it gives plainly"
    return fault is not None


def _refuse_others(lines: Sequence[str], module: ModuleType, file: UsersFile) -> None:
    """Raise TargetError where the user's file calls something else by a name that is imported."""
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    for name in file.names & names.keys():
        if vars(module).get(name) is not names[name]:
            raise TargetError(f"{file.path} calls something of its own {name}, which the module needs; rename it")


class _Writer:
    """Writes the module. `fast` and `plain` are as those of `Standalone`."""

    def __init__(self, file: UsersFile, studies: Sequence[Study], module: ModuleType) -> None:
        self.file, self.names = file, [study.name for study in studies]
        self.imports = Imports()
        self.others = {name: f"{name}_" for name in _OURS & file.names}
        self.kernels = Kernels({*file.names, *_CHECKS, "by_dtype", "np", "njit"})
        self.statements = file.needed(self.names, self.imports)
        self.edits: dict[str, list[MethodEdit]] = {study.name: [] for study in studies}
        self.fast: list[str] = []
        self.plain: dict[str, str] = {}
        for study in studies:
            for kind in KINDS:
                self._method(study, kind)
        self._functions, more = definitions(self.kernels.calls)
        body = list(self._body())
        lines = ["import numpy as np"] if self.fast else []
        lines += ["from numba import njit", *more] if self.kernels.names else []
        _refuse_others(lines, module, file)
        for line in lines:
            self.imports.add(line)
        head = [*_head(file.path.name, self.names, bool(self.kernels.names)), "", *self.imports.lines()]
        self._tried = "\n".join([*head, *body])
        self.text = "\n".join([*head, *body, *self._called(), ""])

    def loaded(self, module: ModuleType) -> ModuleType:
        """The module, as far as it takes to try it."""
        return loaded(self._tried, {self.others.get(name, name): name for name in self.kernels.calls}, module)

    def _ours(self, text: str) -> str:
        """A text of ours, in which nothing is called as something of the user's."""
        for name, other in self.others.items():
            text = re.sub(rf"(?<![\w.]){name}\b", other, text)
        return text

    def _method(self, study: Study, kind: str) -> None:
        if kind in study.plain:
            self.plain[f"{study.name}.{kind}"] = study.plain[kind]
            edit = _comment(self.file, study.name, kind, study.plain[kind])
            self.edits[study.name] += [edit] if edit else []
        else:
            self.fast.append(f"{study.name}.{kind}")
            edit = _edit(self.file, study.name, kind, study.branches(kind), self.kernels)
            self.edits[study.name].append(replace(edit, before=[self._ours(line) for line in edit.before]))

    def _body(self) -> Iterator[str]:
        yield from _statements(self.file, self.statements, self.edits)
        if self.fast:
            yield from ["", "", "# --- kernels, which Numba compiles at their first call, and keeps in __pycache__"]
            used = "\n".join(line for found in self.edits.values() for edit in found for line in edit.before)
            for name, text in _CHECKS.items():
                if f"{self._ours(name)}(" in used or name == "is_array":
                    yield from ["", "", *self._ours(text).split("\n")]
            yield from map(self._ours, self.kernels.lines())

    def _called(self) -> Iterator[str]:
        """What kernels call."""
        if self._functions:
            yield from ["", "", "# --- what kernels call", ""]
            texts = [self._ours(one.text) for one in self._functions]
            yield from _spaced((text.split("\n"), "def " in text or "class " in text) for text in texts)


# --- methods ----------------------------------------------------------------------------------------------------------


def _comment(file: UsersFile, cls: str, kind: str, why: str) -> MethodEdit | None:
    """A comment above a method that stays as it is."""
    node = file.written(cls, kind)
    if node is None:
        return None
    indent = " " * node.col_offset
    return MethodEdit(
        kind,
        None,
        textwrap.wrap(f"Plain: {why}.", WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "),
    )


def _edit(file: UsersFile, cls: str, kind: str, branches: Sequence[Branch], kernels: Kernels) -> MethodEdit:
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
    return MethodEdit(kind, f"__plain_{kind}", [f"{indent}{line}" if line else "" for line in lines])


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


def _statements(
    file: UsersFile, statements: Sequence[ast.stmt], edits: Mapping[str, Sequence[MethodEdit]]
) -> Iterator[str]:
    parts = []
    for node in statements:
        block = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        last = isinstance(node, ast.ClassDef) and file.classes[node.name] is node  # a name may be given anew
        changed = edits.get(node.name, ()) if isinstance(node, ast.ClassDef) and last else ()
        parts.append((file.segment(node, changed), block))
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
