"""`dout.check`: the verdict on a hand-written backward."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.interface.interface import Interface
from dout.adapt.search.own_faults import has_chosen_parts
from dout.check.conventions.convention import by_convention
from dout.check.exact.judge import Judgement, judge
from dout.check.exact.missing_gradients import missing_gradients
from dout.check.exact.ratio import Likeness
from dout.check.exact.subject import Subject
from dout.check.lab.example_doubts import doubt_of, doubt_of_constant, steps_by_another
from dout.check.lab.input_variants import (
    with_more_columns,
    within_limits,
)
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Refuted
from dout.check.rules import findings_by_running, findings_of
from dout.check.rules.unjudged.d001_raises import raising, raising_elsewhere
from dout.check.rules.unjudged.d002_not_judged import called_first, misread, without_gradient, without_numbers
from dout.check.settings.other_settings import in_training
from dout.check.settings.settings_sweep import on_usual_numbers, settings_swept
from dout.check.verb.grounds import Grounds
from dout.check.verb.judged_layer import judged, of_refuted, subject_of
from dout.check.verb.recorded_round import of_unknown_loss
from dout.clock import was_ended_by_the_clock
from dout.errors import UnknownLossError
from dout.run import EndedError, drawing_alike, keeping_random_states, otherwise
from dout.trace.capture.watched_conditions import watched


@keeping_random_states()
def check(
    target: Any, /, *inputs: Any, init: Mapping[str, Any] | None = None, interface: str | None = None, **named: Any
) -> Report:
    """Examine a layer: is its backward the derivative of its forward, and does it keep to the contract of a layer?

    `target` is a layer (any object with `forward(*inputs)` and `backward(dout)`), a class of one, built with the
    arguments in `init`, or a function whose module has its backward beside it. Inputs that are not given, by position
    or by name, are chosen. The layer itself is not changed: copies of it run, many times, in silence.

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
    how = Interface.parse(interface) if interface is not None else None
    given = {**{str(i): item for i, item in enumerate(inputs)}, **named}
    was_ended_by_the_clock()  # what was before is another's
    try:
        with drawing_alike(target):
            _, report = checked_on(Grounds.of(target, init or {}, given, how))
    except UnknownLossError as error:
        recorded = of_unknown_loss(target, error)
        if recorded is None:
            raise
        report = recorded
    return replace(report, timed=was_ended_by_the_clock())


def checked_on(grounds: Grounds) -> tuple[Grounds, Report]:
    """The report on a layer as it was adapted, with all of its inputs, and what it rests on: an error stands on facts.

    What was chosen may have been chosen otherwise. Raises UnknownLossError where nothing tells for which loss its
    backward is meant.
    """
    layer, init = grounds.layer, grounds.example.init
    report = _examined(subject_of(layer, grounds.ordered, init), layer, init)
    is_refuted = any(isinstance(finding.reason, Refuted) for finding in report.findings)
    is_open = is_refuted or not report.verdicts
    if is_open and (other := grounds.with_other_choices(report)) is not None:
        return checked_on(other)
    weighed = grounds.weighed(report)
    if is_refuted and weighed.ok and (other := grounds.where_backward_raises()) is not None:
        return checked_on(other)
    return grounds, weighed


def _examined(subject: Subject, target: Any, init: Mapping[str, Any]) -> Report:
    """The verdict on a layer that is ready to run, and all findings about it."""
    start = time.perf_counter()
    all_chosen = isinstance(target, type) and not has_chosen_parts([*init.values(), *subject.inputs])
    try:
        with watched() as seen:
            first = subject.run()
    except EndedError as error:
        raise error.end from None
    except Exception as error:
        unjudged: Finding | None = called_first(subject, error) or raising(subject, error, all_chosen=all_chosen)
    else:
        unjudged = without_gradient(subject, first)
    if unjudged is not None:
        return Report(subject.name, findings=(unjudged,), seconds=time.perf_counter() - start)
    judgement, findings, there = judged(subject, first, seen)
    if judgement.says_nothing and (telling := _telling(subject, judgement)) is not None:
        return _examined(telling, target, init)
    if judgement.refuted and (training := _right_in_training(subject)) is not None:
        return _examined(training, target, init)
    if judgement.refuted and (inside := within_limits(subject, judgement)) is not None:
        return _examined(inside, target, init)
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
            findings += of_refuted(elsewhere.judgement, elsewhere.subject)
        findings += [raising_elsewhere(subject, *raised)] if raised is not None else []
    findings += [*findings_of(there, judgement), *findings_by_running(subject)]
    missing = tuple(_missing(judgement))
    findings += [] if judgement.verdicts or missing or findings else [without_numbers(subject)]
    place = subject.place
    return Report(
        layer=subject.name,
        verdicts=judgement.verdicts,
        missing=missing,
        findings=tuple(findings),
        branches=(*judgement.covered.told(), *untried),
        branching=bool(judgement.covered) or bool(untried) or judgement.examination is None,
        file=place.file if place else None,
        line=place.line if place else None,
        seconds=time.perf_counter() - start,
    )


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
        told = source.axis_counts(subject.again().forward)
        if not any(np.ndim(a) < np.ndim(b) in told for a, b in arrays):
            return replace(judgement, not_meant=True)
    doubt = doubt_of(subject) if judgement.refuted and not judgement.elsewhere else ""
    names = {outcome.judged.name for outcome in judgement.refuted.values()}
    if names and not doubt and not judgement.elsewhere and names <= {*judgement.parameters}:
        ratios = {name: judgement.likeness.get(name, Likeness()).ratio for name in judgement.parameters}
        all_used = [ratio for name, ratio in ratios.items() if name in names or ratio is None or not isnan(ratio)]
        doubt = doubt_of_constant(subject, all_used)
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
