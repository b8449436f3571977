"""The class with its imports."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from dout.explain.derive.derived_methods import BackwardDraft
from dout.explain.derive.example_subjects import is_numbers
from dout.explain.derive.forward_runs import ForwardSubject
from dout.explain.derive.verification import Make
from dout.explain.model.explanation import Phrase
from dout.explain.spelling.syntax_trees import names_of
from dout.explain.spelling.written_text import indented, wrapped
from dout.files import dedented
from dout.trace.model.user_source import class_source

_NUMBER = count(1)
_UNIT = "    "

_OF_A_STUB = re.compile(r"abstractmethod|staticmethod|classmethod")  # what is written takes an instance


@dataclass(frozen=True, eq=False)
class DerivedClass:
    """A class with the backward that was derived: as `source`, as a `module` with its imports, and as a live `layer`.

    `notes` are what a reader should know; `verdict` has the word of the exact judge by gradient.
    """

    name: str
    source: str
    module: str
    layer: type
    notes: tuple[Phrase, ...] = ()
    verdict: Mapping[str, str] = field(default_factory=dict)
    subject: ForwardSubject | None = None  # what it was derived for, with the example that ran

    @property
    def methods(self) -> tuple[str, str]:
        """The names of the class's forward and backward."""
        return self.subject.methods if self.subject else ("forward", "backward")

    @property
    def is_finite(self) -> bool:
        """Whether its gradients are finite at ±1000 wherever the derivative is."""
        return "derive not finite" not in [note.key for note in self.notes]

    @property
    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What it was derived with, and that may not be otherwise: of the constructor, and of forward."""
        if self.subject is None:
            return {}, {}
        flags = {note.fields["flag"] for note in self.notes if note.key == "one_side"}
        fixed = [n for n, item in self.subject.settings.items() if is_numbers(item) or isinstance(item, str | bool)]
        return self.subject.as_given([name for name in fixed if name in flags])


class ClassText:
    """The text of a class with a derived backward."""

    def __init__(self, subject: ForwardSubject, draft: BackwardDraft) -> None:
        self.subject, self.draft = subject, draft

    @cached_property
    def source(self) -> str:
        """The class: that of the user with its forward and backward replaced, or a new one for a function."""
        forward, backward = _spaced(self._forward()), self._backward()
        if self.subject.target.is_function:
            return "\n".join([f"class {self.subject.name}:", *indented(forward), "", *indented(backward)]) + "\n"
        lines, tree = self._own()
        edits: list[tuple[int, int, list[str]]] = []
        methods = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef)}
        ahead, behind = self.subject.methods
        unit = " " * tree.body[0].col_offset
        if ahead in methods:
            start, end = lines_spanned(methods[ahead])
            new = indented([*_decorators(lines, methods[ahead]), *forward], unit)
        else:  # inherited: below what the class has, or in the place of `pass`
            self._refuse_elsewhere()
            only = tree.body[0]
            start, end = (only.lineno, only.lineno) if isinstance(only, ast.Pass) else (len(lines) + 1, len(lines))
            new = [*([""] if end < start else []), *indented(forward, unit)]
        backward = indented([_with_unit(line, unit) for line in backward], unit)
        if behind in methods:
            kept = [line for line in _decorators(lines, methods[behind]) if not _OF_A_STUB.search(line)]
            edits.append((*lines_spanned(methods[behind]), [*indented(kept, unit), *backward]))
        else:
            new += ["", *backward]
        if "" not in lines[end : end + 1] and end < len(lines):
            new.append("")
        edits.append((start, end, new))
        for first, last, replacement in sorted(edits, reverse=True):
            lines[first - 1 : last] = replacement
        return "\n".join(lines).rstrip() + "\n"

    def _own(self) -> tuple[list[str], ast.ClassDef]:
        text = dedented(class_source(self.subject.target.cls)).expandtabs(4)
        tree = ast.parse(text).body[0]
        if not isinstance(tree, ast.ClassDef):
            raise OSError("it is not written as a class of its own")
        return text.splitlines(), tree

    def _refuse_elsewhere(self) -> None:
        """Raise OSError where an inherited forward cannot be written into this class."""
        function = self.draft.source.function
        home = vars(sys.modules[self.subject.target.cls.__module__])
        if function.__globals__ is not home or "__class__" in function.__code__.co_freevars:
            raise OSError(f"it is inherited: derive {function.__qualname__.rpartition('.')[0]}, the class that has it")

    def _forward(self) -> list[str]:
        lines = self.draft.forward
        if not self.subject.target.is_function:
            return lines
        first = next(i for i, line in enumerate(lines) if line.startswith("def "))
        name = f"def {self.subject.target.named.__name__}("
        more = "" if lines[first].startswith(f"{name})") else ", "
        return [lines[first].replace(name, f"def forward(self{more}", 1), *lines[first + 1 :]]

    def _backward(self) -> list[str]:
        found: list[str] = []
        for line in self.draft.backward:
            text = line.lstrip()
            found += wrapped(text, line[: len(line) - len(text)]) if text else [""]
        return found

    @cached_property
    def module(self) -> str:
        """The class with what it imports."""
        function = self.draft.source.function
        used = names_of(ast.parse(self.source))
        lines = ["import numpy as np"]
        for name in sorted(used & set(function.__globals__)):
            item = function.__globals__[name]
            if inspect.ismodule(item):
                lines.append(f"import {item.__name__}" + ("" if item.__name__ == name else f" as {name}"))
            elif name != self.subject.name:
                home = getattr(item, "__module__", None) or function.__module__
                lines.append(f"from {home} import {name}")
        return "\n".join([*dict.fromkeys(lines), "", "", self.source])

    @cached_property
    def cls(self) -> type:
        """The live class, made from the source."""
        file = f"<derived {self.subject.name} {next(_NUMBER)}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        space = {**self.draft.source.function.__globals__, "np": np}
        exec(compile(self.source, file, "exec"), space)
        found: type = space[self.subject.name]
        return found

    @cached_property
    def make(self) -> Make:
        """The function that makes a fresh layer of the written class. Raises OSError where there is no source."""
        cls = self.cls
        return lambda subject: subject.made(cls)


def lines_spanned(definition: ast.FunctionDef) -> tuple[int, int]:
    """The first and the last line of a method, with its decorators."""
    first = min([definition.lineno, *(d.lineno for d in definition.decorator_list)])
    return first, definition.end_lineno or definition.lineno


def _decorators(lines: list[str], definition: ast.FunctionDef) -> list[str]:
    return [textwrap.dedent(line) for line in lines[lines_spanned(definition)[0] - 1 : definition.lineno - 1]]


def _with_unit(line: str, unit: str) -> str:
    """A line of ours indented as the user indents."""
    text = line.lstrip(" ")
    depth, rest = divmod(len(line) - len(text), len(_UNIT))
    return unit * depth + " " * rest + text


def _spaced(lines: list[str]) -> list[str]:
    """The lines without empty ones at the end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines
