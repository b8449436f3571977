"""What an answer may not do, read from its text: what is forbidden is said before anything runs.

An answer computes a gradient from `dout` and from what forward kept. It stays inside its method, imports nothing but
numerical packages, and changes nothing but attributes of its own layer. Who goes around these rules gains nothing: no
solution is kept anywhere, and the gradient is judged in a process of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dout.errors import visible
from dout.exercise.sheet import Answer, Sheet

PACKAGES = frozenset({"math", "numpy", "scipy"})
_FORBIDDEN = frozenset({
    "__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "globals", "input", "locals", "open",
    "quit", "setattr", "vars",
})  # fmt: skip
_GIVEN = "self"


def refused(sheet: Sheet) -> str:
    """Why the answers in a sheet are not run, in one line with its place; nothing where they are."""
    try:
        tree = ast.parse(sheet.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        what = getattr(error, "msg", None) or str(error)
        return f"{_place(sheet, line)}: this is no Python: {visible(str(what))}"
    if _outline(sheet.text) != _outline(sheet.unwritten):
        return "the lines end their method: indent all of them at least as far as the marks above and below them"
    for answer, first, last in sheet.lines_of_answers():
        for node in ast.walk(tree):
            if first <= getattr(node, "lineno", 0) <= last and (why := next(_troubles(node, sheet), None)):
                return f"{line_of_answer(answer, node.lineno - first)}: {why}"  # type: ignore[attr-defined]
    return ""


def line_of_answer(answer: Answer, offset: int) -> str:
    r"""A line of an answer as its learner sees it: its number in the file, and its text.

    >>> line_of_answer(Answer("backward", "dx = 1\nreturn dx\n", 31), 1)
    'line 32, `return dx`'
    """
    text = answer.text.splitlines()[offset : offset + 1]
    return f"line {answer.line + offset}" + (f", `{visible(text[0].strip())}`" if text and text[0].strip() else "")


def _place(sheet: Sheet, line: int) -> str:
    for answer, first, last in sheet.lines_of_answers():
        if first <= line <= last:
            return line_of_answer(answer, line - first)
    return f"line {line}"


def _outline(text: str) -> list[tuple[str, str]]:
    """What stands in a file and in its classes: an answer that stays inside its method adds nothing there."""
    module = ast.parse(text)
    classes = [item.body for item in module.body if isinstance(item, ast.ClassDef)]
    return [(type(item).__name__, getattr(item, "name", "")) for body in (module.body, *classes) for item in body]


def _troubles(node: ast.AST, sheet: Sheet) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in names:
            if name.partition(".")[0] not in PACKAGES:
                yield f"an answer imports numpy, math and scipy alone, not {visible(name) or 'from its folder'}"
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield "an answer changes no names outside of its method"
    elif isinstance(node, ast.Name) and node.id in _FORBIDDEN:
        yield f"an answer does not call {node.id}"
    elif isinstance(node, ast.Attribute) and node.attr.startswith("__"):
        yield f"an answer does not use {visible(node.attr)}"
    elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        if _root(node) != _GIVEN:
            yield f"an answer sets attributes of self alone, not {visible(ast.unparse(node))}"
        elif isinstance(node.value, ast.Name) and node.attr in _methods(sheet):
            yield f"an answer does not replace self.{visible(node.attr)}"


def _root(node: ast.expr) -> str:
    """The name that a place begins with: self, of self.layers[0].dW."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _methods(sheet: Sheet) -> set[str]:
    tree = ast.parse(sheet.text)
    return {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}
