"""D203: an output or a gradient is dout or an input itself, or a view of it."""

from __future__ import annotations

from dout.check.lab.other_values import shares
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.check.rules.memory.written_arrays import dout_name, writes
from dout.run import flat

RULE = Rule("D203", "note", "what is returned shares memory with dout or an input")


def check(lab: Lab) -> Findings:
    """Yield a finding for the first returned array that shares memory with one that was given.

    An upstream gradient that backward overwrites is left out: that is D201.
    """
    layer, inputs = lab.fresh(), lab.inputs()
    outputs = lab.forward(layer, inputs)
    douts = lab.douts(outputs)
    gradients = [(f"the gradient of {lab.name(i)}", g) for i, g in enumerate(lab.backward(layer, douts))]
    written = {write.position for write in writes(lab) if write.kind == "dout"}
    given = [(dout_name(layer, i), dout) for i, dout in enumerate(douts) if i not in written]
    given += [(lab.name(i), array) for i, x in enumerate(inputs) for array in flat(x)]
    for name, returned in (*gradients, *(("the output", output) for output in outputs)):
        source = next((source for source, array in given if shares(returned, array)), None)
        if source is not None:
            whole = "is" if any(returned is array for _, array in given) else "shares memory with"
            message = f"{name} {whole} {source}: writing into one changes the other; return {source}.copy()"
            yield RULE.about(lab.subject, message, argument=name, cause="alias")
            return
