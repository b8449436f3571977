"""D602: backward draws random numbers, so that its mask is not that of forward."""

from __future__ import annotations

from dout.check.lab.other_values import same
from dout.check.lab.probe import Lab, states, users_code
from dout.check.report.rule import Findings, Rule
from dout.run import copied, run_backward

RULE = Rule("D602", "warning", "backward draws random numbers anew", compares=True)


def check(lab: Lab) -> Findings:
    """Yield a finding if backward moves a random state, and its gradients depend on it."""
    layer = lab.fresh()
    lab.forward(layer, lab.inputs())
    lab.rewind(1)
    before = states(lab, layer)
    with users_code():
        run_backward(layer, tuple(map(copied, lab.base.douts)))
    if states(lab, layer) == before:
        return
    layer = lab.fresh()
    lab.forward(layer, lab.inputs())
    first = [*map(copied, lab.backward(layer, tuple(map(copied, lab.base.douts)), seed=1))]
    others = [lab.backward(layer, tuple(map(copied, lab.base.douts)), seed=seed) for seed in (2, 3)]
    if all(same(found, first) for found in others):
        return
    message = "backward draws random numbers: it must use those that forward drew, so keep them there (self.mask = …)"
    yield RULE.about(lab.subject, message, cause="random")
