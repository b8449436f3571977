"""D208: a second forward overwrites what backward needs from the first."""

from __future__ import annotations

from dout.adapt.interface.learned_gradients import KEPT, ON_TAPE
from dout.check.lab.other_values import other, same
from dout.check.lab.probe import Lab, learned
from dout.check.report.rule import Findings, Rule
from dout.run import attributes_of, copied

RULE = Rule(
    "D208", "note", "used twice before backward, the first call's residuals are lost", compares=True, once_a_file=True
)


def check(lab: Lab) -> Findings:
    """Yield a finding if backward gives another gradient after a second forward on other inputs."""
    layer = lab.fresh()
    before = dict(attributes_of(layer))
    lab.forward(layer, lab.inputs())
    # the caller hands backward its inputs or cache, and has both of them; so with what stands on a tape
    callers = {key: item for key, item in attributes_of(layer).items() if key in (KEPT, ON_TAPE)}
    lab.forward(layer, other(lab.subject.inputs))
    attributes_of(layer).update(callers)
    gradients = lab.backward(layer, tuple(map(copied, lab.base.douts)))
    if same(gradients, lab.base.gradients) and same(learned(before, layer), lab.base.learned):
        return
    message = (
        f"used twice before backward, {lab.subject.name} has lost what its first forward kept: "
        "make one instance for each place in the network"
    )
    yield RULE.about(lab.subject, message, cause="stale")
