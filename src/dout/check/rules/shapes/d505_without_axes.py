"""D505: an elementwise layer raises, or gives another gradient, on arrays without axes."""

from __future__ import annotations

import numpy as np

from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.shapes.elementwise_layer import single_elements

RULE = Rule("D505", "warning", "fails on arrays without axes")


def check(lab: Lab) -> Findings:
    """Yield a finding if arrays of shape () are not taken as elements of an array are."""
    yield from single_elements(RULE, lab, "arrays without axes", np.array)
