"""One run seen as memory: the arrays that a layer was given and those that it returned, by name."""

from __future__ import annotations

from typing import Any, NamedTuple

from dout.check.lab.probe import Lab, learned, once
from dout.check.rules.memory.written_arrays import dout_name, writes
from dout.run import attributes_of, flat

Named = tuple[str, Any]


class ReturnedArrays(NamedTuple):
    """What a run returned and left, and what it was given. An upstream gradient that it overwrites is left out."""

    outputs: tuple[Named, ...]
    gradients: tuple[Named, ...]
    learned: tuple[Named, ...]
    given: tuple[Named, ...]


@once
def returned_arrays(lab: Lab) -> ReturnedArrays:
    """Return the arrays of one plain run."""
    layer = lab.fresh()
    before, inputs = dict(attributes_of(layer)), lab.inputs()
    outputs = lab.forward(layer, inputs)
    douts = lab.douts(outputs)
    gradients = lab.backward(layer, douts)
    written = {write.position for write in writes(lab) if write.kind == "dout"}
    given = [(dout_name(layer, i), d) for i, d in enumerate(douts) if i not in written]
    given += [(lab.name(i), array) for i, x in enumerate(inputs) for array in flat(x)]
    return ReturnedArrays(
        outputs=tuple(("the output", out) for out in outputs),
        gradients=tuple((f"the gradient of {lab.name(i)}", g) for i, g in enumerate(gradients)),
        learned=tuple((f"d{name}", g) for name, g in learned(before, layer).items()),
        given=tuple(given),
    )
