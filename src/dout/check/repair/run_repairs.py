"""Repairs by whole statements, tried as the text of the file: a name is misspelt, lines do not run or do not fit."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import numpy as np

from dout.check.exact.judge import Judgement, judge
from dout.check.exact.missing_gradients import missing_gradients
from dout.check.exact.subject import Subject
from dout.check.repair.edits.expression_places import (
    ScratchFunction,
    function_of,
    functions_at,
)
from dout.check.repair.scratch_functions import OF_TRIED_CODE, with_text
from dout.check.repair.test_stand import CLOSE, near
from dout.check.report.fix import Fix
from dout.check.report.verdicts import Cause
from dout.files import lines_of
from dout.graph import Where
from dout.judge.outcomes import RIGHT, Outcome
from dout.run import (
    arrays,
    attributes_of,
    deep_copy,
    flat,
    objects_in,
    one_or_all,
    otherwise,
    quiet,
    run_backward,
    upstream,
)
from dout.run.held_objects import snapshot
from dout.trace.model.replay import same_bits_deep
from dout.trace.model.user_source import is_ours
from dout.trace.record.record import record
from dout.trace.session.pairing import pairs

SIMPLE = ast.Assign | ast.AugAssign | ast.Expr | ast.Return  # statements that may be moved
_MOST = 6  # names that are tried


def right_name(subject: Subject, error: Exception) -> Fix | None:
    """The change of a misspelt name that raised, to the one like it with which every gradient is exact."""
    frames = [f for f, _ in traceback.walk_tb(error.__traceback__) if not is_ours(f.f_code.co_filename)]
    name = getattr(error, "name", None)
    if not frames or not name or not isinstance(error, AttributeError | NameError):
        return None
    frame = frames[-1]
    known = dir(error.obj) if isinstance(error, AttributeError) else [*frame.f_locals]
    function = function_of(frame.f_code, objects_in(subject.again()))
    likely = get_close_matches(name, known, _MOST)
    return _first_right(subject, function, _renamed(function, name, likely)) if function else None


def kept_by_another_name(subject: Subject, name: str, meant: str) -> tuple[Where | None, Fix | None]:
    """The first line that writes `self.name`, and the change of it to `meant` in backward, if all is exact then."""
    function = backward_of(subject)
    if function is None:
        return None, None
    nodes = (n for n in ast.walk(function.source.tree) if isinstance(n, ast.Attribute) and n.attr == name)
    lines = [node.lineno for node in nodes if isinstance(node.ctx, ast.Store) and node.lineno >= function.node.lineno]
    where = Where(function.source.file, min(lines)) if lines else None
    return where, _first_right(subject, function, _renamed(function, name, [meant]))


def _renamed(function: ScratchFunction, name: str, likely: list[str]) -> Iterator[str]:
    source = function.source
    wrong = [n for n in ast.walk(function.node) if name in (getattr(n, "attr", None), getattr(n, "id", None))]
    for other in likely:
        text = {n: f"{source.segment(n)[: -len(name)]}{other}" for n in wrong}
        yield source.replaced(function.node, source.with_parts(function.node, text))


def forgotten_return(subject: Subject) -> Fix | None:
    """The `return` after the last line of backward with which every gradient is exact."""
    function = backward_of(subject)
    return _first_right(subject, function, _returning(function)) if function else None


def backward_of(subject: Subject) -> ScratchFunction | None:
    """The backward of the layer: of those that its classes have, the nearest one."""
    objects, name = objects_in(subject.again()), subject.backward_name
    owners = [cls for item in objects for cls in type(item).__mro__]
    found = [function for function in functions_at((), objects, name) if function.owner in owners]
    return min(found, key=lambda function: owners.index(function.owner or object), default=None)


def _returning(function: ScratchFunction) -> Iterator[str]:
    """The file with `return` before the last expression of a function, or after its last line with one of its names."""
    source, last = function.source, function.node.body[-1]
    assigned = [n.id for n in ast.walk(function.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    between = source.between(last)
    if isinstance(last, ast.Expr):
        yield source.replaced(last, f"return {source.segment(last)}")
    for name in list(dict.fromkeys(reversed(assigned)))[:_MOST]:
        yield source.replaced(last, f"{source.segment(last)}{between}return {name}")


def _first_right(
    subject: Subject,
    function: ScratchFunction,
    texts: Iterable[str],
    *,
    may_lack: bool = False,
    only: Collection[str] = (),
) -> Fix | None:
    """The first of these texts of the file with which every gradient is exact, or `only` those of these names.

    All have to be there, unless some `may_lack`.
    """
    for text in texts:
        with suppress(*OF_TRIED_CODE), quiet():
            if is_right(subject, with_text(function, text), may_lack, only):
                return function.source.fix(text)
    return None


def is_right(subject: Subject, prepare: Any, may_lack: bool = False, only: Collection[str] = ()) -> bool:
    """Whether every gradient is exact in a layer that is prepared so, and none is missing unless some `may_lack`."""
    judgement = judged_prepared(subject, prepare)
    words = {verdict.word for verdict in judgement.verdicts if not only or verdict.argument in only}
    missing = judgement.examination is None or any(missing_gradients(judgement.examination))
    return bool(words) and words <= RIGHT and (may_lack or not missing)


def judged_prepared(subject: Subject, prepare: Any) -> Judgement:
    """The judgement on the layer after `prepare` has changed it."""
    first, layer = subject.again(), subject.again()
    prepare(first)
    prepare(layer)
    subject.runner.rewind()
    outputs = list(flat(first.forward(*subject.fresh_inputs())))
    subject.runner.rewind()
    return judge(
        record(layer, *deep_copy(subject.fresh_inputs()), dout=one_or_all(upstream(outputs))), ends=subject.ends
    )


# --- lines in the wrong order -----------------------------------------------------------------------------------------


_RESULT = "dx"  # what a `return` that is moved computes


def lines_moved_up(subject: Subject, only: Collection[str] = ()) -> Cause | None:
    """The cause that a line of backward overwrites what lines below it read, if all is exact with these above it.

    `only` names the gradients that have to be exact: backward may make a step of its own, after which it computes more.
    """
    function = backward_of(subject)
    moved = [*_moved_up(function)] if function is not None else []
    if function is None or not moved:
        return None
    left, before = stepped(subject, lambda layer: None), _after_backward(subject, lambda layer: None)
    for name, line, text in moved:
        if not stepped(subject, prepare := with_text(function, text)) >= left:
            continue  # a step that is no longer made makes every gradient right
        if same_bits_deep(_after_backward(subject, prepare), before):
            continue  # what is wrong stays so
        fix = _first_right(subject, function, [text], may_lack=True, only=only)
        if fix is not None:
            sentence = f"`{name}` is overwritten before the lines that need what it was: they belong above"
            return Cause("order", sentence, fix, Where(fix.file, line))
    return None


@otherwise(None)
def _after_backward(subject: Subject, prepare: Callable[[Any], None]) -> Any:
    """What backward returns, and all arrays of the layer after it."""
    with quiet():
        layer = subject.again()
        prepare(layer)
        outputs = list(flat(layer.forward(*subject.fresh_inputs())))
        return [run_backward(layer, upstream(outputs)), [*arrays(layer).values()]]


@otherwise(frozenset[str]())
def stepped(subject: Subject, prepare: Callable[[Any], None]) -> frozenset[str]:
    """What backward changes of the layer's arrays, by path, and its gradients that are not 0, by name."""
    with quiet():
        layer = subject.again()
        prepare(layer)
        held, given = dict(attributes_of(layer)), set(arrays(layer))
        outputs = list(flat(layer.forward(*subject.fresh_inputs())))
        before = snapshot(layer)
        run_backward(layer, upstream(outputs))
        now = arrays(layer)
        changed = {p for p, x in before.items() if p in given and p in now and not np.array_equal(x, now[p])}
        return frozenset(changed | {p.name for p in pairs(held, attributes_of(layer)) if np.any(p.gradient)})


