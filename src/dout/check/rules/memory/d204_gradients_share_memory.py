"""D204: two gradients are one array, or views of one."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from dout.check.lab.other_values import shares
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule

RULE = Rule("D204", "warning", "two gradients share memory")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first two gradients that can be written and share memory."""
    run = lab.run()
    results = lab.results(run)[len(run.outputs) :]
    gradients = [(name, g) for name, g in results if isinstance(g, np.ndarray) and g.flags.writeable]
    for (one, mine), (other, theirs) in combinations(gradients, 2):
        if shares(mine, theirs):
            message = f"{one} and {other} share memory: adding to one in place changes the other; return a copy of one"
            because = "gradients of several uses are added up in place"
            yield RULE.about(lab.subject, message, argument=other, cause="alias", because=because)
            return
