"""D105: backward gives no gradient for an input or a parameter on which the output depends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.discarded_gradients import discarded_gradients, fully_judged
from dout.graph import INPUT
from dout.judge.judged_run import is_label

RULE = Rule("D105", "note", "no gradient for an input or a parameter")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a note for each missing gradient. One that backward computes and forgets is D108."""
    examination = fully_judged(judgement)
    if examination is None:
        return
    forgotten = discarded_gradients(subject, examination)
    for name in (name for name in _without_gradient(examination) if name not in forgotten):
        message = f"{subject.name} gives no gradient for {name}, on which its output depends"
        yield RULE.about(subject, message, argument=name)


def _without_gradient(examination: Examination) -> Iterator[str]:
    judged = {j.node for j in examination.judged}
    judged |= {parameter.node for call in examination.trace.calls for parameter in call.parameters}  # of its parts
    shapes = {j.node.shape for j in examination.judged if j.parameter}
    for name, node in examination.trace.graph.inputs.items():
        value = examination.trace.data[node]
        if node in judged or node not in examination.derived or node.primitive is not INPUT or is_label(value):
            continue
        is_parameter = isinstance(value, np.ndarray) and value.ndim > 0 and node.shape not in shapes
        if node in examination.call.inputs or (is_parameter and node in examination.trace.names):
            yield name
