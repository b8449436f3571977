"""D104: the backward of a loss does not use dout, as if it were 1."""

from __future__ import annotations

import numpy as np

from dout.adapt.argument_names import names_loss
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule

RULE = Rule("D104", "note", "a loss that assumes dout is 1")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a note if a loss ignores `dout`; a warning if it is given that, and has no target, nor a loss's name."""
    if judgement.ignores_dout and judgement.is_loss:
        message = f"{subject.name}.backward does not use dout: it is right where the loss is the end, and dout is 1"
        alone = sum(isinstance(x, np.ndarray) for x in subject.inputs) == 1 and not subject.ends
        doubtful = alone and not names_loss(subject.name.rpartition(".")[2])
        severity = "warning" if doubtful else RULE.severity
        yield RULE.about(subject, f"{message}{'; nothing says that it is a loss' * doubtful}", severity=severity)
