"""D202: forward or backward writes into an input, which belongs to the caller."""

from __future__ import annotations

import inspect

import numpy as np

from dout.adapt.source.returned_names import hands_back
from dout.check.lab.other_values import same
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.written_arrays import Write, report_write, writes
from dout.run import copied, otherwise

RULE = Rule("D202", "error", "an input is overwritten", for_foreign=True)


def check(lab: Lab) -> Findings:
    """Yield a finding for each input that the layer changes."""
    for write in writes(lab):
        if write.kind == "input":
            because = "the array belongs to the caller, who may use it again"
            was, now = write.before[write.index].item(), write.after[write.index].item()
            details = {"argument": write.name, "index": write.index, "expected": was, "got": now}
            found = report_write(RULE, lab, write, write.numbers, because, cause="overwrites input", **details)
            called = lab.subject.forward_name
            handed_back = hands_back(inspect.unwrap(getattr(type(lab.layer), called)), write.name)
            found = found.doubted("; forward returns it, too") if handed_back else found
            is_unread = _is_unread(lab, write)
            yield found.doubted("; forward reads nothing of it, as of NumPy's `out`") if is_unread else found


@otherwise(False)
def _is_unread(lab: Lab, write: Write) -> bool:
    """Whether forward gives the same whatever an argument holds: it is there to be filled."""
    others = list(map(copied, write.inputs))
    filled = others[write.position]
    filled[...] = np.random.default_rng(0).normal(size=filled.shape)
    given, other = (lab.forward(lab.fresh(), tuple(inputs)) for inputs in (map(copied, write.inputs), others))
    return same(given, other)
