"""`dout.check`: the verdict on a hand-written backward."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.interface import Interface
from dout.adapt.search.example import adapted
from dout.adapt.search.own_faults import has_chosen_parts
from dout.adapt.target import Target
from dout.check.conventions.convention import by_convention
from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.exact_route import Examination
from dout.check.exact.grown_parameters import with_all_parameters
from dout.check.exact.judge import Judgement, judge
from dout.check.exact.missing_gradients import missing_gradients
from dout.check.exact.ratio import Likeness
from dout.check.exact.subject import Subject
from dout.check.lab.example_doubts import doubt_of, doubt_of_constant, steps_by_another
from dout.check.lab.input_variants import (
    confirmed,
    on_other_sides,
    with_more_columns,
    within_limits,
)
from dout.check.project.foreign_gradients import foreign_layer
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Refuted
from dout.check.rules import findings_by_running, findings_of
from dout.check.rules.unjudged.d001_raises import raising, raising_elsewhere
from dout.check.rules.unjudged.d002_not_judged import by_differences, called_first, misread, without_gradient
from dout.check.settings.other_settings import in_training
from dout.check.settings.settings_sweep import on_usual_numbers, settings_swept
from dout.clock import was_ended_by_the_clock
from dout.judge.outcomes import Word
from dout.run import PlainRun, keeping_random_states, otherwise, quiet
from dout.trace.capture.covered_sides import Covered
from dout.trace.capture.watched_conditions import watched
from dout.trace.model.user_source import behind
from dout.trace.record.specialisation import reads_memory_of_others
from dout.trace.record.trace import Trace


@keeping_random_states()
def check(
    target: Any, /, *inputs: Any, init: Mapping[str, Any] | None = None, interface: str | None = None, **named: Any
) -> Report:
    """Examine a layer: is its backward the derivative of its forward, and does it keep to the contract of a layer?

    `target` is a layer (any object with `forward(*inputs)` and `backward(dout)`) or a class of one, built with the
    arguments in `init`. Inputs that are not given, by position or by name, are chosen. The layer itself is not changed:
    copies of it run, many times, in silence.

    The interface may be another one, `forward_pass` and `backward_pass(accum_grad)`, a loss, a pair of a function and
    its derivative: which it is, is found out by running it, or given as `interface="f, f_prime(x), local"`.

    Raises TargetError where there is nothing to run, or no small input is taken.

    >>> class Square:
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * x
    ...
    ...     def backward(self, dout):
    ...         return dout * self.x  # wrong: a factor 2 is missing
    >>> report = check(Square(), 3.0)
    >>> report.ok, str(report.verdicts[0])
    (False, 'x: refuted')
    """
    was_ended_by_the_clock()  # what was before is another's
    report = _checked(target, inputs, init or {}, Interface.parse(interface) if interface is not None else None, named)
    return replace(report, timed=was_ended_by_the_clock())


def _checked(
    target: Any, inputs: tuple[Any, ...], init: Mapping[str, Any], how: Interface | None, named: Mapping[str, Any]
) -> Report:
    given = [*init.values(), *inputs, *named.values()]
    if foreign_layer(target) is not None:
        return _examined(_subject(target, inputs, init), target, init, given)
    layer, ordered, found = adapted(target, init, inputs, named, how)
    return _examined(_subject(layer, ordered, found.init), layer, found.init, given)


def check_adapted(target: Any, inputs: Sequence[Any], init: Mapping[str, Any]) -> Report:
    """`check` of what was adapted already, by `as_found`, with all of its inputs: its interface is not sought again."""
    return _examined(_subject(target, inputs, init), target, init, [*init.values(), *inputs])


def is_right(target: Any, inputs: Sequence[Any], init: Mapping[str, Any]) -> bool:
    """Whether what was adapted runs and every gradient of it is right; what else there is to say is not asked."""
    subject = _subject(target, inputs, init)
    with watched() as seen:
        first = subject.run()
    if without_gradient(subject, first) is not None:
        return False
    judgement, _, there = _judged(subject, first, seen)
    judgement = by_convention(there, judgement)
    refuted = bool(judgement.refuted) and not judgement.not_meant
    wrong = refuted or (judgement.ignores_dout and not judgement.is_loss)
    axes_of_one = any(j.only_axes_of_one for j in (judgement.examination.judged if judgement.examination else ()))
    is_open = any(verdict.word == Word.INCONCLUSIVE for verdict in judgement.verdicts)
    return bool(judgement.verdicts) and not (wrong or is_open or axes_of_one or judgement.says_nothing)


@otherwise(False)
def agrees(target: Any, inputs: Sequence[Any], init: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether these gradients of what was adapted, and all others, agree with differences.

    Exact arithmetic would take long.
    """
    subject = _subject(target, inputs, init)
    first = subject.run()
    judgement = by_convention(subject, judge_numerically(subject, first))
    judged = {verdict.argument for verdict in judgement.verdicts}
    if judgement.refuted or (judgement.ignores_dout and not judgement.is_loss):
        return False
    return judged.issuperset(names) and without_gradient(subject, first) is None


