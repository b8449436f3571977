"""D210: backward itself makes the step that belongs to an optimiser."""

from __future__ import annotations

from dout.check.lab.other_values import same
from dout.check.lab.probe import Lab
from dout.check.report.rule import Findings, Rule
from dout.run import arrays, copied
from dout.run.held_objects import snapshot

RULE = Rule("D210", "warning", "backward changes parameters", compares=True)


def check(lab: Lab) -> Findings:
    """Yield a finding if forward gives another output after backward, since arrays that it reads have changed.

    It is an error if one has another shape then: the gradient of its step is not summed.
    """
    layer = lab.fresh()
    lab.forward(layer, lab.inputs())
    steady = [*map(copied, lab.forward(layer, lab.inputs()))]
    before = snapshot(layer)
    lab.backward(layer, tuple(map(copied, lab.base.douts)))
    after = snapshot(layer)
    moved = [path for path in before if path in after and not same(before[path], after[path])]
    if not moved or same(lab.forward(layer, lab.inputs()), steady):
        return
    guilty = next((path for path in moved if _matters(lab, path)), None)
    spread = next((path for path in moved if before[path].shape != after[path].shape and _matters(lab, path)), None)
    if spread is not None:
        shapes = f"{after[spread].shape} after backward, and {before[spread].shape} before"
        message = f"{spread} has shape {shapes}: sum the gradient of its step over the samples"
        name = spread.removeprefix("self.")
        yield RULE.about(lab.subject, message, argument=name, cause="axis", severity="error")
    elif guilty is not None:
        message = f"{guilty} changes during backward: compute the gradient there, and make the step elsewhere"
        yield RULE.about(lab.subject, message, argument=guilty.removeprefix("self."), cause="stale")


def _matters(lab: Lab, path: str) -> bool:
    """Whether the output depends on the array at a path, in a layer on which nothing ran."""
    layer = lab.fresh()
    array = arrays(layer).get(path)
    if array is None or not array.flags.writeable:
        return False
    array *= 1.5
    array += 0.25
    return not same(lab.forward(layer, lab.inputs()), lab.base.outputs)
