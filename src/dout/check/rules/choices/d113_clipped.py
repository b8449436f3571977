"""D113: backward limits a gradient, as clipping does."""

from __future__ import annotations

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.check.rules.choices.kept_conventions import gradient_of, keeping, told
from dout.judge.outcomes import Word

RULE = Rule("D113", "note", "backward clips the gradient")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield one note for all gradients that are limited where they are large, and one for parameters that are."""
    found = keeping(judgement, Word.CLIPPED)
    limited = {name: kept for name, kept in found.items() if kept.of_a_step}
    if limited:
        names = " and ".join(limited)
        message = f"{subject.name}.backward limits {names} after its step, which is no part of the gradient"
        yield RULE.about(subject, message, cause="clipping", **told(limited))
    if clipped := {name: kept for name, kept in found.items() if name not in limited}:
        message = f"{subject.name}.backward clips the {gradient_of([*clipped])}: where it is large it is another number"
        yield RULE.about(subject, message, cause="clipping", **told(clipped))
