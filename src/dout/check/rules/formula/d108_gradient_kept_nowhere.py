"""D108: backward computes the gradient of a parameter in a local name, and neither returns nor keeps it."""

from __future__ import annotations

from dout.adapt.source import names_declared, names_unread
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.repair.run_repairs import kept_by_another_name
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.discarded_gradients import (
    discarded_gradients,
    fully_judged,
    left_empty,
    misplaced,
    misspelt,
)
from dout.trace.session.pairing import stem

RULE = Rule("D108", "warning", "the gradient of a parameter is computed and kept nowhere")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each gradient that backward computes and forgets; not of one that a global name keeps.

    It is an error where nothing reads the local name, or the layer has a place for it: nothing else can keep it then.
    So it is where backward keeps it by another name than that which the layer's own method reads; and by one that is a
    letter off what others read of layers, if every gradient is exact by that name.
    """
    examination = fully_judged(judgement)
    if examination is None:
        return
    inputs = {name for name, node in examination.trace.graph.inputs.items() if node in examination.call.inputs}
    backward = type(subject.again()).backward
    unread, declared = ({*map(stem, names_of(backward))} for names_of in (names_unread, names_declared))
    for name in (name for name in discarded_gradients(subject, examination) if name not in inputs):
        if stem(name) in declared:
            continue
        message = (
            f"the gradient of {name} is computed and kept nowhere: {subject.name}.backward computes it and forgets it"
        )
        is_unread = stem(name) in unread or name in left_empty(subject)
        severity = "error" if is_unread else RULE.severity
        yield RULE.about(subject, message, argument=name, severity=severity, cause="kept nowhere")
    for name, kept, place, method in misplaced(subject):
        message = (
            f"the gradient of {name} is kept in self.{kept}, and {subject.name}.{method} reads self.{place}, "
            f"which nothing writes"
        )
        yield RULE.about(subject, message, argument=name, severity="error", cause="kept nowhere")
    for kept, meant in misspelt(subject):
        message = f"backward keeps a gradient in self.{kept}, which nothing reads: others read self.{meant} of a layer"
        where, fix = kept_by_another_name(subject, kept, meant)
        severity = "error" if fix is not None else RULE.severity
        yield RULE.about(subject, message, where, severity=severity, cause="kept nowhere", fix=fix)
