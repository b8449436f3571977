"""D207: each backward adds to the gradients that the last one left."""

from __future__ import annotations

from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule

RULE = Rule("D207", "note", "gradients of parameters add up over calls", compares=True)


def check(lab: Lab) -> Findings:
    """Yield one finding for all arrays that grow by the same amount with each backward."""
    if lab.grown:
        add = "adds" if len(lab.grown) == 1 else "add"
        names = ", ".join(lab.grown)
        message = f"{names} {add} up over calls of backward: set them to 0 before each step, or write = instead of +="
        yield RULE.about(lab.subject, message, argument=lab.grown[0], cause="stale")
