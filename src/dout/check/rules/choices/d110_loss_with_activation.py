"""D110: a loss is given probabilities, and gives the gradient of what a softmax or sigmoid made them of."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.choices.kept_conventions import keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D110", "note", "a loss gives the gradient of its activation as well")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for a loss whose gradient is prediction minus target."""
    if joined := keeping(judgement, Word.JOINED):
        message = (
            f"{subject.name}'s backward is prediction minus target: "
            "the gradient of loss and softmax (or sigmoid) together, which must pass it on"
        )
        yield RULE.about(subject, message, cause="joined", **told(joined))
