"""D111: a softmax, as one of many activations with a local derivative, gives the diagonal of its derivative alone."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.choices.kept_conventions import keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D111", "warning", "a softmax gives the diagonal of its derivative alone")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one finding for a softmax that gives y (1 − y)."""
    if diagonal := keeping(judgement, Word.DIAGONAL):
        only = "right only under a loss that makes up for it, as (y − t) / (y (1 − y)) does"
        message = f"{subject.name} gives y (1 − y), the diagonal of its derivative alone: {only}"
        yield RULE.about(subject, message, cause="diagonal", **told(diagonal))
