"""A run in which every array of floats is float32: inputs, parameters and upstream gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.check.lab.probe import CrashError, Lab, Ran, learned, once
from dout.run import arrays, attributes_of, copied, is_float_array
from dout.run.held_objects import cast

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@once
def float32_run(lab: Lab) -> Ran | None:
    """Return the run. None if it crashes, if there is no array of floats, or if the layer cannot be copied."""
    layer, found = lab.fresh(), [False]
    made: dict[int, tuple[Any, Any]] = {}  # an array in two places stays one; the key is the identity of the first item

    def narrowed(item: Any) -> Any:
        found[0] = found[0] or (isinstance(item, np.ndarray) and item.dtype in (_FLOAT32, _FLOAT64))
        return made.setdefault(id(item), (item, item.astype(_FLOAT32)))[1] if item.dtype == _FLOAT64 else item

    if lab.copyable:
        cast(layer, narrowed)
    elif any(map(is_float_array, arrays(layer).values())):
        return None  # its parameters are shared with the other runs
    inputs = tuple(narrowed(x) if isinstance(x, np.ndarray | np.generic) else copied(x) for x in lab.inputs())
    if not found[0]:
        return None
    before = dict(attributes_of(layer))
    try:
        outputs = lab.forward(layer, inputs)
        douts = tuple(d.astype(_FLOAT32) if isinstance(d, np.ndarray | np.floating) else d for d in lab.douts(outputs))
        return Ran(layer, inputs, douts, outputs, lab.backward(layer, douts), learned=learned(before, layer))
    except CrashError:
        return None


def is_float64(item: Any) -> bool:
    """Whether this is an array of float64."""
    return isinstance(item, np.ndarray) and item.dtype == _FLOAT64
