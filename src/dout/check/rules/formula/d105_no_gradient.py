"""D105: backward gives no gradient for an input or a parameter on which the output depends."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.missing_gradients import missing_gradients
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.discarded_gradients import discarded_gradients

RULE = Rule("D105", "note", "no gradient for an input or a parameter")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield an error if backward gives nothing at all; else a note for each missing gradient.

    It is a warning for a parameter beside others that have one, and an error for an input whose gradient backward
    computes. The gradient of a parameter that backward computes and forgets is D108.
    """
    examination = judgement.examination
    missing = [] if examination is None else list(missing_gradients(examination))
    if examination is None or not missing:
        return
    if not examination.judged:
        names = ", ".join(item.name for item in missing)
        message = f"{subject.name}.backward returns nothing and keeps nothing: no gradient found for {names}"
        yield RULE.about(subject, message, argument=missing[0].name, severity="error")
        return
    forgotten = discarded_gradients(subject, examination)
    for name, _, is_parameter in missing:
        if name in forgotten and is_parameter:
            continue
        message = f"no gradient found for {name}: {subject.name}'s output depends on it"
        if name in forgotten:
            message = f"{subject.name}.backward computes the gradient of {name} and does not return it"
        severity = "error" if name in forgotten else "warning" if is_parameter and judgement.parameters else "note"
        yield RULE.about(subject, message, argument=name, severity=severity)
