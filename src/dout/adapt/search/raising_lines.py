"""The lines of the user's through which an error came, and whether every run comes by them."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterator
from types import CodeType, ModuleType, TracebackType
from typing import Any

from dout.adapt.source.empty_methods import is_stub
from dout.adapt.source.syntax import name_of, written
from dout.trace.model.user_source import is_ours, is_user_code
from dout.trace.program.stub_modules import needed_by

_BRANCHES = (ast.If, ast.IfExp, ast.Try, ast.While, ast.Match, ast.BoolOp, ast.Lambda, ast.FunctionDef, ast.ClassDef)


def always_comes_by(error: BaseException) -> bool:
    """Whether the user's own line raised it, and no branch on the way there could have led to another end.

    A branch that raises leads to none: `if stride < 1: raise ValueError`.
    """
    lines = lines_of(error)
    return bool(lines) and all(_is_on_every_way(function_at(code), line) for line, code in lines)


def asks_for_what_is_missing(error: BaseException | None) -> bool:
    """Whether a test of types alone, to which each call comes, raised an error, and none of the types is there.

    Nothing of ours passes it: `if not isinstance(x, torch.Tensor): raise TypeError`.
    """
    steps = steps_of(error) if error is not None else []
    if not steps:
        return False
    frame, line = steps[-1].tb_frame, steps[-1].tb_lineno
    for node in _body(function_at(frame.f_code)):
        if node.lineno <= line <= node.end_lineno:
            raises = isinstance(node, ast.If) and line in {
                part.lineno for part in node.body if isinstance(part, ast.Raise)
            }
            return raises and all(kind and needed_by(frame.f_globals.get(kind)) for kind in _types_in(node.test))
        if any(isinstance(part, ast.Return) for part in ast.walk(node)):
            return False
    return False


def _types_in(test: ast.expr) -> Iterator[str]:
    """The names with which the types begin that a condition tests; "" for anything else in it."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            yield from _types_in(inner)
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _types_in(part)
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
            every = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
            yield from (ast.unparse(kind).partition(".")[0] for kind in every)
        case _:
            yield ""


def unwritten(error: BaseException) -> str:
    """What an error says of code that is still to be written: that it raises so, or computes with what says so."""
    if isinstance(error, NotImplementedError):
        return "it raises NotImplementedError" if always_comes_by(error) else ""
    for step in steps_of(error):
        frame, line = step.tb_frame, step.tb_lineno
        parts = [part for one in around(function_at(frame.f_code), line)[-1:] for part in ast.walk(one)]
        names = [name_of(part.func) for part in parts if isinstance(part, ast.Call)]
        called = {name: frame.f_globals.get(name) for name in names}
        if empty := [name for name, one in called.items() if inspect.isfunction(one) and is_stub(one)]:
            return f"it calls {empty[0]}, which is not written"
        if any(value is NotImplemented or value is NotImplementedError for value in frame.f_locals.values()):
            return "it computes with NotImplemented"
    return ""


def lines_of(error: BaseException) -> list[tuple[int, CodeType]]:
    """The lines of the user's in a traceback, after we have called them; none where it was raised elsewhere.

    A library that was asked for a name that it has not is not elsewhere: `np.erf`.
    """
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    here = tb is not None and is_user_code(tb.tb_frame.f_code.co_filename)
    return way_of(error) if here or lacking_library(error) else []


def lacking_library(error: BaseException) -> bool:
    """Whether a library that is there was asked for a name that it has not."""
    module = error.obj if isinstance(error, AttributeError) else None
    return isinstance(module, ModuleType) and not is_user_code(getattr(module, "__file__", None) or "")


def way_of(error: BaseException) -> list[tuple[int, CodeType]]:
    """The lines of the user's in a traceback, after we have called them, wherever it was raised."""
    return [(step.tb_lineno, step.tb_frame.f_code) for step in steps_of(error)]


def steps_of(error: BaseException) -> list[TracebackType]:
    """The steps of the user's in a traceback, after we have called them, wherever it was raised."""
    found: list[TracebackType] = []
    step, ours = error.__traceback__, False
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if is_user_code(file):
            found = [step] if ours else [*found, step]
        ours = is_ours(file) or (ours and not is_user_code(file))
        step = step.tb_next
    return found


def function_at(code: CodeType) -> ast.AST | None:
    """The syntax of a function that runs, with the line numbers of its file."""
    return written(code, "".join(linecache.getlines(code.co_filename)))


def _is_on_every_way(function: ast.AST | None, line: int) -> bool:
    """Whether nothing before a line can leave the function, and the line is under no condition."""
    if function is None:
        return False
    for node in _within(function):
        here = node.lineno <= line <= (node.end_lineno or node.lineno)
        if isinstance(node, _BRANCHES) and (here or ((node.end_lineno or 0) < line and _leaves(node))):
            return False
    return True


def _leaves(node: ast.AST) -> bool:
    """Whether a branch may end a function or a loop, but by raising; what raises in a `try` may go on."""
    ends = (ast.Return, ast.Break, ast.Continue, *([ast.Raise] if isinstance(node, ast.Try) else []))
    return any(isinstance(n, ends) for n in ast.walk(node))


def around(function: ast.AST | None, line: int) -> list[ast.stmt]:
    """The statements that hold a line, the innermost last."""
    every = () if function is None else _within(function)
    return [n for n in every if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or n.lineno)]


def _within(function: ast.AST) -> Iterator[Any]:
    """What has a place in a function's body, outer before inner."""
    for statement in _body(function):
        yield from (n for n in ast.walk(statement) if hasattr(n, "lineno"))


def _body(function: ast.AST | None) -> list[Any]:
    """The statements of a function; of a lambda its expression."""
    body = getattr(function, "body", [])
    return body if isinstance(body, list) else [body]
