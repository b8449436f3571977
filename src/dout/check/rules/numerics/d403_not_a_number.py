"""D403: a number is NaN or infinite although the exact value is finite, or the formula has no value there."""

from __future__ import annotations

from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.numerics.stressed_runs import TroubleKind, worst_trouble

RULE = Rule("D403", "warning", "not a number, or divided by zero")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first division by 0 or invalid value."""
    yield from worst_trouble(RULE, lab, TroubleKind.DIVIDE, TroubleKind.INVALID)
