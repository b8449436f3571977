"""D404: forward and backward keep numbers finite with stabilisers of different sizes."""

from __future__ import annotations

from collections.abc import Iterable

from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject
from dout.check.report.rule import Findings, Rule
from dout.judge.outcomes import Word

RULE = Rule("D404", "warning", "forward and backward have different stabilisers")


def check_judgement(subject: Subject, judgement: Judgement) -> Findings:
    """Yield a finding if a gradient is exact up to stabilisers, and backward has one that forward has not."""
    if judgement.examination is None or not any(v.word == Word.STABILISED for v in judgement.verdicts):
        return
    forward, backward = judgement.examination.stabilisers
    if forward and backward - forward:
        message = f"forward adds {_listed(forward)} to keep a number finite, backward {_listed(backward)}"
        yield RULE.about(subject, f"{message}: take the same, as self.eps", cause="stabiliser")


def _listed(numbers: Iterable[float]) -> str:
    return " and ".join(f"{number:g}" for number in sorted(numbers))
