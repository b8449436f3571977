"""The steps, run once over the recorded inputs, to see how each value lies in memory before the driver is written.

What a kernel or a product of two matrices gives lies in C order, whatever it is: it is computed only where a later step
needs to know the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dout.engine.ir.cost_model import is_matrix_product, is_view
from dout.engine.ir.kernel_group import Step
from dout.engine.ir.scalar_expressions import REDUCTIONS
from dout.engine.memory.memory_plan import makes
from dout.graph import CONSTANT, Node
from dout.ops import by_primitive, primitives
from dout.ops.operators import is_basic
from dout.ops.raising import may_raise
from dout.ops.shape import memory_order

_OPERANDS = by_primitive({"getitem": 1, "setitem": 2, "add_at": 2})  # besides the index
_IN_RANGE = primitives("argmax argmin")  # an index of an array, of whatever numbers
_BLIND = primitives("copy astype fold windows argmax argmin") | set(REDUCTIONS)

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
    along: int | None = None


def rehearse(steps: Sequence[Step], given: Mapping[Node, Any]) -> dict[Node, BufferLayout]:
    """Return the form of every value that the steps read or make; kernels write C-contiguous arrays."""
    values: dict[Node, Any] = dict(given)
    forms = {node: _form(value) for node, value in given.items()}
    last = {i: position for position, step in enumerate(steps) for i in step.inputs}
    known = _known(steps)
    with np.errstate(all="ignore"):
        for position, step in enumerate(steps):
            blank = known.isdisjoint(makes(step)) and (not isinstance(step, Node) or is_matrix_product(step))
            made = _zeros(step) if blank else _made(step, values)
            values.update(made)
            forms.update({node: _form(value) for node, value in made.items()})
            for node in {*step.inputs, *made}:
                if last.get(node, -1) <= position:
                    values.pop(node, None)
    return forms


def _known(steps: Sequence[Step]) -> set[Node]:
    """The values that have to be computed: an index made of them has to be in range, or they decide a shape."""
    known: set[Node] = set()
    for step in reversed(steps):
        if not known.isdisjoint(makes(step)) and not (isinstance(step, Node) and step.primitive in _IN_RANGE):
            known.update(step.inputs)
        elif isinstance(step, Node) and not _is_blind(step):
            known.update(step.inputs[_OPERANDS.get(step.primitive, 0) :])
    return known


def _is_blind(node: Node) -> bool:
    """Whether a step does the same with any numbers."""
    row = node.primitive
    if may_raise(node):
        return False
    basic = row in _OPERANDS and is_basic(node.static["key"])
    return basic or is_view(node) or is_matrix_product(node) or isinstance(row.forward, np.ufunc) or row in _BLIND


def _zeros(step: Step) -> dict[Node, Any]:
    """Arrays and numbers as the step makes them, of zeros: of a large array that takes no memory."""
    return {n: np.zeros(n.shape, n.dtype) if n.shape else np.dtype(n.dtype).type(0) for n in makes(step)}


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
    return BufferLayout(True, layout_of(value), bool(usable), order_of(value), _along(value))


def layout_of(array: np.ndarray[Any, Any]) -> Layout:
    """The layout of an array. The stride along an axis of length one is anyone's, so that has no rows."""
    if array.flags.c_contiguous:
        return "C"
    return "rows" if array.shape[-1] > 1 and array.strides[-1] == array.itemsize else "A"


def _along(array: np.ndarray[Any, Any]) -> int | None:
    """The axis along which the elements lie one after the other, the last one if it does; None where none is."""
    axes = range(array.ndim - 1, -1, -1)
    return next((a for a in axes if array.shape[a] > 1 and array.strides[a] == array.itemsize), None)


def order_of(value: Any) -> Order | None:
    """The order in which an array without gaps lies: "C", "F", or its axes from the outermost; None for all others."""
    if not isinstance(value, np.ndarray) or value.flags.forc:
        return memory_order(value)  # type: ignore[no-any-return]
    order = memory_order(value)
    return order if order != "C" and value.transpose(order).flags.c_contiguous else None
