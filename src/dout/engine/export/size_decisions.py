"""What a run decided by sizes: `if x.shape[0] > 100`. No recording sees it, as sizes are plain numbers.

While a layer runs, each comparison of the user's code is looked at before its line runs, and what it compares, if that
is plain numbers, is noted. A number that is another at another size makes the comparison a condition of its own.
"""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from dout.engine.export.symbolic_sizes import Lengths
from dout.errors import UnsupportedError
from dout.trace.model.user_source import is_user_code

_OPERATORS: dict[type, tuple[str, str, Any]] = {
    ast.Eq: ("==", "!=", operator.eq),
    ast.NotEq: ("!=", "==", operator.ne),
    ast.Lt: ("<", ">=", operator.lt),
    ast.LtE: ("<=", ">", operator.le),
    ast.Gt: (">", "<=", operator.gt),
    ast.GtE: (">=", "<", operator.ge),
}
_SIMPLE = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.Call, ast.Slice,
           ast.Load, ast.operator, ast.unaryop)  # fmt: skip
_SIZES = {"shape", "size", "nbytes", "strides", "len"}
_MAKING = {"zeros", "ones", "full", "empty", "arange", "eye", "rand", "randn", "random", "normal", "uniform",
           "binomial", "standard_normal", "integers", "choice"}  # fmt: skip
_UNKNOWN = object()
_CHOOSING = {"min", "max", "sorted"}


@dataclass(frozen=True)
class Decision:
    """One comparison: where it stands, how it compares, and what. Without an operator it is the truth of a number."""

    where: str
    how: type | None
    values: tuple[Any, ...]


@dataclass(frozen=True)
class _Test:
    """What decides, in the user's code: the expressions of what is compared; None for one that cannot be looked at."""

    line: int
    how: type | None
    parts: tuple[CodeType | None, ...]


@contextmanager
def watched() -> Iterator[list[Decision]]:
    """Note what the code that runs inside decides by plain numbers."""
    found: list[Decision] = []

    def called(frame: FrameType, event: str, _: Any) -> Any:
        return line if is_user_code(frame.f_code.co_filename) else None

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            file = frame.f_code.co_filename
            for test in _tests(file).get(frame.f_lineno, ()):
                found.extend(_decided(test, frame, file))
        return line

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield found
    finally:
        sys.settrace(before)


def _decided(test: _Test, frame: FrameType, file: str) -> Iterator[Decision]:
    values = []
    for part in test.parts:
        try:
            value = eval(part, frame.f_globals, frame.f_locals) if part is not None else _UNKNOWN
        except Exception:  # not yet known on this line, or never: then it decides nothing here
            return
        if not _is_plain(value):
            return
        values.append(value)
    yield Decision(f"{Path(file).name}:{test.line}", test.how, tuple(values))


def _is_plain(value: Any) -> bool:
    """Whether a value is a number that may come from sizes, or a tuple of them; what is not known may be one."""
    kind = type(value)
    return kind in (int, float) or value is _UNKNOWN or (kind is tuple and all(type(i) is int for i in value))


@cache
def _tests(file: str) -> dict[int, list[_Test]]:
    """What decides in a file, by the line on which it begins."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return {}
    found: dict[int, list[_Test]] = {}
    for node in ast.walk(tree):
        for test in _in(node):
            found.setdefault(test.line, []).append(test)
    return found


def _in(node: ast.AST) -> Iterator[_Test]:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        for one, how, other in zip(sides, node.ops, sides[1:], strict=False):
            yield from _test(node.lineno, type(how), one, other)
    elif isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
        yield from (t for part in _truths(node.test) for t in _test(part.lineno, None, part))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CHOOSING:
        yield from (t for part in node.args for t in _test(node.lineno, ast.Call, part))


def _truths(test: ast.expr) -> Iterator[ast.expr]:
    """The parts of a condition that are no comparisons."""
    if isinstance(test, ast.BoolOp):
        for part in test.values:
            yield from _truths(part)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _truths(test.operand)
    elif not isinstance(test, ast.Compare):
        yield test


def _test(line: int, how: type | None, *parts: ast.expr) -> Iterator[_Test]:
    if how in (ast.Is, ast.IsNot):
        return
    codes = [compile(ast.Expression(part), "<dout>", "eval") if _is_simple(part) else None for part in parts]
    if None not in codes or any(_has_sizes(part) and not _makes_array(part) for part in parts):
        yield _Test(line, how, tuple(codes))


def _is_simple(part: ast.expr) -> bool:
    """Whether to compute an expression once more changes nothing."""
    return all(
        isinstance(inside, _SIMPLE)
        and (
            not isinstance(inside, ast.Call) or (isinstance(inside.func, ast.Name) and inside.func.id in ("len", "int"))
        )
        for inside in ast.walk(part)
    )


def _makes_array(part: ast.expr) -> bool:
    """Whether an expression is a call of NumPy's that makes an array of a shape: then sizes decide nothing."""
    text = ast.unparse(part.func) if isinstance(part, ast.Call) else ""
    return ".random." in text or text.rpartition(".")[2] in _MAKING


def _has_sizes(part: ast.expr) -> bool:
    return any(getattr(inside, "attr", getattr(inside, "id", "")) in _SIZES for inside in ast.walk(part))


def conditions(runs: Sequence[Sequence[Decision]], lengths: Lengths) -> Iterator[str]:
    """The conditions under which all is decided as in these runs. UnsupportedError where there are none."""
    if any([(d.where, d.how) for d in one] != [(d.where, d.how) for d in runs[0]] for one in runs):
        raise UnsupportedError("it decides by the sizes of its arrays")
    for decisions in zip(*runs, strict=True):
        where, how = decisions[0].where, decisions[0].how
        why = UnsupportedError(f"it decides by the sizes of its arrays, at {where}")
        sides = list(zip(*(one.values for one in decisions), strict=True))
        if all(len(set(side)) == 1 for side in sides) and _UNKNOWN not in decisions[0].values:
            continue
        if _UNKNOWN in decisions[0].values or how is ast.Call or (how is not None and how not in _OPERATORS):
            raise why
        if how is None:
            outcomes = {bool(one.values[0]) for one in decisions}
            texts = [_text(sides[0], lengths)]
            yes, no = f"{texts[0]} != 0", f"{texts[0]} == 0"
        else:
            outcomes = {bool(_OPERATORS[how][2](*one.values)) for one in decisions}
            left, right = (_text(side, lengths) for side in sides)
            if left == right:
                continue
            yes, no = (f"{left} {sign} {right}" for sign in _OPERATORS[how][:2])
        if len(outcomes) > 1:
            raise why
        yield yes if outcomes.pop() else no


def _text(values: Sequence[Any], lengths: Lengths) -> str:
    return lengths.shape(values) if type(values[0]) is tuple else lengths.number(tuple(values))
