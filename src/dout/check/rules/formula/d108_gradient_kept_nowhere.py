"""D108: backward computes the gradient of a parameter in a local name, and neither returns nor keeps it."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.discarded_gradients import discarded_gradients, fully_judged

RULE = Rule("D108", "warning", "the gradient of a parameter is computed and kept nowhere")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each gradient that backward computes and forgets."""
    examination = fully_judged(judgement)
    if examination is None:
        return
    inputs = {name for name, node in examination.trace.graph.inputs.items() if node in examination.call.inputs}
    for name in (name for name in discarded_gradients(subject, examination) if name not in inputs):
        message = (
            f"the gradient of {name} is computed and kept nowhere: {subject.name}.backward computes it and forgets it"
        )
        yield RULE.about(subject, message, argument=name, cause="kept nowhere")
