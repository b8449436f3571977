"""The steps, run once over the recorded inputs, to see how each value lies in memory before the driver is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dout.engine.ir.kernel_group import Step
from dout.graph import CONSTANT, Node
from dout.ops.shape import memory_order

Layout = Literal["C", "rows", "A"]
Order = str | tuple[int, ...]  # as `memory_order` says it: "C", "F", or the axes from the outermost


@dataclass(frozen=True, slots=True)
class BufferLayout:
    """How a value lies in memory: an array or a number, its layout, and whether a kernel may read it at all.

    The layout is "C" for contiguous, "rows" where only the elements along the last axis lie one after the other, "A"
    for any strides; the order is that of `order_of`.
    """

    array: bool
    layout: Layout
    readable: bool
    order: Order | None = "C"


def rehearse(steps: Sequence[Step], given: Mapping[Node, Any]) -> dict[Node, BufferLayout]:
    """Return the form of every value that the steps read or make; kernels write C-contiguous arrays."""
    values: dict[Node, Any] = dict(given)
    forms = {node: _form(value) for node, value in given.items()}
    last = {i: position for position, step in enumerate(steps) for i in step.inputs}
    with np.errstate(all="ignore"):
        for position, step in enumerate(steps):
            made = _made(step, values)
            values.update(made)
            forms.update({node: _form(value) for node, value in made.items()})
            for node in {*step.inputs, *made}:
                if last.get(node, -1) <= position:
                    values.pop(node, None)
    return forms


def _made(step: Step, values: Mapping[Node, Any]) -> dict[Node, Any]:
    """The values that a step makes."""
    inside = {i: values[i] for i in step.inputs if i.primitive is not CONSTANT}
    for node in (step,) if isinstance(step, Node) else step.nodes:
        operands = [i.static["value"] if i.primitive is CONSTANT else inside[i] for i in node.inputs]
        inside[node] = node.primitive.apply(operands, node.static)
    if isinstance(step, Node):
        return {step: inside[step]}
    made = {node: inside[node] for node in step.outputs}
    return {node: np.ascontiguousarray(value) if node.shape else value for node, value in made.items()}


def _form(value: Any) -> BufferLayout:
    if not isinstance(value, np.ndarray):
        return BufferLayout(False, "C", True)
    usable = value.flags.aligned and value.dtype.isnative
    return BufferLayout(True, layout_of(value), bool(usable), order_of(value))


def layout_of(array: np.ndarray[Any, Any]) -> Layout:
    """The layout of an array. The stride along an axis of length one is anyone's, so that has no rows."""
    if array.flags.c_contiguous:
        return "C"
    return "rows" if array.shape[-1] > 1 and array.strides[-1] == array.itemsize else "A"


def order_of(value: Any) -> Order | None:
    """The order in which an array without gaps lies: "C", "F", or its axes from the outermost; None for all others."""
    if not isinstance(value, np.ndarray) or value.flags.forc:
        return memory_order(value)  # type: ignore[no-any-return]
    order = memory_order(value)
    return order if order != "C" and value.transpose(order).flags.c_contiguous else None
