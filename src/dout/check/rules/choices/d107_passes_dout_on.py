"""D107: a softmax hands dout on, since its loss gives the gradient of both together; or a step, to be trained."""

from __future__ import annotations

from dout.check.conventions.softmax import is_last_sigmoid, says_softmax
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.choices.kept_conventions import keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D107", "note", "backward passes dout on")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for all gradients that are right only together with a loss."""
    if through := keeping(judgement, Word.THROUGH):
        message = f"{subject.name}.backward passes dout on through the steps of forward, whose derivative is 0"
        yield RULE.about(subject, f"{message}: a straight-through estimator", cause="passes dout on", **told(through))
    if passed := keeping(judgement, Word.PASSED):
        what = "softmax" if says_softmax(subject) else "sigmoid" if is_last_sigmoid(subject) else subject.name
        only = f"right only where its loss gives the gradient of {what} and loss together"
        message = f"{subject.name}.backward passes dout on: {only}"
        yield RULE.about(subject, message, cause="passes dout on", **told(passed))
