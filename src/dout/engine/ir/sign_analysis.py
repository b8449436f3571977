"""Signs that values have whatever the inputs are; NaN has either."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dout.graph import Node, Primitive
from dout.ops import PRIMITIVES, primitives
from dout.ops.reduce import reduced
from dout.rewrite.node_facts import number_of

DEEPEST = 8  # nodes one over the other that are looked at
_FROM_ZERO_UP = primitives("absolute square exp exp2 sqrt sigmoid softplus cosh")


def sign(x: Node, deepest: int = DEEPEST) -> int:
    """1 for what is never below zero, −1 for what is never above, 0 where neither is known; of floats alone.

    Whole numbers wrap: the absolute value of the smallest is below zero.
    """
    row, number = x.primitive, number_of(x)
    if number is not None and not isinstance(number, complex):
        return 1 if number >= 0 else -1 if number < 0 else 0
    if np.dtype(x.dtype).kind != "f" or not deepest:
        return 0
    if row in _FROM_ZERO_UP:
        return 1
    if row is PRIMITIVES["subtract"]:
        return {"max": -1, "min": 1}.get(extreme_of(*x.inputs), 0)
    if row in primitives("negative minimum maximum multiply divide"):
        signs = [sign(i, deepest - 1) for i in x.inputs]
        return -signs[0] if row is PRIMITIVES["negative"] else _of_two(row, x.inputs, signs)
    return 0


def _of_two(row: Primitive, operands: Sequence[Node], signs: Sequence[int]) -> int:
    (x, y), (first, second) = operands, signs
    if row in primitives("minimum maximum"):
        way = 1 if row is PRIMITIVES["maximum"] else -1
        zero = number_of(x) == 0 or number_of(y) == 0
        return way if zero or way in (first, second) else first if first == second else 0
    if row is PRIMITIVES["divide"]:  # by what may be −0, a quotient has the other sign
        return first * second if number_of(y) else 0
    if x is y:
        return 1
    if any(one.primitive is PRIMITIVES["negative"] and one.inputs[0] is other for one, other in ((x, y), (y, x))):
        return -1
    return first * second


def extreme_of(x: Node, extreme: Node) -> str:
    """The reduction ("max" or "min") whose result is known to bound every element of `x`, or ""."""
    found = extreme
    while found.primitive is PRIMITIVES["reshape"] and "order" not in found.static:
        (found,) = found.inputs
    if found.primitive not in primitives("max min") or found.inputs != (x,) or set(found.static) - {"axis", "keepdims"}:
        return ""
    kept = reduced(found.primitive, found.inputs, {**found.static, "keepdims": True})[0]
    return str(found.primitive) if (1,) * (len(kept) - len(extreme.shape)) + extreme.shape == kept else ""
