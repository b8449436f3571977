"""Steps that return their input unchanged, bit for bit and for every value: a table with one function a row.

x + 0 is not among them (−0 + 0 is 0), nor x · 0 (NaN, inf).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dout.graph import CONSTANT, Node, Primitive, Shape, same_kind
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.operators import is_basic
from dout.ops.reduce import reduced
from dout.rewrite.node_facts import constant, is_reshape, number_of
from dout.rewrite.window_forms import slices_of


def cancelled(node: Node) -> Node:
    """The node that is left after dropping steps that do nothing or undo their input."""
    while (rule := _RULES.get(node.primitive)) is not None:
        after = rule(node)
        if after is None or after.shape != node.shape or not same_kind(after.dtype, node.dtype):
            break
        node = after
    return node


def is_whole(key: Any, shape: Shape) -> bool:
    """Whether an index key takes all of an array of this shape, as it is: [:], [...], [:, :]."""
    parts = slices_of(key, shape)
    return parts is not None and all(part.indices(n) == (0, n, 1) for part, n in zip(parts, shape, strict=True))


def only_inserts(key: Any) -> bool:
    """Whether an index key takes everything, and inserts axes at most: x[:, None]."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(part is None or part is Ellipsis or part == slice(None) for part in parts)


def _is(node: Node, number: float) -> bool:
    """Whether the node is this real number, with its sign, everywhere."""
    found = number_of(node)
    return found is not None and found == number and math.copysign(1, found.real) == math.copysign(1, number)


def _over(name: str, x: Node, node: Node, **static: Any) -> Node | None:
    """Another row applied to `x`, as a replacement for the node."""
    if x.shape != node.shape and not static:
        return None
    return (
        replace(node, primitive=PRIMITIVES[name], inputs=(x,), static=static)
        if same_kind(x.dtype, node.dtype)
        else None
    )


def _add(node: Node) -> Node | None:
    x, y = node.inputs
    zero = {"f": -0.0, "i": 0, "u": 0}.get(node.kind, math.inf)
    return x if _is(y, zero) else y if _is(x, zero) else None


def _subtract(node: Node) -> Node | None:
    x, y = node.inputs
    return x if node.kind in "fiu" and _is(y, 0) else None


def _multiply(node: Node) -> Node | None:
    for x, y in (node.inputs, node.inputs[::-1]):
        if node.kind in "fiu" and _is(y, 1):
            return x
        if node.kind in "fi" and _is(y, -1):
            return _over("negative", x, node)
    return None


def _divide(node: Node) -> Node | None:
    x, y = node.inputs
    if node.kind != "f":
        return None
    return x if _is(y, 1) else _over("negative", x, node) if _is(y, -1) else None


def _negative(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.primitive is node.primitive:
        return x.inputs[0]
    if x.primitive in primitives("multiply divide") and node.kind == "f":
        for place, factor in enumerate(x.inputs):
            number = factor.static["value"] if factor.primitive is CONSTANT else 0
            if isinstance(number, int | float | np.floating) and number != 0:  # an int has no −0
                inputs = list(x.inputs)
                inputs[place] = constant(-number, factor.where)
                return replace(x, inputs=tuple(inputs))
    return None


def _reshape(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.shape == node.shape:
        return x
    if (kept := _kept(node)) is not None:
        return kept
    if x.primitive is PRIMITIVES["broadcast_to"] and math.prod(x.inputs[0].shape) == 1:
        one = replace(node, inputs=x.inputs, static={"shape": ()}, shape=())
        return _over("broadcast_to", _reshape(one) or one, node, shape=node.shape)
    return _over("reshape", x.inputs[0], node, shape=node.shape) if is_reshape(node) and is_reshape(x) else None


def _astype(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.primitive is not PRIMITIVES["where"] or not all(side.primitive is CONSTANT for side in x.inputs[1:]):
        return x
    sides = [replace(node, inputs=(side,), shape=()) for side in x.inputs[1:]]  # a choice between numbers: cast these
    return replace(x, inputs=(x.inputs[0], *sides), dtype=node.dtype)


def _axes(node: Node) -> Node | None:
    """A reduction along one axis, written as along several."""
    axis, ndim = node.static.get("axis"), len(node.inputs[0].shape)
    one = (axis,) if isinstance(axis, int) else axis
    if one is None or (axis == one and min(one, default=0) >= 0) or not ndim:
        return None
    return replace(node, static={**node.static, "axis": tuple(a % ndim for a in one)})


def _kept(node: Node) -> Node | None:
    """A reduction with kept axes, in the place of one whose axes are put back afterwards."""
    (x,) = node.inputs
    if x.primitive not in _REDUCTIONS or x.static.get("keepdims") or "order" in node.static:
        return None
    kept = reduced(x.primitive, x.inputs, static := {**x.static, "keepdims": True})[0]
    return replace(x, static=static, shape=kept) if kept == node.shape else None


def _transpose(node: Node) -> Node | None:
    (x,), axes = node.inputs, node.static["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.primitive is not node.primitive:
        return None
    return _over("transpose", x.inputs[0], node, axes=tuple(x.static["axes"][axis] for axis in axes))


def _broadcast_to(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.shape == node.shape:
        return x
    return _over("broadcast_to", x.inputs[0], node, shape=node.shape) if x.primitive is node.primitive else None


def _getitem(node: Node) -> Node | None:
    x, *index = node.inputs
    if index:
        return None
    if is_whole(node.static["key"], x.shape):
        return x
    return _over("reshape", x, node, shape=node.shape) if only_inserts(node.static["key"]) else None


def _setitem(node: Node) -> Node | None:
    """A write over the very elements that were written before it: `x[i] += y` writes twice."""
    before, value = node.inputs[:2]
    again = before.primitive is node.primitive and len(node.inputs) == len(before.inputs) == 2
    keys = [one.static["key"] for one in (node, before)] if again else []
    if not keys or not all(map(is_basic, keys)) or repr(keys[0]) != repr(keys[1]):
        return None
    return replace(node, inputs=(before.inputs[0], value))


def _where(node: Node) -> Node | None:
    condition, x, y = node.inputs
    known = number_of(condition)
    return x if x is y or (known is not None and known) else y if known is not None else None


_REDUCTIONS = primitives("sum mean var std prod max min any all")
_RULES: Mapping[Primitive, Callable[[Node], Node | None]] = by_primitive({
    **dict.fromkeys(("positive", "copy", "asarray"), lambda node: node.inputs[0]), "astype": _astype,
    "add": _add, "subtract": _subtract, "multiply": _multiply, "divide": _divide, "negative": _negative,
    **dict.fromkeys(("invert", "logical_not"), lambda node: node.inputs[0].inputs[0]
                    if node.inputs[0].primitive is node.primitive else None), "where": _where,
    "reshape": _reshape, "transpose": _transpose,
    **dict.fromkeys(("ravel", "flatten"), lambda node: _over("reshape", node.inputs[0], node, shape=node.shape)
                    if "order" not in node.static else None),
    "broadcast_to": _broadcast_to, "getitem": _getitem, "setitem": _setitem,
    "pad": lambda node: None if any(map(any, node.static["width"])) else node.inputs[0],
}) | dict.fromkeys(_REDUCTIONS, _axes)  # fmt: skip
