"""D203: an output or a gradient is dout or an input itself, or a view of it."""

from __future__ import annotations

from dout.check.lab.other_values import shares
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.returned_arrays import returned_arrays

RULE = Rule("D203", "note", "what is returned shares memory with dout or an input")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first returned array that shares memory with one that was given."""
    run = returned_arrays(lab)
    for name, returned in (*run.gradients, *run.outputs):
        source = next((given for given, array in run.given if shares(returned, array)), None)
        if source is not None:
            whole = "is" if any(returned is array for _, array in run.given) else "shares memory with"
            message = f"{name} {whole} {source}: writing into one changes the other; return {source}.copy()"
            yield RULE.about(lab.subject, message, argument=name, cause="alias")
            return
