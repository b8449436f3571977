"""Inputs and parameters on which the output depends, and for which backward gives no gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.graph import INPUT, Node
from dout.judge.judged_run import is_label


class WithoutGradient(NamedTuple):
    """An input, or a parameter, that has no gradient."""

    name: str
    node: Node
    parameter: bool


def missing_gradients(examination: Examination) -> Iterator[WithoutGradient]:
    """Yield them in the order of the recording; labels, whole numbers, draws and plain numbers of Python need none.

    There are none if backward returns more gradients than forward has inputs: whose each is is not known then.
    """
    call, trace = examination.call, examination.trace
    if len(call.gradients or ()) > len(call.inputs):
        return
    judged = {j.node for j in examination.judged}
    for name, node in trace.graph.inputs.items():
        value = trace.data[node]
        if node in judged or node not in examination.derived or node.primitive is not INPUT or node in trace.draws:
            continue
        if node in call.inputs and not is_label(value):
            yield WithoutGradient(name, node, parameter=False)
        is_held = node not in call.inputs and node in trace.names
        if is_held and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            yield WithoutGradient(name, node, parameter=True)
