"""Changes of the lines of a backward that raises, a line at a time, until it runs and what they compute is exact."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.repair.edits.candidate_edits import candidates
from dout.check.repair.edits.computed_edits import echoes
from dout.check.repair.edits.expression_places import ExpressionPlace, ScratchFunction, function_of, places
from dout.check.repair.edits.repair_table import sentence_of
from dout.check.repair.edits.seen_values import Seen
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.run_repairs import SIMPLE, judged_prepared
from dout.check.repair.scratch_functions import OF_TRIED_CODE, Scratch, code_of, patched
from dout.check.repair.test_stand import KIND_ALONE, shorter
from dout.check.report.verdicts import Cause
from dout.clock import WorkBudget, count
from dout.errors import TargetError
from dout.graph import topological
from dout.judge.outcomes import CLOSE, RIGHT
from dout.run import flat, objects_in, quiet, run_backward, upstream
from dout.trace.model.replay import same_bits_deep
from dout.trace.model.user_source import is_ours

MOST_SECONDS = 4.0  # for lines that raise
_MOST_LINES = 3  # that raise
_MOST_STEPS = 2  # from the line that raises to one that makes what it reads
_STEP = 0.05  # what each costs
_FARTHEST = 1.3  # what an edit of a line that raises may cost


def lines_that_run(subject: Subject, error: Exception, given: Subject | None = None) -> Cause | None:
    """The cause and the change of the lines of backward that raise; what they compute is exact after it.

    A product of matrices lacks a transpose, say, and their shapes do not fit. Other gradients may be wrong still. If it
    raises at another setting alone, what is computed is exact as `given`, too. It `is_sure` if these lines compute
    gradients, and they are exact with a row less, too: no input is wrong then.
    """
    users = _users(error)
    function = function_of(users[-1][0].f_code, objects_in(subject.again())) if users else None
    if function is None or KIND_ALONE.get():
        return None
    with suppress(*OF_TRIED_CODE), quiet():
        outputs = _outputs(subject, lambda layer: None)[1]
        search = _LineSearch(subject, given, outputs, WorkBudget(MOST_SECONDS))
        found = search.running(function)
        if found is not None:
            changed, lines, said = found
            fix, is_sure = function.source.fix(changed.source.text), search.is_sure(changed, lines)
            return Cause("shape", "; ".join(said), fix, is_sure=is_sure)
    return None


def _users(error: BaseException) -> list[tuple[FrameType, int]]:
    """The frames of a traceback that are not ours, with their lines."""
    return [(f, line) for f, line in traceback.walk_tb(error.__traceback__) if not is_ours(f.f_code.co_filename)]


def _outputs(subject: Subject, prepare: Any) -> tuple[Any, list[Any]]:
    layer = subject.again()
    prepare(layer)
    subject.runner.rewind()
    return layer, list(flat(layer.forward(*subject.fresh_inputs())))


@dataclass(frozen=True)
class _Raising:
    """A function, patched in some lines, with what is said of these changes, and where it raises then."""

    function: ScratchFunction
    lines: tuple[int, ...]
    said: tuple[str, ...]
    frame: FrameType
    line: int


@dataclass(frozen=True)
class _LineSearch:
    """Looks for changes of one function, a line at a time, until backward runs."""

    subject: Subject
    given: Subject | None  # at another setting than `subject`
    outputs: list[Any]  # of forward, which stay as they are
    budget: WorkBudget

    def running(self, function: ScratchFunction) -> tuple[ScratchFunction, tuple[int, ...], tuple[str, ...]] | None:
        """The function with as few lines changed as make backward run, these, and what is said; None without."""
        raising = [one for one in [self._run(function, (), ())] if one is not None]
        for _ in range(_MOST_LINES):
            later: list[_Raising] = []
            for one, edit in ((place, edit) for place in raising for edit in self._edits(place)):
                if self.budget.is_over():
                    return None
                lines = (*one.lines, one.line, edit.place.statement.lineno)
                said = (*one.said, f"{sentence_of(edit.word, edit.old, edit.written)}: {_change(edit)}")
                with suppress(*OF_TRIED_CODE):
                    changed = patched(one.function, edit.patched())
                    found = self._run(changed, lines, said)
                    if found is None and self._are_right(changed, lines):
                        return changed, lines, said
                    later += [found] if found is not None and found.line not in lines else []
            raising = later
        return None

    def _run(self, function: ScratchFunction, lines: tuple[int, ...], said: tuple[str, ...]) -> _Raising | None:
        """Where the function raises; None where backward runs. Raises TargetError where something else has changed."""
        count(self.subject.seconds)
        layer, outputs = _outputs(self.subject, self._prepare(function))
        if not same_bits_deep(outputs, self.outputs):
            raise TargetError("forward gives other numbers")
        try:
            run_backward(layer, upstream(outputs))
        except OF_TRIED_CODE as error:
            frame, line = _users(error)[-1]
            if (frame.f_code.co_name, frame.f_code.co_filename) != (function.name, function.source.file):
                raise TargetError("another function raises") from None
            return _Raising(function, lines, said, frame, line)
        return None

    def _prepare(self, function: ScratchFunction) -> Callable[[Any], None]:
        scratch = Scratch({function: code_of(function)})
        return lambda layer: scratch.install(objects_in(layer))

    def _edits(self, one: _Raising) -> list[Edit]:
        """The edits of the statement that raised, and of those that make what it reads, the likeliest first."""
        every = places([one.function])
        there = [p for p in every if p.statement.lineno <= one.line <= (p.statement.end_lineno or 0)]
        statement = max((p.statement for p in there), key=lambda s: s.lineno, default=None)
        elsewhere = echoes([one.function])
        steps = _steps_before(one.function, statement) if statement is not None else {}
        found = {
            edit.patched(): edit
            for place in sorted(every, key=lambda place: steps.get(place.statement, 0))
            if place.statement in steps
            for edit in candidates(place, Seen(_value(place, one.frame), one.frame.f_locals), elsewhere, _FARTHEST)
            if "\n" not in edit.written
        }
        return sorted(found.values(), key=lambda edit: edit.cost + _STEP * steps[edit.place.statement])

    def _are_right(self, function: ScratchFunction, lines: tuple[int, ...]) -> bool:
        """Whether every gradient that these lines compute is exact, also with a row less, where that can be run."""
        prepare = self._prepare(function)
        judgements = [judged_prepared(one, prepare) for one in (self.subject, self.given) if one is not None]
        with suppress(*OF_TRIED_CODE):
            judgements.append(self._of_fewer_rows(function))
        return all(_are_exact(judgement, function.source.file, lines) for judgement in judgements)

    def is_sure(self, function: ScratchFunction, lines: tuple[int, ...]) -> bool:
        """Whether these lines compute gradients with a row less, too, all of them exact."""
        if len(self.subject.inputs[0]) < 2:
            return False
        try:
            fewer, file = self._of_fewer_rows(function), function.source.file
        except OF_TRIED_CODE:
            return False
        return bool(_computed(fewer, file, lines)) and _are_exact(fewer, file, lines)

    def _of_fewer_rows(self, function: ScratchFunction) -> Judgement:
        inputs = shorter(self.subject.inputs, 0, len(self.subject.inputs[0]) - 1)
        return judged_prepared(replace(self.subject, inputs=inputs), self._prepare(function))


def _steps_before(function: ScratchFunction, statement: ast.stmt) -> dict[ast.stmt, int]:
    """A statement, and those above that bind what it reads, and what these read; each with how far away it is."""
    body = [n for n in ast.walk(function.node) if isinstance(n, SIMPLE | ast.For) and n.lineno < statement.lineno]
    steps, names = {statement: 0}, _names_read(statement)
    for step in range(1, _MOST_STEPS + 1):
        found = [one for one in body if one not in steps and not names.isdisjoint(_names_bound(one))]
        steps |= dict.fromkeys(found, step)
        names = {name for one in found for name in _names_read(one)}
    return steps


def _names_read(statement: ast.stmt) -> set[str]:
    """The names that a statement reads, or writes into; of a loop those of its head."""
    head = [statement.iter] if isinstance(statement, ast.For) else [statement]
    nodes = (node for part in head for node in ast.walk(part) if isinstance(node, ast.Name))
    return {node.id for node in nodes} - (_names_bound(statement) if isinstance(statement, ast.Assign) else set())


def _names_bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds; of a loop those that it counts by."""
    head = statement.target if isinstance(statement, ast.For) else statement
    return {n.id for n in ast.walk(head) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _change(edit: Edit) -> str:
    return f"`{edit.shown}` should be `{edit.written}`"


def _value(place: ExpressionPlace, frame: FrameType) -> Any:
    """The value of an expression that calls nothing, where a function has raised."""
    if not any(isinstance(node, ast.Call) for node in ast.walk(place.node)):
        with suppress(Exception):  # it is what raises, or it has not come to it
            return eval(f"({place.text}\n)", frame.f_globals, frame.f_locals)  # the user's own names
    return None


def _are_exact(judgement: Judgement, file: str, lines: tuple[int, ...]) -> bool:
    """Whether the gradients that these lines compute are exact; all of them, where they compute indices alone."""
    if judgement.examination is None:
        return False
    words = {verdict.argument: verdict.word for verdict in judgement.verdicts}
    computed = _computed(judgement, file, lines)
    words_of_right = RIGHT if not judgement.examination.is_large else RIGHT | CLOSE  # that is judged in float64
    return bool(words) and all(words.get(name) in words_of_right for name in computed or words)


def _computed(judgement: Judgement, file: str, lines: tuple[int, ...]) -> set[str]:
    """The names of the gradients that these lines compute."""
    return {
        judged.name
        for judged in (judgement.examination.judged if judgement.examination is not None else ())
        for node in topological([judged.gradient])
        if node.where and node.where.file == file and node.where.line in lines
    }
