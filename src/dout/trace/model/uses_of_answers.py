"""What the user's source does with an answer: puts it into text, catches the error, or ends the program."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import FrameType
from typing import Any

from dout.trace.model.user_source import running_node, syntax_of


def goes_into_text(frame: FrameType) -> bool:
    """Whether the value of the expression at a frame goes straight into text: `print(float(x))`, f"{x.shape}"."""
    node = running_node(frame)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod)  # between numbers, % asks for no conversion
    if not isinstance(node, ast.Call | ast.Attribute):
        return False
    while isinstance(parent := getattr(node, "parent", None), _CARRIES) or _rounds(parent):
        node = parent
    if isinstance(parent, ast.FormattedValue):
        return True
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Mod) and _is_text(parent.left)
    return isinstance(parent, ast.Call) and _prints(parent.func)


_CARRIES = (ast.Tuple, ast.List, ast.Dict, ast.ListComp, ast.GeneratorExp, ast.Starred, ast.keyword)


def _rounds(node: Any) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("round", "abs")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _prints(function: ast.AST) -> bool:
    if isinstance(function, ast.Name):
        return function.id in ("print", "str", "repr", "format")
    return isinstance(function, ast.Attribute) and function.attr == "format" and _is_text(function.value)


def is_guarded(frame: FrameType, errors: frozenset[str]) -> bool:
    """Whether the line that runs in a frame stands in a `try` that catches one of these errors, by their names.

    A handler that raises, or ends the program, has no answer of its own.
    """
    return any(first <= frame.f_lineno <= last for first, last in _guarded(frame.f_code.co_filename, errors))


def is_demanded(frame: FrameType) -> bool:
    """Whether a call in the line that runs in a frame must not answer False: an error, exit or complaint follows.

    So it is in `if not exists(path): sys.exit()` and in `assert exists(path)`, but not in `assert not exists(path)`.
    """
    ifs = (node for node in ast.walk(syntax_of(frame.f_code.co_filename)) if isinstance(node, ast.If | ast.Assert))
    here = (node for node in ifs if node.test.lineno <= frame.f_lineno <= (node.test.end_lineno or 0))
    return any(
        isinstance(node, ast.If) in _negations(node.test)
        for node in here
        if isinstance(node, ast.Assert) or _ends(node.body) or (_says_so(node.body) and _is_unpacked(frame.f_back))
    )


def _ends(body: Sequence[ast.stmt]) -> bool:
    """Whether a block ends with an error or an exit."""
    last = body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return ast.unparse(last.value.func) in _EXITS
    return isinstance(last, ast.Raise | ast.Assert)


def _says_so(body: Sequence[ast.stmt]) -> bool:
    """Whether a block prints a message and returns nothing."""
    *_, told, last = [None, *body]
    is_call = isinstance(told, ast.Expr) and isinstance(told.value, ast.Call)
    return is_call and isinstance(last, ast.Return) and (last.value is None or ast.unparse(last.value) == "None")


def _is_unpacked(frame: FrameType | None) -> bool:
    """Whether what a frame calls must give several items: `(x, y), test = load(path)` cannot take None."""
    node = running_node(frame) if frame is not None else None
    parent = getattr(node, "parent", None)
    return isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple | ast.List)


_EXITS = ("exit", "quit", "sys.exit", "os._exit")


def _negations(test: ast.expr, negated: bool = False) -> Iterator[bool]:
    """Whether each call that a condition is made of stands behind an odd number of `not`."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _negations(test.operand, not negated)
    elif isinstance(test, ast.BoolOp):
        for part in test.values:
            yield from _negations(part, negated)
    else:
        yield negated


@lru_cache(maxsize=64)
def _guarded(file: str, errors: frozenset[str]) -> tuple[tuple[int, int], ...]:
    tries = [node for node in ast.walk(syntax_of(file)) if isinstance(node, ast.Try)]
    first = ((node, next((one for one in node.handlers if _catches(one, errors)), None)) for node in tries)
    guards = [node for node, handler in first if handler is not None and not _ends(handler.body)]
    return tuple((node.body[0].lineno, node.body[-1].end_lineno or 0) for node in guards)


def _catches(handler: ast.ExceptHandler, errors: frozenset[str]) -> bool:
    kind = handler.type
    return kind is None or not errors.isdisjoint(n.id for n in ast.walk(kind) if isinstance(n, ast.Name))
