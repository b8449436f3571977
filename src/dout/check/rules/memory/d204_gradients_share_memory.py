"""D204: two gradients are one array, or views of one."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from dout.check.lab.other_values import shares
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.returned_arrays import returned_arrays

RULE = Rule("D204", "warning", "two gradients share memory")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first two gradients that can be written and share memory."""
    run = returned_arrays(lab)
    gradients = [(n, g) for n, g in (*run.gradients, *run.learned) if isinstance(g, np.ndarray) and g.flags.writeable]
    for (one, mine), (other, theirs) in combinations(gradients, 2):
        if shares(mine, theirs):
            message = f"{one} and {other} share memory: adding to one in place changes the other; return a copy of one"
            because = "gradients of several uses are added up in place"
            yield RULE.about(lab.subject, message, argument=other, cause="alias", because=because)
            return
