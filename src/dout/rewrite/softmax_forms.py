"""Softmax and its kin as one step each: their gradients are short, and stay finite where a probability becomes 0.

The values are the same up to rounding: what is subtracted to keep exp finite has no part in the result. `PLAIN`
computes them without SciPy, whose functions these rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dout.graph import Graph, Node, Primitive, Shape, rebuild, renewed, settled
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.reduce import axes_of
from dout.rewrite.node_facts import applied, behind, over, standing_for

_EXP, _LOG, _SUM, _SUBTRACT = (PRIMITIVES[name] for name in ("exp", "log", "sum", "subtract"))
_SOFTMAX, _LOG_SOFTMAX, _LOG_SUM_EXP = (
    PRIMITIVES[f"special_{name}"] for name in ("softmax", "log_softmax", "logsumexp")
)


def softmax_forms(graph: Graph) -> Graph:
    """Return the graph in which a softmax, its logarithm, and the logarithm of a sum of exp are one step each.

    The logarithm of some of its elements is taken of them all: `log(y[n, t])` is `log(y)[n, t]`.
    """
    return settled(graph, lambda graph: rebuild(graph, _rewritten))


def log_softmax_by_sums(graph: Graph, known: Iterable[Node]) -> Graph:
    """Return the graph in which log softmax(x) is z − log s, where forward has s = Σ exp(z) among the `known` values.

    Here z is x without its largest element, so that nothing overflows, and no exponential is taken again.
    """
    totals: dict[tuple[Node, Any], Node] = {}
    for total in known:
        if total.primitive is not _SUM or len(total.inputs) > 1 or total.inputs[0].primitive is not _EXP:
            continue
        axes, (z,) = total.static.get("axis"), total.inputs[0].inputs
        if z.primitive is _SUBTRACT and behind(z.inputs[1]).primitive is PRIMITIVES["max"]:
            totals.setdefault((unshifted(z, axes), axes), total)

    def written(node: Node, new: Mapping[Node, Node]) -> Node:
        total = totals.get((node.inputs[0], node.static.get("axis"))) if node.primitive is _LOG_SOFTMAX else None
        if total is None:
            return renewed(node, new)
        (z,) = total.inputs[0].inputs
        along = axes_of(total.static.get("axis"), len(z.shape))
        shape = tuple(1 if axis in along else n for axis, n in enumerate(z.shape))
        whole = new.get(total, total)
        whole = whole if whole.shape == shape else applied(PRIMITIVES["reshape"], [whole], {"shape": shape}, node.where)
        return applied(_SUBTRACT, [new.get(z, z), applied(_LOG, [whole], {}, node.where)], {}, node.where)

    return rebuild(graph, written)


def _rewritten(node: Node, new: Mapping[Node, Node]) -> Node:
    node = renewed(node, new)
    rule = _RULES.get(node.primitive)
    return standing_for(node, rule(node) if rule is not None and not isinstance(node.dtype, type) else None)


def _divide(node: Node) -> Node | None:
    """exp(z) / Σ exp(z)."""
    top, bottom = node.inputs
    total = behind(bottom)
    if top.primitive is not _EXP or total.primitive is not _SUM or total.inputs != (top,):
        return None
    axes = total.static.get("axis")
    if not _goes_along(bottom.shape, top.shape, axes):
        return None
    return replace(node, primitive=_SOFTMAX, inputs=(unshifted(top.inputs[0], axes),), static={"axis": axes})


def _log(node: Node) -> Node | None:
    """Log softmax(x), maybe of some of its elements; log Σ exp(x)."""
    (x,) = node.inputs
    if x.primitive is _SOFTMAX:
        return replace(x, primitive=_LOG_SOFTMAX)
    if x.primitive is PRIMITIVES["getitem"] and x.inputs[0].primitive is _SOFTMAX:
        return replace(x, inputs=(replace(x.inputs[0], primitive=_LOG_SOFTMAX), *x.inputs[1:]))
    if x.primitive is _SUM and len(x.inputs) == 1 and x.inputs[0].primitive is _EXP and "dtype" not in x.static:
        return replace(node, primitive=_LOG_SUM_EXP, inputs=x.inputs[0].inputs, static=x.static)
    return None


def _subtract(node: Node) -> Node | None:
    """Z − log Σ exp(z)."""
    z, total = node.inputs
    largest = behind(total)
    if largest.primitive is not _LOG_SUM_EXP or largest.inputs != (z,):
        return None
    axes = largest.static.get("axis")
    if not _goes_along(total.shape, z.shape, axes):
        return None
    return replace(node, primitive=_LOG_SOFTMAX, inputs=(unshifted(z, axes),), static={"axis": axes})


def _add(node: Node) -> Node | None:
    """Log Σ exp(x − m) + m."""
    for total, m in (node.inputs, node.inputs[::-1]):
        if total.primitive is not _LOG_SUM_EXP or len(total.inputs) != 1:
            continue
        z, axes = total.inputs[0], total.static.get("axis")
        if z.primitive is _SUBTRACT and _goes_along(z.inputs[1].shape, z.shape, axes):
            taken = z.inputs[1]
            if m is taken or (behind(m) is behind(taken) and behind(m).shape in (m.shape, taken.shape)):
                return replace(node, primitive=_LOG_SUM_EXP, inputs=z.inputs[:1], static=total.static)
    return None


def unshifted(z: Node, axes: Any) -> Node:
    """The array without what was subtracted from it alike along these axes."""
    while z.primitive is _SUBTRACT and z.inputs[0].shape == z.shape and _goes_along(z.inputs[1].shape, z.shape, axes):
        z = z.inputs[0]
    return z


def _goes_along(small: Shape, shape: Shape, axes: Any) -> bool:
    """Whether an array of shape `small`, broadcast, has one number along the axes and all of its own elsewhere."""
    along = axes_of(axes, len(shape))
    return over(small, shape) == tuple(1 if axis in along else n for axis, n in enumerate(shape))


def _softmax(x: Any, *, axis: Any = None) -> Any:
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _log_softmax(x: Any, *, axis: Any = None) -> Any:
    apart = x - np.max(x, axis=axis, keepdims=True)
    return apart - np.log(np.sum(np.exp(apart), axis=axis, keepdims=True))


def _log_sum_exp(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The logarithm of the sum of exp(x), of which no power is larger than 1."""
    largest = np.max(x, axis=axis, keepdims=True)
    found = np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True)) + largest
    return found if keepdims else np.squeeze(found, axis)


PLAIN: Mapping[Primitive, Callable[..., Any]] = {
    _SOFTMAX: _softmax,
    _LOG_SOFTMAX: _log_softmax,
    _LOG_SUM_EXP: _log_sum_exp,
}
_RULES = by_primitive({"divide": _divide, "log": _log, "subtract": _subtract, "add": _add})
