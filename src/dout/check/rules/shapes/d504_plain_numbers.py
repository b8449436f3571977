"""D504: an elementwise layer raises, or gives another gradient, on plain Python numbers."""

from __future__ import annotations

from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.shapes.elementwise_layer import single_elements

RULE = Rule("D504", "warning", "fails on plain Python numbers")


def check(lab: Lab) -> Findings:
    """Yield a finding if Python's floats are not taken as elements of an array are.

    Not where they stand in objects of another class: what makes those makes arrays of them.
    """
    interface = lab.subject.interface
    if interface is None or not (interface.holder or any("." in place for place in interface.given)):
        yield from single_elements(RULE, lab, "plain Python numbers", float)
