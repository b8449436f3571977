"""A layer and its inputs in; the judgement on its gradients out, without what else there is to say of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.adapt.target import Target
from dout.check.conventions.convention import by_convention
from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.exact_route import Examination
from dout.check.exact.grown_parameters import with_all_parameters
from dout.check.exact.judge import Judgement, judge
from dout.check.exact.subject import Subject
from dout.check.lab.input_variants import (
    confirmed,
    on_other_sides,
)
from dout.check.project.foreign_gradients import foreign_layer
from dout.check.report.verdicts import Finding, Refuted
from dout.check.rules import findings_of
from dout.check.rules.unjudged.d002_not_judged import by_differences, without_gradient
from dout.judge.outcomes import CLOSE, RIGHT, Word
from dout.run import PlainRun, keeping_random_states, otherwise, quiet
from dout.trace.capture.covered_sides import Covered
from dout.trace.capture.watched_conditions import watched
from dout.trace.model.user_source import behind
from dout.trace.record.specialisation import reads_memory_of_others
from dout.trace.record.trace import Trace


def is_right(target: Any, inputs: Sequence[Any], init: Mapping[str, Any], ends: bool = False) -> bool:
    """Whether what was adapted runs and every gradient of it is right; what else there is to say is not asked.

    What `ends` a network need not use dout.
    """
    subject = subject_of(target, inputs, init)
    with watched() as seen:
        first = subject.run()
    if without_gradient(subject, first) is not None:
        return False
    judgement, _, there = judged(subject, first, seen)
    judgement = by_convention(there, judgement)
    refuted = bool(judgement.refuted) and not judgement.not_meant
    wrong = refuted or (judgement.ignores_dout and not (judgement.is_loss or ends))
    axes_of_one = any(j.only_axes_of_one for j in (judgement.examination.judged if judgement.examination else ()))
    is_open = any(verdict.word == Word.INCONCLUSIVE for verdict in judgement.verdicts)
    return bool(judgement.verdicts) and not (wrong or is_open or axes_of_one or judgement.says_nothing)


@otherwise(-1)
def number_right(target: Any, inputs: Sequence[Any], init: Mapping[str, Any]) -> int:
    """How many gradients of what was adapted are right; -1 where none is judged."""
    _, judgement = judged_as_adapted(target, inputs, init)
    return sum(verdict.word in RIGHT | CLOSE for verdict in judgement.verdicts) if judgement.verdicts else -1


def judged_as_adapted(target: Any, inputs: Sequence[Any], init: Mapping[str, Any]) -> tuple[PlainRun, Judgement]:
    """A run of what was adapted, and the judgement on its gradients, with conventions."""
    subject = subject_of(target, inputs, init)
    with watched() as seen:
        first = subject.run()
    judgement, _, there = judged(subject, first, seen)
    return first, by_convention(there, judgement)


@otherwise(False)
def agrees(target: Any, inputs: Sequence[Any], init: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether these gradients of what was adapted, and all others, agree with differences.

    Exact arithmetic would take long.
    """
    subject = subject_of(target, inputs, init)
    first = subject.run()
    judgement = by_convention(subject, judge_numerically(subject, first))
    names_judged = {verdict.argument for verdict in judgement.verdicts}
    if judgement.refuted or (judgement.ignores_dout and not judgement.is_loss):
        return False
    return names_judged.issuperset(names) and without_gradient(subject, first) is None


def of_refuted(judgement: Judgement, subject: Subject) -> list[Finding]:
    """The findings on the gradients that are wrong in a judgement which does not speak for the layer."""
    return [item for item in findings_of(subject, judgement) if isinstance(item.reason, Refuted)]


def subject_of(target: Any, inputs: Sequence[Any], init: Mapping[str, Any]) -> Subject:
    """A class or an instance, as it was adapted, with all of its inputs by place. Raises TargetError."""
    foreign, what = foreign_layer(target), Target(target)
    if foreign is not None:
        names = _input_names(_written(target), unbound=False)
        return Subject(getattr(target, "__name__", "layer"), foreign, tuple(inputs), names, foreign=True)
    names = _input_names(getattr(target, "forward", target), what.is_class)
    make = what.builder(init)  # an instance takes no arguments: this says so
    of_class = Subject(what.name, make, tuple(inputs), names)
    return with_all_parameters(of_class if what.is_class else Subject.of(target, tuple(inputs), names))


def _written(target: Any) -> Any:
    """The function whose arguments name the inputs of another library's target."""
    if isinstance(target, type):
        return partial(target.forward, None)  # type: ignore[attr-defined]
    return target.fun


def _input_names(forward: Any, unbound: bool) -> tuple[str, ...]:
    parameters = [p for i, p in enumerate(taken_by(behind(forward))) if i or not (unbound or p.name == "self")]
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def judged(subject: Subject, first: PlainRun, seen: Covered) -> tuple[Judgement, list[Finding], Subject]:
    """The exact judgement; that of differences, with a note that says why, where the layer cannot be traced.

    `seen` are the conditions in the code that the plain run came to. The last is what was judged: where the layer is
    wrong only on another side of a condition, it is the one that comes there.
    """
    if subject.foreign:
        return judge_numerically(subject, first), [], subject
    trace: Trace | None = None
    try:
        with quiet(), keeping_random_states():
            trace = subject.recorded(first.douts)
            judgement = judge(trace, ends=subject.ends)
            judgement.covered.add(seen)
            if judgement.refuted:
                return confirmed(judgement, subject, first), [], subject
            sides = on_other_sides(subject, judgement, seen)
            doubtful = of_refuted(*sides.doubtful) if sides.doubtful is not None else []
            return sides.judgement, doubtful, sides.subject
    except Exception as error:  # the layer itself ran: it is the recording, or the exact arithmetic, that does not
        why = by_differences(subject, error)
        judgement = judge_numerically(subject, first, repeats=trace is None or not reads_memory_of_others(trace))
        if trace is not None and trace.calls:
            seen.add(Examination(trace).conditions.seen_in_the_run())
        else:
            seen.note_unrecorded()
        judgement.covered.add(seen)
        return judgement, [why], subject
