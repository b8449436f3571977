"""Repairs of a line: for findings about memory and dtypes, and of one that stands behind the loop it belongs into."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from dout.check.exact.subject import Subject
from dout.check.repair.edits.expression_places import ScratchFunction
from dout.check.repair.edits.parsed_file import ParsedFile
from dout.check.repair.run_repairs import backward_of, is_right, stepped
from dout.check.repair.scratch_functions import OF_TRIED_CODE, with_text
from dout.check.report.fix import Fix
from dout.check.report.verdicts import Cause
from dout.clock import WorkBudget
from dout.files import lines_of
from dout.graph import Where
from dout.run import flat, quiet
from dout.trace.model.replay import same_bits_deep

MOST_SECONDS = 1.0
_LOOPS = ast.For | ast.While
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_CREATING = frozenset({"zeros", "ones", "empty", "full", "eye", "arange", "linspace", "rand", "randn"})


def copied_first(function: Any, name: str, where: Where | None) -> Iterator[Fix]:
    """Changes after which a method works on a copy of its argument `name`, which the line at `where` writes into.

    First `x *= y` becomes `x = x * y`, then a line at the top makes the copy.
    """
    for source, tree in _parsed(function):
        if name not in {arg.arg for arg in (*tree.args.posonlyargs, *tree.args.args)}:
            continue  # a decorator's own function, say
        for node in ast.walk(tree):
            if not isinstance(node, ast.AugAssign) or where is None or node.lineno != where.line:
                continue
            if ast.unparse(node.target) == name and type(node.op) in _SIGNS:
                value = source.segment(node.value)
                value = f"({value})" if isinstance(node.value, ast.BinOp | ast.UnaryOp | ast.IfExp) else value
                yield source.fix(source.replaced(node, f"{name} = {name} {_SIGNS[type(node.op)]} {value}"))
        first = tree.body[1] if ast.get_docstring(tree) and len(tree.body) > 1 else tree.body[0]
        copying = f"{name} = {name}.copy(){source.between(first)}"
        yield source.fix(source.replaced(first, f"{copying}{source.segment(first)}"))


def returning(function: Any) -> Where | None:
    """The last `return` of a method."""
    for source, tree in _parsed(function):
        lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
        return Where(source.file, max(lines)) if lines else None
    return None


def creates_float64(layer: Any) -> Where | None:
    """The first line of forward or backward that makes an array without saying of which dtype."""
    for method in (type(layer).forward, type(layer).backward):
        for source, tree in _parsed(method):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _makes_float64(node):
                    return Where(source.file, node.lineno)
    return None


def _makes_float64(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "astype":
        return bool(call.args) and ast.unparse(call.args[0]) in ("float", "np.float64", "'float64'", "'f8'")
    dtypes = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "dtype"]
    return name in _CREATING and (not dtypes or dtypes[0] in ("float", "np.float64"))


def _parsed(function: Any) -> Iterator[tuple[ParsedFile, ast.FunctionDef]]:
    """The file of a function and its syntax there; nothing without a source."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    source = ParsedFile.of(code.co_filename) if code is not None else None
    if code is not None and source is not None and code.co_firstlineno in source.functions:
        yield source, source.functions[code.co_firstlineno]


# --- another block ----------------------------------------------------------------------------------------------------


def in_another_block(subject: Subject) -> Cause | None:
    """The cause that a line of backward stands behind the loop that it belongs into, or in one that it belongs behind.

    All is exact with it there. Of blocks that end together it is the innermost, a condition too: of that a person has
    to look whether it is the one that is meant.
    """
    function = backward_of(subject)
    right = list(_right(subject, function)) if function is not None else []
    if function is None or not right:
        return None
    line, block, text = max(right, key=lambda found: found[1].lineno * (found[0] is right[0][0]))
    there = "behind" if line in ast.walk(block) else "into"
    segment, kind = function.source.segment(line), type(block).__name__.lower()
    fix = function.source.fix(text, "" if isinstance(block, _LOOPS) else "the condition may be met on one side only")
    sentence = f"`{segment}` belongs {there} the `{kind}` in line {block.lineno}"
    return Cause("order", sentence, fix, Where(fix.file, line.lineno))


def _right(subject: Subject, function: ScratchFunction) -> Iterator[tuple[ast.stmt, ast.stmt, str]]:
    """The moves with which every gradient is exact, and forward gives what it gave."""
    budget = WorkBudget(MOST_SECONDS)
    with quiet():
        outputs = list(flat(subject.again().forward(*subject.fresh_inputs())))
    left = stepped(subject, lambda layer: None)
    for line, block, text in _moved(function):
        if budget.is_over():
            break
        with suppress(*OF_TRIED_CODE), quiet():
            prepare, layer = with_text(function, text), subject.again()
            prepare(layer)
            keeps = same_bits_deep(list(flat(layer.forward(*subject.fresh_inputs()))), outputs)
            if keeps and is_right(subject, prepare, may_lack=True) and stepped(subject, prepare) >= left:
                yield line, block, text


def _moved(function: ScratchFunction) -> Iterator[tuple[ast.stmt, ast.stmt, str]]:
    """Each simple statement with a block beside it or around it, and the file with it at the other side of its end."""
    for node in ast.walk(function.node):
        for statements in (getattr(node, name, []) for name in ("body", "orelse") if isinstance(node, ast.stmt)):
            for block, after in zip(statements, [*statements[1:], None], strict=False):
                if not isinstance(block, _LOOPS):
                    continue
                if isinstance(after, ast.AugAssign | ast.Assign):
                    yield from ((after, inner, _into(function, after, inner)) for inner in _ending_with(block))
                last = block.body[-1]
                if isinstance(last, ast.AugAssign | ast.Assign) and len(block.body) > 1:
                    yield last, block, _behind(function, last, block)


def _ending_with(block: ast.stmt) -> Iterator[ast.stmt]:
    """A block, and those in it that end where it ends."""
    while isinstance(block, _LOOPS | ast.If):
        yield block
        block = block.body[-1]


def _into(function: ScratchFunction, moved: ast.stmt, block: ast.stmt) -> str:
    """The file with a statement at the end of a block before it."""
    body: list[ast.stmt] = block.body  # type: ignore[attr-defined]
    return _at(function, moved, body[-1].end_lineno or 0, body[0].col_offset)


def _behind(function: ScratchFunction, moved: ast.stmt, block: ast.stmt) -> str:
    """The file with the last statement of a block behind it."""
    return _at(function, moved, block.end_lineno or 0, block.col_offset)


def _at(function: ScratchFunction, moved: ast.stmt, behind: int, indent: int) -> str:
    """The file with a statement moved behind a line, with another indent."""
    lines = lines_of(function.source.text)
    first, last = moved.lineno - 1, moved.end_lineno or moved.lineno
    more = " " * max(0, indent - moved.col_offset)
    less = max(0, moved.col_offset - indent)
    new = [f"{more}{line[less:] if not line[:less].strip() else line}" for line in lines[first:last]]
    new = [line if line.endswith("\n") else f"{line}\n" for line in new]
    rest = {n: line for n, line in enumerate(lines) if not first <= n < last}
    before = [line for n, line in rest.items() if n < behind]
    return "".join([*before, *new, *(line for n, line in rest.items() if n >= behind)])
