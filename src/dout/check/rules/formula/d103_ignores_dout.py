"""D103: backward does not use the upstream gradient."""

from __future__ import annotations

from dataclasses import replace

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.report.verdicts import Cause
from dout.check.rules.choices.kept_conventions import by_reason, keeping, told
from dout.check.rules.formula.wrong_gradients import wrong_finding, wrong_gradients
from dout.judge.outcomes import Word

RULE = Rule("D103", "error", "backward ignores dout")
_UNUSED = Cause("ignores dout", "")  # that it is the local derivative is said where the numbers tell


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding for each gradient that lacks `dout`; a note if the layer stops the gradient on purpose."""
    if stopped := keeping(judgement, Word.STOPPED):
        message = f"{subject.name} hands its input on and gives 0 for it: right where the gradient is to end"
        message = f"{message}, as at an input" if judgement.ignores_dout else "; ".join(by_reason(stopped))
        yield RULE.about(subject, message, severity="note", **told(stopped))
    for wrong in wrong_gradients(subject, judgement):
        if wrong.ignores_dout:
            cause = replace(wrong.cause or _UNUSED, word=_UNUSED.word)
            yield wrong_finding(RULE, subject, replace(wrong, cause=cause))