def _moved_up(function: ScratchFunction) -> Iterator[tuple[str, int, str]]:
    """For each line that overwrites a name: the name, the line, and the file with lines that read it moved above."""
    body = function.node.body
    for over, changed in pairwise(body):  # `dx = dx / n`, and then `dx[y] -= 1`
        both = [isinstance(one, ast.AugAssign) and isinstance(one.op, ast.Add | ast.Sub) for one in (over, changed)]
        for name in sorted(_written(over) & _written(changed)) if any(both) and not all(both) else ():
            if isinstance(over, ast.AugAssign) or name in _read(over):
                yield name, over.lineno, _above(function, over, [changed])
    known = {argument.arg for argument in function.node.args.args}
    for i, over in enumerate(body):
        written = _written(over)
        for name in sorted(written) if not isinstance(over, ast.Return) else ():
            below: list[ast.stmt] = [s for s in body[i + 1 :] if isinstance(s, SIMPLE)]
            readers = [s for s in below if name in _read(s) - _written(s)]
            readers = [s for s in readers if not (isinstance(s, ast.Return) and name == _RESULT)]  # it is what is moved
            readers = [s for s in readers if not _is_lost_above(s, body[i + 1 :])]
            if readers and (name in known or "." in name):
                lines = [s for s in readers if not isinstance(s, ast.Return)]
                every = [lines, readers, *([one] for one in readers)]
                for some in every:
                    if some and ("." in name or not {*readers} <= {*some}):  # else it would be overwritten for nothing
                        yield name, over.lineno, _above(function, over, some)
        known |= written


