"""An argument or a result of a layer in; the array that it is, or holds, out: networks of tensors hand objects on."""

from __future__ import annotations

from typing import Any

from dout.run import attributes_of
from dout.trace.tracer.traced import Traced


def array_of(item: Any) -> Any:
    """An item, or the only array in it besides gradients, where it is an object of the user's: `Tensor.data`."""
    if isinstance(item, Traced) or not hasattr(item, "__dict__") or callable(item) or hasattr(type(item), "forward"):
        return item
    held = [part for name, part in attributes_of(item).items() if isinstance(part, Traced) and "grad" not in name]
    return held[0] if len(held) == 1 else item
