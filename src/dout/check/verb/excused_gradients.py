"""A recorded run in; the same run out, without the wrong gradients that are right by a convention of their layer.

A picture compares each gradient with the derivative. A layer that averages over its samples, or hands `dout` on to its
loss, keeps a convention that `check` knows. So `check` is asked about the layer, and the picture has a note in place of
the red.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from dout.check.report.report import Report
from dout.check.report.verdicts import Verdict
from dout.check.verb.added_penalties import added_penalties
from dout.check.verb.check_layer import check
from dout.check.verb.divided_by_samples import divided_by_samples
from dout.check.verb.program_gradients import kept_gradients
from dout.clock import TimeIsOver, spent, within
from dout.graph import Node
from dout.judge.gradient_judge import is_near
from dout.judge.outcomes import Word
from dout.trace.model.recorded import Event, Gradient, LayerCall, Value
from dout.trace.record.trace import Trace

MOST_SECONDS = 12.0
_CUT = "it takes too long to ask which conventions the layers keep: what is marked as wrong may be right by one"
MEASURED = frozenset({Word.SCALED, Word.PENALISED})  # by how much, the numbers of the run tell
CONVENTIONS = MEASURED | {Word.PASSED, Word.JOINED, Word.DIAGONAL, Word.THROUGH, Word.STOPPED}

_Found = TypeVar("_Found")


def with_conventions(trace: Trace, layers: Mapping[str, Any], ask: Callable[[Any], Report] = check) -> Trace:
    """Return the run with its wrong gradients excused where their layer keeps a convention; `layers` by class name.

    What comes before such a layer in the forward is judged by the gradient that it returned: so it is looked at again.
    All that takes MOST_SECONDS of work at most: nothing excuses what is not known by then, and an event says so.
    """
    asked = _Asked(layers, ask)
    trace = _joined(trace, asked)
    handed_on = {node for call in trace.calls for node in call.gradients or ()}
    while trace.wrong and (excused := _excused(trace, asked)):
        notes = dict.fromkeys(Event("convention", said) for said in excused.values())
        events = tuple(dict.fromkeys((*trace.events, *notes)))
        trace = replace(trace, conventions={**trace.conventions, **excused}, events=events)
        if handed_on.isdisjoint(excused):  # of parameters alone: nothing follows from them
            break
    if asked.was_cut and trace.wrong:
        trace = replace(trace, events=(*trace.events, Event("limit", _CUT)))
    return trace


class _Asked:
    """What `check` says of the layers of a run, by class name: each is asked about once, and all within a bound."""

    def __init__(self, layers: Mapping[str, Any], ask: Callable[[Any], Report]) -> None:
        self.layers = layers
        self.verdicts: dict[str, dict[str, Verdict]] = {}  # by class, and by what the gradient is of
        self.unjudged: set[str] = set()  # classes of which nothing is known: the run alone says how they are used
        self.was_cut = False
        self._ask, self._end = ask, spent() + MOST_SECONDS

    def of(self, cls: str) -> dict[str, Verdict]:
        """The gradients of a layer that are right by a convention."""
        if cls not in self.verdicts:
            report = self.in_time(partial(self._report, cls))
            found = report.verdicts if report else ()
            if all(verdict.word == Word.INCONCLUSIVE for verdict in found):
                self.unjudged.add(cls)
            self.verdicts[cls] = {verdict.argument: verdict for verdict in found if verdict.word in CONVENTIONS}
        return self.verdicts[cls]

    def _report(self, cls: str) -> Report | None:
        try:
            return self._ask(self.layers[cls])
        except Exception:  # it cannot be checked by itself: then nothing excuses it
            return None

    def in_time(self, work: Callable[[], _Found | None]) -> _Found | None:
        """What some work finds; None where the time is over before."""
        try:
            with within(max(0.0, self._end - spent())):
                return work()
        except TimeIsOver:
            self.was_cut = True
            return None


def _excused(trace: Trace, asked: _Asked) -> dict[Node, str]:
    """The nodes of wrong gradients that are right by a convention, each with what is said of it."""
    wrong = {id(gradient) for gradient in trace.wrong}
    excused: dict[Node, str] = {}
    for call in trace.calls:
        suspects = {name: one for name, one in _gradients(trace, call, asked.layers) if id(one) in wrong}
        for name, gradient in suspects.items():
            verdict = asked.of(call.cls).get(name)
            if verdict is None or gradient.node is None or not _is_kept_here(verdict, gradient):
                continue
            if not _is_left_to_nobody(trace, call, verdict):
                excused[gradient.node] = _said(call.cls, verdict)
    words = {cls: {verdict.word for verdict in each.values()} for cls, each in asked.verdicts.items()}
    open_to_it = asked.unjudged | {cls for cls, found in words.items() if found & MEASURED}
    unasked = [call for call in trace.calls if call.cls not in asked.layers or call.cls in open_to_it]
    measured = asked.in_time(lambda: divided_by_samples(trace, unasked) | added_penalties(trace)) or {}
    return {node: said for node, said in (measured | excused).items() if node not in trace.conventions}


def _joined(trace: Trace, asked: _Asked) -> Trace:
    """The run with what it says of activations whose backward their loss computes: a network passes over these."""
    outputs = {
        output for call in trace.calls for output, given in zip(call.outputs, call.douts or (), strict=False) if given
    }
    notes: dict[Node, str] = {}
    for call in trace.calls if trace.wrong else ():
        for place, (value, gradient) in enumerate(zip(call.inputs, call.gradients or (), strict=False)):
            if gradient is None or value not in outputs or call.cls not in asked.layers:
                continue
            names = _argument_names(asked.layers[call.cls], [trace.by_node.get(node) for node in call.inputs])
            verdict = asked.of(call.cls).get(names[place]) if place < len(names) else None
            if verdict is not None and verdict.word == Word.JOINED:
                notes[value] = _said(call.cls, verdict)
    events = tuple(Event("convention", said) for said in dict.fromkeys(notes.values()))
    return replace(trace, joined=frozenset(notes), events=(*trace.events, *events)) if notes else trace


def _is_kept_here(verdict: Verdict, gradient: Gradient) -> bool:
    """Whether the numbers of the run keep the convention, too: a multiple of the derivative is one everywhere."""
    if verdict.word not in MEASURED:
        return True
    if verdict.word == Word.PENALISED:
        return False  # the penalty is measured in the run itself
    ratio = _ratio(gradient)
    known = re.fullmatch(r"-?[\d.]+(e-?\d+)?", verdict.constant)  # else 1/N
    fits = (
        is_near(np.float64(ratio), np.float64(verdict.constant)) if known else ratio > 0 or verdict.constant[:1] == "-"
    )
    return bool(fits) and is_near(gradient.value, ratio * np.asarray(gradient.expected))


def _is_left_to_nobody(trace: Trace, call: LayerCall, verdict: Verdict) -> bool:
    """Whether a layer that leaves its derivative to its loss is given the right gradient of its own output.

    A loss that was given the logits, or lies behind another layer that hands dout on, may have done the work.
    """
    if verdict.word != Word.PASSED or trace.joined or call.douts is None:
        return False
    wrong = {id(gradient) for gradient in trace.wrong}
    given = dict(zip(call.outputs, call.douts, strict=True))
    returned = {node for one in trace.calls for node in one.gradients or () if node is not None}
    return any(
        other.inputs[use.argument] in given
        and given[other.inputs[use.argument]] is use.gradient.node
        and id(use.gradient) not in wrong
        for other in trace.calls
        if other is not call and returned.isdisjoint(other.douts or ())
        for use in trace.arguments[other]
        if use.gradient is not None and use.gradient.node is not None
    )


def _ratio(gradient: Gradient) -> float:
    """How many times the derivative a gradient is."""
    mine, derived = np.ravel(gradient.value), np.ravel(gradient.expected)
    return float(np.dot(mine, derived) / np.dot(derived, derived))


def _gradients(trace: Trace, call: LayerCall, layers: Mapping[str, Any]) -> list[tuple[str, Gradient]]:
    """The gradients of a call that its backward gave, with the names of what they are for."""
    if call.cls not in layers:
        return []
    names = _argument_names(layers[call.cls], [trace.by_node.get(node) for node in call.inputs])
    found = [
        (names[use.argument], use.gradient)
        for use in trace.arguments[call]
        if use.argument < len(names) and use.gradient is not None
    ]
    found += [(parameter.name, one) for parameter, one in kept_gradients(trace, call)]
    return found


def _argument_names(layer: Any, given: Sequence[Value | None]) -> list[str]:
    """The names of what forward takes; of a layer in another interface, those of the values that it was given."""
    forward = getattr(layer, "forward", None)
    if not callable(forward):
        return [(value.name if value is not None else None) or "" for value in given]
    return list(inspect.signature(forward).parameters)[isinstance(layer, type) :]


def _said(cls: str, verdict: Verdict) -> str:
    if verdict.word == Word.SCALED:
        return f"{cls}: the gradient of {verdict.argument} is {verdict.constant} of the derivative, a convention"
    return f"{cls}: the gradient of {verdict.argument}: {verdict.word}, a convention"
