"""The gradients that the layers of a recorded program have kept for their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from dout.trace.model.recorded import Gradient, LayerCall, Parameter
from dout.trace.record.trace import Trace


def kept_gradients(trace: Trace, call: LayerCall) -> Iterator[tuple[Parameter, Gradient]]:
    """The gradients that the backward of a layer call kept, on values and on edges, each with its parameter."""
    for parameter in call.parameters:
        value = trace.by_node.get(parameter.node)
        for one in (value.gradient, *(use.gradient for use in value.uses)) if value is not None else ():
            if one is not None and one.node is parameter.gradient:
                yield parameter, one
