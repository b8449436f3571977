"""D402: a difference of nearly equal numbers loses digits that the exact value has."""

from __future__ import annotations

from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.numerics.stressed_runs import TroubleKind, worst_trouble

RULE = Rule("D402", "warning", "digits are lost")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first loss of digits; a note if it is at inputs that training hardly meets."""
    yield from worst_trouble(RULE, lab, TroubleKind.LOST)
