"""What an answer may not do, read from its text: what is forbidden is said before anything runs.

An answer computes a gradient from `dout` and from what forward kept. It stays inside its method, imports nothing but
numerical packages, and changes nothing but attributes of its own layer. Who goes around these rules gains nothing: no
solution is kept anywhere, and the gradient is judged in a process of its own.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator

from dout.errors import visible
from dout.exercise.sheet import UNREADABLE, Answer, Sheet, first_line, syntax

PACKAGES = frozenset({"math", "numpy", "scipy"})
_FORBIDDEN = frozenset({
    "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr", "globals", "input", "locals", "open", "quit",
    "setattr", "vars",
})  # fmt: skip
_FILES = frozenset({
    "DataSource", "ctypeslib", "dump", "f2py", "fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "memmap",
    "npyio", "open_memmap", "save", "savetxt", "savez", "savez_compressed", "tofile",
})  # fmt: skip
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
        tree = syntax(sheet.text)
    except UNREADABLE as error:
        line = getattr(error, "lineno", None)
        what = getattr(error, "msg", None) or str(error) or "it is nested too deeply"
        return f"{_place(sheet, line) if line else 'the file'}: this is no Python: {visible(str(what))}"
    if not _is_inside(sheet, tree):
        return _OUTSIDE
    methods = {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    for answer, first, last in sheet.lines_of_answers():
        for node in nodes:
            if first <= node.lineno <= last and (why := next(_troubles(node, methods), None)):
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
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in names:
            if name.partition(".")[0] not in PACKAGES:
                yield f"an answer imports numpy, math and scipy alone, not {visible(name) or 'from its folder'}"
        yield from (trouble for alias in node.names for trouble in _of_name(alias.asname or alias.name, True))
        yield from (trouble for alias in node.names for trouble in _of_attribute(alias.name.rpartition(".")[2], False))
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield "an answer changes no names outside of its method"
    elif isinstance(node, ast.Name):
        yield from _of_name(node.id, not isinstance(node.ctx, ast.Load))
    elif isinstance(node, ast.arg):
        yield from _of_name(node.arg, True)
    elif isinstance(node, ast.Attribute):
        of_self = isinstance(node.value, ast.Name) and node.value.id == _GIVEN
        yield from _of_attribute(node.attr, of_self)
        if not isinstance(node.ctx, ast.Load) and not of_self:
            yield "an answer sets attributes of self alone"
        elif not isinstance(node.ctx, ast.Load) and node.attr in methods:
            yield f"an answer does not replace self.{visible(node.attr)}"


def _of_name(name: str, is_bound: bool) -> Iterator[str]:
    if name in _FORBIDDEN or name.startswith("__"):
        yield f"an answer does not use {visible(name)}"
    if is_bound and name == _GIVEN:
        yield "an answer gives the name self to nothing else"


def _of_attribute(name: str, of_self: bool) -> Iterator[str]:
    if name.startswith("__") or name in _INNER or (name.startswith("_") and not of_self):
        yield f"an answer does not use {visible(name)}"
    if name in _FILES and not of_self:
        yield f"an answer reads and writes no files: {visible(name)}"
