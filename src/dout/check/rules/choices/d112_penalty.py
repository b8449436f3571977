"""D112: backward adds a penalty on a parameter, as weight decay does, and forward does not."""

from __future__ import annotations

from dout.check.conventions.convention import BY_BACKWARD_ALONE
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.choices.kept_conventions import gradient_of, keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D112", "note", "backward adds a penalty that forward does not")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for all parameters that are drawn towards 0 by backward alone."""
    if penalised := keeping(judgement, Word.PENALISED):
        at = f" {judgement.elsewhere}" if judgement.elsewhere else ""
        added = ", ".join(kept.because.removesuffix(BY_BACKWARD_ALONE) for kept in penalised.values())
        says = f"in the {gradient_of([*penalised])}{at} {added}{BY_BACKWARD_ALONE}"
        message = f"{says}: the loss that is reported lacks it"
        yield RULE.about(subject, message, cause="penalty", **told(penalised))
