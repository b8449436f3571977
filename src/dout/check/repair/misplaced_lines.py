"""A statement in the wrong block: behind the `if` or `for` that it belongs into, or in one that it belongs behind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress

from dout.check.exact.subject import Subject
from dout.check.repair.expression_places import ScratchFunction
from dout.check.repair.line_repairs import with_text
from dout.check.repair.run_repairs import backward_of, is_right, stepped
from dout.check.repair.scratch_functions import OF_TRIED_CODE
from dout.check.report.verdicts import Cause
from dout.clock import WorkBudget
from dout.files import lines_of
from dout.graph import Where
from dout.run import flat, quiet
from dout.trace.model.replay import same_bits_deep

MOST_SECONDS = 1.0
_BLOCKS = ast.If | ast.For | ast.While


def in_another_block(subject: Subject) -> Cause | None:
    """The cause that a line of backward stands in the wrong block, if all is exact with it in one beside it.

    Of blocks that end together in the innermost: a condition in there may be met on one side only.
    """
    function = backward_of(subject)
    right = list(_right(subject, function)) if function is not None else []
    if function is None or not right:
        return None
    line, block, text = max(right, key=lambda found: found[1].lineno * (found[0] is right[0][0]))
    there = "behind" if line in ast.walk(block) else "into"
    segment, kind = function.source.segment(line), type(block).__name__.lower()
    fix = function.source.fix(text)
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
                if not isinstance(block, _BLOCKS):
                    continue
                if isinstance(after, ast.AugAssign | ast.Assign):
                    yield from ((after, inner, _into(function, after, inner)) for inner in _ending_with(block))
                last = block.body[-1]
                if isinstance(last, ast.AugAssign | ast.Assign) and len(block.body) > 1:
                    yield last, block, _behind(function, last, block)


def _ending_with(block: ast.stmt) -> Iterator[ast.stmt]:
    """A block, and those in it that end where it ends."""
    while isinstance(block, _BLOCKS):
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