def _examined(subject: Subject, target: Any, init: Mapping[str, Any], given: Sequence[Any]) -> Report:
    """The verdict on a layer that is ready to run, and all findings about it."""
    start = time.perf_counter()
    all_chosen = isinstance(target, type) and not has_chosen_parts(given)
    try:
        with watched() as seen:
            first = subject.run()
    except Exception as error:
        unjudged: Finding | None = called_first(subject, error) or raising(subject, error, all_chosen=all_chosen)
    else:
        unjudged = without_gradient(subject, first)
    if unjudged is not None:
        return Report(subject.name, findings=(unjudged,), seconds=time.perf_counter() - start)
    judgement, findings, there = _judged(subject, first, seen)
    if judgement.says_nothing and (telling := _telling(subject, judgement)) is not None:
        return _examined(telling, target, init, given)
    if judgement.refuted and (training := _right_in_training(subject)) is not None:
        return _examined(training, target, init, given)
    if judgement.refuted and (inside := within_limits(subject, judgement)) is not None:
        return _examined(inside, target, init, given)
    unjudged = misread(subject) if judgement.refuted else None
    if unjudged is not None:
        return Report(subject.name, findings=(unjudged,), seconds=time.perf_counter() - start)
    judgement = _perhaps_meant(by_convention(there, judgement), subject, there)
    untried: tuple[str, ...] = ()
    if judgement.verdicts and not judgement.refuted and not subject.foreign:
        elsewhere, raised, untried = settings_swept(subject, judgement, target, init)
        if elsewhere is not None and elsewhere.meant:
            judgement, there = elsewhere
        elif elsewhere is not None:
            findings += _of_refuted(elsewhere.judgement, elsewhere.subject)
        findings += [raising_elsewhere(subject, *raised)] if raised is not None else []
    findings += [*findings_of(there, judgement), *findings_by_running(subject)]
    place = subject.place
    return Report(
        layer=subject.name,
        verdicts=judgement.verdicts,
        missing=tuple(_missing(judgement)),
        findings=tuple(findings),
        branches=(*judgement.covered.told(), *untried),
        branching=bool(judgement.covered) or bool(untried) or judgement.examination is None,
        file=place.file if place else None,
        line=place.line if place else None,
        seconds=time.perf_counter() - start,
    )


def _of_refuted(judgement: Judgement, subject: Subject) -> list[Finding]:
    """The findings on the gradients that are wrong in a judgement which does not speak for the layer."""
    return [item for item in findings_of(subject, judgement) if isinstance(item.reason, Refuted)]


def _telling(subject: Subject, judgement: Judgement) -> Subject | None:
    """The layer on inputs that tell more than the given ones, of which every gradient is 0."""
    usual = on_usual_numbers(subject, judgement)
    return with_more_columns(subject) or (usual.subject if usual is not None else None)


@otherwise(None)
def _right_in_training(subject: Subject) -> Subject | None:
    """The layer in training, if it is given otherwise, and right in training: backward belongs to that."""
    training = in_training(subject)
    judgement = judge(training.recorded(training.run().douts), ends=training.ends) if training else None
    return training if judgement and judgement.verdicts and not judgement.refuted else None


def _perhaps_meant(judgement: Judgement, subject: Subject, there: Subject) -> Judgement:
    """A layer may not be meant for another number of axes, or for lengths that are alike by chance.

    The `len(t)` of a loss are samples, and of a single one the classes.
    """
    arrays = [(a, b) for a, b in zip(subject.inputs, there.inputs, strict=False) if isinstance(a, np.ndarray)]
    other_axes = bool(arrays) and all(np.ndim(a) != np.ndim(b) for a, b in arrays)
    if judgement.elsewhere and judgement.is_loss and other_axes:
        return replace(judgement, not_meant=True)
    doubt = doubt_of(subject) if judgement.refuted and not judgement.elsewhere else ""
    names = {outcome.judged.name for outcome in judgement.refuted.values()}
    if names and not doubt and not judgement.elsewhere and names <= {*judgement.parameters}:
        doubt = doubt_of_constant(subject, [judgement.likeness.get(name, Likeness()).ratio for name in names])
    if judgement.refuted and not doubt and steps_by_another(subject, judgement.refuted.values()):
        doubt = "backward steps it by its right gradient, and its part keeps another one, as that of one turn"
    if doubt:
        return replace(judgement, not_meant=True, remarks={**judgement.remarks, **dict.fromkeys(names, doubt)})
    return judgement


def _missing(judgement: Judgement) -> Iterator[str]:
    """The inputs and parameters that have no gradient, so that none is left out in silence.

    The target of a loss needs none, as labels need none.
    """
    if judgement.examination is not None:
        is_loss = any(verdict.role.startswith("loss") for verdict in judgement.verdicts)
        for name, _, is_parameter in missing_gradients(judgement.examination):
            if is_parameter or not is_loss:
                yield name


def _subject(target: Any, inputs: Sequence[Any], init: Mapping[str, Any]) -> Subject:
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


def _judged(subject: Subject, first: PlainRun, seen: Covered) -> tuple[Judgement, list[Finding], Subject]:
    """The exact judgement; that of differences, with a note that says why, where the layer cannot be traced.

    `seen` are the conditions in the code that the plain run came to. The last is what was judged: where the layer is
    wrong only on another side of a condition, it is the one that comes there.
    """
    if subject.foreign:
        return judge_numerically(subject, first), [], subject
    trace: Trace | None = None
    try:
        with quiet():
            trace = subject.recorded(first.douts)
            judgement = judge(trace, ends=subject.ends)
            judgement.covered.add(seen)
            if judgement.refuted:
                return confirmed(judgement, subject, first), [], subject
            sides = on_other_sides(subject, judgement, seen)
            doubtful = _of_refuted(*sides.doubtful) if sides.doubtful is not None else []
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
