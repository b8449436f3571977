"""What an answer may not do, read from its text: what is forbidden is said before anything runs.

An answer computes a gradient from `dout` and from what forward kept. It stays inside its method, uses functions of
NumPy, `math` and `scipy.special` (`answer_modules` says which), and changes nothing but attributes of its own layer and
of what these hold. The rules keep honest mistakes apart from wrong gradients. They are no prison: who goes around them
finds no solution, because none is kept anywhere, but may be given points that are not earned.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from itertools import chain
from typing import Any

from dout.errors import visible
from dout.exercise.answer_modules import modules_in, of_import, of_uses
from dout.exercise.sheet import UNREADABLE, Answer, Sheet, first_line, syntax

_FORBIDDEN = frozenset({
    "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr", "globals", "help", "input", "locals", "open",
    "quit", "setattr", "vars",
})  # fmt: skip
_FILES = frozenset({"dump", "fromfile", "loadtxt", "memmap", "savetxt", "testing", "tofile"})  # of any object
_RUNNING = (types.FrameType, types.GeneratorType, types.CoroutineType, types.TracebackType, types.CodeType)
_INNER = frozenset(name for kind in _RUNNING for name in dir(kind) if "_" in name[1:])  # f_back, gi_frame …
_GIVEN = "self"
_MOST_LINES = 3000  # of a sheet
_LONGEST = 200  # characters of a line that is shown
_OUTSIDE = (
    "the lines do not stay inside their method: indent all of them at least as far as the marks above and below them, "
    "and close each bracket and each quote"
)


def refused(sheet: Sheet) -> str:
    """Why the answers in a sheet are not run, in one line with its place; nothing where they are."""
    if sheet.text.count("\n") > _MOST_LINES:
        return f"the file has more than {_MOST_LINES} lines"
    try:
        tree = sheet.tree
    except UNREADABLE as error:
        line = getattr(error, "lineno", None)
        what = getattr(error, "msg", None) or str(error) or "it is nested too deeply"
        return f"{_place(sheet, line) if line else 'the file'}: this is no Python: {visible(str(what))}"
    if not _is_inside(sheet, tree):
        return _OUTSIDE
    methods = {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}
    nodes: list[Any] = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    modules = modules_in(tree)
    for answer, first, last in sheet.lines_of_answers():
        written: list[Any] = [node for node in nodes if first <= node.lineno <= last]
        troubles = ((node, why) for node in written for why in _troubles(node, methods))
        for node, why in chain(troubles, of_uses(written, modules)):
            return f"{line_of_answer(answer, node.lineno - first)}: {why}"
    return ""


def line_of_answer(answer: Answer, offset: int) -> str:
    r"""A line of an answer as its learner sees it: its number in the file, and its text.

    >>> line_of_answer(Answer("backward", "dx = 1\nreturn dx\n", 31), 1)
    'line 32, `return dx`'
    """
    text = "".join(answer.text.split("\n")[offset : offset + 1]).strip()
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return f"line {answer.line + offset}" + (f", `{visible(shown)}`" if shown else "")


def _place(sheet: Sheet, line: int) -> str:
    for answer, first, last in sheet.lines_of_answers():
        if first <= line <= last:
            return line_of_answer(answer, line - first)
    return f"line {line}"


def _is_inside(sheet: Sheet, tree: ast.Module) -> bool:
    """Whether nothing in the file and its classes begins in an answer, or is lost by one."""
    try:
        there = _outline(syntax(sheet.unwritten))
    except UNREADABLE:
        return False
    outline = _outline(tree)
    starts = [line for _, _, line in outline]
    begins = any(first <= line <= last for line in starts for _, first, last in sheet.lines_of_answers())
    return not begins and [item[:2] for item in outline] == [item[:2] for item in there]


def _outline(module: ast.Module) -> list[tuple[str, str, int]]:
    """What stands in a file and in its classes: its kind, its name and its first line."""
    classes = [item.body for item in module.body if isinstance(item, ast.ClassDef)]
    return [
        (type(item).__name__, getattr(item, "name", ""), first_line(item))
        for body in (module.body, *classes)
        for item in body
    ]


def _troubles(node: ast.AST, methods: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from of_import(node)
        yield from (trouble for alias in node.names for trouble in _of_name(alias.asname or alias.name, True))
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield "an answer changes no names outside of its method"
    elif isinstance(node, ast.Name):
        yield from _of_name(node.id, not isinstance(node.ctx, ast.Load))
    elif isinstance(node, ast.arg):
        yield from _of_name(node.arg, True)
    elif isinstance(node, ast.MatchClass):
        yield from (trouble for name in node.kwd_attrs for trouble in _of_attribute(name, False))
    elif isinstance(node, ast.Attribute):
        of_self = isinstance(node.value, ast.Name) and node.value.id == _GIVEN
        yield from _of_attribute(node.attr, of_self)
        if not isinstance(node.ctx, ast.Load) and not _is_part_of_self(node):
            yield "an answer sets attributes of self, and of what self holds"
        elif not isinstance(node.ctx, ast.Load) and node.attr in methods:
            yield f"an answer does not replace self.{visible(node.attr)}"


def _is_part_of_self(node: ast.expr) -> bool:
    """Whether an expression is an attribute of self, or of a part of it: self.W.grad, self.params["W"].grad."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id == _GIVEN


def _of_name(name: str, is_bound: bool) -> Iterator[str]:
    if name in _FORBIDDEN or name.startswith("__"):
        yield f"an answer does not use {visible(name)}"
    if is_bound and name == _GIVEN:
        yield "an answer gives the name self to nothing else"


def _of_attribute(name: str, of_self: bool) -> Iterator[str]:
    if name.startswith("__") or name in _INNER or (name.startswith("_") and not of_self):
        yield f"an answer does not use {visible(name)}"
    if name in _FILES and not of_self:
        yield f"an answer reads and writes no files, and runs no text: {visible(name)}"
