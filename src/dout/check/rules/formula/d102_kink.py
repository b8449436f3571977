"""D102: at a kink or a tie a gradient is none of the one-sided derivatives, nor between them."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.formula.wrong_gradients import WrongGradient, wrong_finding

RULE = Rule("D102", "warning", "wrong gradient at a kink or a tie")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each gradient that is refuted at kinks alone."""
    for outcome in judgement.at_kinks.values():
        yield wrong_finding(RULE, subject, WrongGradient(outcome), only=", where values are equal")
