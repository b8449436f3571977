"""D110: a loss is given probabilities, and gives the gradient of what a softmax or sigmoid made them of."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import Undivided
from dout.check.rules.choices.kept_conventions import keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D110", "note", "a loss gives the gradient of its activation as well")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for a loss that gives its activation's gradient, too; a warning if it leaves out a division."""
    if joined := keeping(judgement, Word.JOINED):
        message = (
            f"{subject.name}'s backward is the gradient of loss and softmax (or sigmoid) together, "
            "as prediction minus target is: the activation must pass it on"
        )
        details = told(joined)
        for convention in (one for one in joined.values() if one.undivided):
            message += f"; forward divides by {convention.constant}, and backward does not"
            details |= {"severity": "warning", "reason": Undivided()}
        yield RULE.about(subject, message, cause="joined", **details)