def _is_lost_above(moved: ast.stmt, below: Sequence[ast.stmt]) -> bool:
    """Whether what a statement assigns is assigned anew by one of those that it would be moved above."""
    over = (other for other in below if other.lineno < moved.lineno and isinstance(other, ast.Assign))
    return isinstance(moved, ast.Assign) and any(_written(other) & _written(moved) for other in over)


def _above(function: ScratchFunction, over: ast.stmt, moved: Sequence[ast.stmt]) -> str:
    """The file with some statements moved above another one; of a `return` what it computes, as `dx`."""
    lines, new = lines_of(function.source.text), list[str]()
    gone: set[int] = set()
    for statement in moved:
        first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
        text = "".join(lines[first:last])
        if isinstance(statement, ast.Return):
            new.append(text.replace("return", f"{_RESULT} =", 1))
            lines[first] = f"{text[: len(text) - len(text.lstrip())]}return {_RESULT}{text[len(text.rstrip()) :]}"
            first += 1
        else:
            new.append(text)
        gone.update(range(first, last))
    rest = [line for n, line in enumerate(lines) if n not in gone]
    rest[over.lineno - 1 : over.lineno - 1] = [line if line.endswith("\n") else f"{line}\n" for line in new]
    return "".join(rest)


def _read(statement: ast.stmt) -> set[str]:
    """The names that a statement reads, and the attributes, as `self.W`."""
    nodes = (n for n in ast.walk(statement) if isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Load))
    return {ast.unparse(node) for node in nodes}


def _written(statement: ast.stmt) -> set[str]:
    """The names and attributes that a statement gives another value, or may write into: `self.step(self.W, dW)`."""
    stored = (n for n in ast.walk(statement) if isinstance(getattr(n, "ctx", None), ast.Store))
    handed = statement.value.args if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else []
    nodes = [*stored, *(node for node in handed if isinstance(node, ast.Attribute))]
    return {ast.unparse(node.value if isinstance(node, ast.Subscript) else node) for node in nodes}


@otherwise(False)
def is_right_by_chance(subject: Subject, fix: Fix | None) -> bool:
    """Whether a change of backward changes nothing on a layer's inputs, and something on numbers drawn from these.

    So it is where no index comes twice; a matrix that the layer holds may be a symmetric one by intent.
    """
    function = backward_of(subject)
    if function is None or fix is None or fix.file != function.source.file:
        return False
    mend, draw = with_text(function, fix.after), np.random.default_rng(0).choice
    drawn = (draw(x.ravel(), x.shape) if isinstance(x, np.ndarray) else x for x in subject.inputs)
    return not _changes(subject, mend) and _changes(replace(subject, inputs=tuple(drawn)), mend)


def _changes(subject: Subject, mend: Callable[[Any], None]) -> bool:
    """Whether a change of backward changes what it gives."""
    before, after = (
        [item for item in flat(_after_backward(subject, prepare)) if isinstance(item, np.ndarray | float)]
        for prepare in (lambda layer: None, mend)
    )
    close = max(CLOSE.get(np.asarray(item).dtype.itemsize, CLOSE[8]) for item in before)
    return len(before) != len(after) or not all(near(new, old, close) for old, new in zip(before, after, strict=True))


# --- arrays that others hold ------------------------------------------------------------------------------------------


def written_in_place(subject: Subject, refuted: Iterable[Outcome]) -> Cause | None:
    """The cause that a gradient which another object holds, too, is replaced and not written into, if that mends all.

    A network that has collected `layer.grads` in a list of its own keeps the arrays of the beginning.
    """
    if all(np.any(outcome.got) for outcome in refuted):
        return None
    objects = objects_in(subject.again())
    for function in functions_at((), objects, "backward"):
        source = function.source
        for node in ast.walk(function.node):
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Subscript | ast.Attribute):
                text = source.segment(target)
                texts = [source.replaced(target, f"{text}[...]")]
                fix = _first_right(subject, function, texts, may_lack=True)
                if fix is not None:
                    sentence = f"`{text} = …` replaces an array that is held elsewhere, too: write into it"
                    return Cause("replaced", sentence, fix, Where(source.file, node.lineno))
    return None
