"""D104: the backward of a loss does not use dout, as if it were 1."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule

RULE = Rule("D104", "note", "a loss that assumes dout is 1")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a note if a loss ignores `dout`."""
    if judgement.ignores_dout and judgement.is_loss:
        message = f"{subject.name}.backward does not use dout: it is right where the loss is the end, and dout is 1"
        yield RULE.about(subject, message)
