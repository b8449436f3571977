"""D502: backward returns more gradients than forward has inputs."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule

RULE = Rule("D502", "note", "more gradients than inputs")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a note that says for what the further gradients were taken. They may be those of parameters."""
    interface, examination = subject.interface, judgement.examination
    if interface is not None and any(name not in subject.names for name in interface.order):
        number, owners = len(interface.order), ", ".join(filter(None, interface.order))
        taken = f"they were taken for those of {owners}" if any(interface.order) else "whose they are is not known"
        message = (
            f"{interface.backward} returns {number} gradients, {interface.forward} has {len(subject.names)} inputs"
        )
        yield RULE.about(subject, f"{message}: {taken}")
    if examination is not None and examination.judged:
        gradients, inputs = examination.call.gradients or (), len(examination.call.inputs)
        given = max((i for i, gradient in enumerate(gradients, 1) if gradient is not None), default=0)
        if given > inputs:
            message = f"{subject.name}.backward returns {given} gradients, forward has {inputs} inputs"
            yield RULE.about(subject, f"{message}: the rest is not judged")
