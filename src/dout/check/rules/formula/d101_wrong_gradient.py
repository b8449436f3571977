"""D101: a gradient is not the derivative of forward."""

from __future__ import annotations

import numpy as np

from dout.check.conventions.single_number import is_right_for_one_number
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.discarded_gradients import filled_by
from dout.check.rules.formula.wrong_gradients import wrong_finding, wrong_gradients

RULE = Rule("D101", "error", "wrong gradient")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each refuted gradient; a warning if it is right for each number of `dout` alone.

    Such a `dout` is all that the loss of one label gives. A warning, too, if backward leaves zeros that another method
    replaces.
    """
    for wrong in wrong_gradients(subject, judgement):
        if wrong.ignores_dout or wrong.has_another_shape:
            continue  # these are D103 and D501
        if not wrong.unused and is_right_for_one_number(subject):
            only = "; only where more than one number in dout is not 0"
            yield wrong_finding(RULE, subject, wrong, only, severity="warning")
        elif not np.any(wrong.outcome.got) and (method := filled_by(subject, str(wrong.outcome.judged.name))):
            yield wrong_finding(RULE, subject, wrong).doubted(f"; {method} fills it")
        else:
            yield wrong_finding(RULE, subject, wrong)
