"""Repairs of a layer that gives no gradient to judge: a name is misspelt, or a `return` is forgotten."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from dout.check.exact.judge import judge
from dout.check.exact.missing_gradients import missing_gradients
from dout.check.exact.subject import Subject
from dout.check.repair.expression_places import ScratchFunction, function_of, functions_at
from dout.check.repair.line_repairs import with_text
from dout.check.repair.scratch_functions import OF_TRIED_CODE
from dout.check.report.fix import Fix
from dout.judge.outcomes import RIGHT
from dout.run import deep_copy, flat, objects_in, one_or_all, quiet, upstream
from dout.trace.model.user_source import is_ours
from dout.trace.record.record import record

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


def _renamed(function: ScratchFunction, name: str, likely: list[str]) -> Iterator[str]:
    source = function.source
    wrong = [n for n in ast.walk(function.node) if name in (getattr(n, "attr", None), getattr(n, "id", None))]
    for other in likely:
        text = {n: f"{source.segment(n)[: -len(name)]}{other}" for n in wrong}
        yield source.replaced(function.node, source.with_parts(function.node, text))


def forgotten_return(subject: Subject) -> Fix | None:
    """The `return` after the last line of backward with which every gradient is exact."""
    found = functions_at(
        (), objects_in(subject.again()), subject.interface.backward if subject.interface else "backward"
    )
    function = found[0] if found else None
    return _first_right(subject, function, _returning(function)) if function else None


def _returning(function: ScratchFunction) -> Iterator[str]:
    """The file with `return` before the last expression of a function, or after its last line with one of its names."""
    source, last = function.source, function.node.body[-1]
    assigned = [n.id for n in ast.walk(function.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    between = source.between(last)
    if isinstance(last, ast.Expr):
        yield source.replaced(last, f"return {source.segment(last)}")
    for name in list(dict.fromkeys(reversed(assigned)))[:_MOST]:
        yield source.replaced(last, f"{source.segment(last)}{between}return {name}")


def _first_right(subject: Subject, function: ScratchFunction, texts: Iterator[str]) -> Fix | None:
    """The first of these texts of the file with which every gradient is there, and exact."""
    for text in texts:
        with suppress(*OF_TRIED_CODE), quiet():
            if _is_right(subject, with_text(function, text)):
                return function.source.fix(text)
    return None


def _is_right(subject: Subject, prepare: Any) -> bool:
    first, layer = subject.again(), subject.again()
    prepare(first)
    prepare(layer)
    subject.runner.rewind()
    outputs = list(flat(first.forward(*subject.fresh_inputs())))
    subject.runner.rewind()
    judgement = judge(
        record(layer, *deep_copy(subject.fresh_inputs()), dout=one_or_all(upstream(outputs))), ends=subject.ends
    )
    words = {verdict.word for verdict in judgement.verdicts}
    missing = judgement.examination is None or any(missing_gradients(judgement.examination))
    return bool(words) and words <= RIGHT and not missing
