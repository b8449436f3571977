"""Gradients that nobody gives, or gives in another shape: what is not a matter of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.codes import finding
from dout.check.report.verdicts import Finding
from dout.check.rules.discarded_gradient import lost
from dout.graph import INPUT
from dout.judge.judged_run import is_label


def missing_findings(subject: Subject, judgement: Judgement) -> Iterator[Finding]:
    """Yield a finding for each input and parameter whose gradient is not there, or has other axes of length 1."""
    examination = judgement.examination
    if examination is None or not examination.judged:
        return
    yield from axes_of_one(subject, judgement)
    given, taken = len(examination.call.gradients or ()), len(examination.call.inputs)
    if given > taken:  # they may be those of parameters
        message = (
            f"{subject.name}.backward returns {given} gradients, forward has {taken} inputs: the rest is not judged"
        )
        yield finding("D502", message, subject.place, layer=subject.name)
        return
    forgotten = list(_forgotten(subject, examination))
    for name in forgotten:
        message = f"the gradient of {name} is computed and kept nowhere: {subject.name}.backward has it and forgets it"
        yield finding("D108", message, subject.place, layer=subject.name, argument=name, cause="kept nowhere")
    for name in (name for name in _without_gradient(examination) if name not in forgotten):
        message = f"{subject.name} gives no gradient for {name}, on which its output depends"
        yield finding("D105", message, subject.place, layer=subject.name, argument=name)


def axes_of_one(subject: Subject, judgement: Judgement) -> Iterator[Finding]:
    """Yield a finding for each gradient that has more, or fewer, axes of length 1 than its parameter."""
    for judged in judgement.examination.judged if judgement.examination else ():
        if judged.only_axes_of_one:
            shapes = f"has shape {judged.gradient.shape}, {judged.name} has {judged.node.shape}"
            message = f"the gradient of {judged.name} {shapes}: the numbers fit, and broadcasting may spread them"
            yield finding("D501", message, subject.place, severity="warning", layer=subject.name, argument=judged.name)


def _forgotten(subject: Subject, examination: Examination) -> Iterator[str]:
    """The parameters whose gradient is lost; none where the layer does not run again or its gradient has no value."""
    with suppress(Exception):
        yield from lost(subject, examination)


def _without_gradient(examination: Examination) -> Iterator[str]:
    judged = {j.node for j in examination.judged}
    judged |= {parameter.node for call in examination.trace.calls for parameter in call.parameters}  # of its parts
    shapes = {j.node.shape for j in examination.judged if j.parameter}
    for name, node in examination.trace.graph.inputs.items():
        value = examination.trace.data[node]
        if node in judged or node not in examination.derived or node.primitive is not INPUT or is_label(value):
            continue
        is_parameter = isinstance(value, np.ndarray) and value.ndim > 0 and node.shape not in shapes
        if not (node in examination.call.inputs or node in examination.trace.names):
            continue  # it is nobody's: drawn in forward, say
        if node in examination.call.inputs or is_parameter:
            yield name
