"""Mean, variance, softmax and repeats as the simpler rows they are made of, so that they share passes of one kernel.

Written in plain NumPy, which records itself. Each gives what the row's own function computes, in the same order of
arithmetic; whole sums over what was computed row by row are added up in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.ir.iteration_space import Frame, fits_a_kernel, frame_of
from dout.engine.ir.scalar_expressions import REDUCTIONS, reduced_axes
from dout.engine.passes.untranspose import untranspose
from dout.graph import Graph, Node, Primitive, rebuild, renewed, same_kind
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.abstract import AbstractRecorder
from dout.ops.reduce import Axis
from dout.rewrite.node_facts import recorded_operands, standing_for


def decompose(graph: Graph, orders: Mapping[Node, tuple[int, ...]] = MappingProxyType({})) -> Graph:
    """Return the graph in which mean, var, std, softmax and repeats are made of sums, broadcasts and what goes between.

    A variance takes two passes, as in NumPy. Computation on transposed arrays moves to the arrays themselves; `orders`
    says which inputs are transposed. A sum over everything that was computed row by row (the loss after a softmax)
    becomes the sum of the rows' sums, which belong to the kernel of the rows.
    """
    parts = rebuild(graph, _decomposed)
    return _by_rows(untranspose(parts, orders))


def _decomposed(old: Node, new: Mapping[Node, Node]) -> Node:
    node = renewed(old, new)
    if _repeats(old):
        return standing_for(node, _repeated(old, new))
    rule = _RULES.get(node.primitive)
    if rule is None or not _is_plain(node):
        return node
    return standing_for(node, rule(recorded_operands(node)[0], **node.static).node)


def _repeats(node: Node) -> bool:
    """Whether each element comes as often as the others, one after the other along an axis."""
    known = type(node.static.get("repeats")) is int and type(node.static.get("axis")) is int
    return (
        node.primitive is PRIMITIVES["repeat"] and known and len(node.inputs) == 1 and math.prod(node.shape) >= _SMALL
    )


def _repeated(node: Node, new: Mapping[Node, Node]) -> Node:
    """Repeats, one after the other, as a broadcast along axes of their own."""
    times = [1] * len(node.shape)
    while _repeats(node):
        times[node.static["axis"]] *= node.static["repeats"]
        (node,) = node.inputs
    x: Any = AbstractRecorder(node.where).wrap(new[node])
    some = list(zip(node.shape, times, strict=True))
    apart = [part for n, many in some for part in ((n,) if many == 1 else (n, 1))]
    wide = [part for n, many in some for part in ((n,) if many == 1 else (n, many))]
    result: Any = np.reshape(np.broadcast_to(np.reshape(x, apart), wide), [n * many for n, many in some])
    return result.node  # type: ignore[no-any-return]


def _is_plain(node: Node) -> bool:
    x, *where = node.inputs
    floats = x.dtype in (np.float32, np.float64) and same_kind(x.dtype, node.dtype)
    return floats and not where and not node.static.keys() - _OPTIONS and math.prod(x.shape) > 0 and x.shape != ()


_SMALL = 1 << 12  # elements, below which NumPy's call takes as long as a kernel's
_OPTIONS = frozenset({"axis", "keepdims", "ddof"})


def _count(x: Any, axis: Axis) -> int:
    axes = range(len(x.shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    return math.prod(x.shape[a] for a in axes)


def _mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.sum(x, axis=axis, keepdims=keepdims) / _count(x, axis)


def _var(x: Any, axis: Axis = None, keepdims: bool = False, ddof: Any = 0) -> Any:
    deviation = x - _mean(x, axis, keepdims=True)
    return np.sum(np.square(deviation), axis=axis, keepdims=keepdims) / max(_count(x, axis) - ddof, 0)


def _softmax(x: Any, axis: Axis = None) -> Any:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Axis = None) -> Any:
    largest = np.max(x, axis=axis, keepdims=True)
    shifted = x - np.where(np.equal(largest - largest, 0), largest, 0)  # infinite ones shift nothing
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


_RULES: dict[Primitive, Callable[..., Any]] = by_primitive(
    {
        "mean": _mean,
        "var": _var,
        "std": lambda x, **options: np.sqrt(_var(x, **options)),
        "special_softmax": _softmax,
        "special_log_softmax": _log_softmax,
    }
)


def _by_rows(graph: Graph) -> Graph:
    """The graph in which sums over more than the axes along which their input was computed sum over those first."""
    along: dict[Node, Frame] = {}  # the reductions that a value was computed with, from values of its own shape

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        node = renewed(node, new)
        if not fits_a_kernel(node):
            return node
        frames = [along[i] for i in node.inputs if i in along]
        if node.primitive in REDUCTIONS:
            return _in_two(node, frames[0] if frames else None, along)
        for frame in frames:
            if node.shape == frame.space or frame.reduces_to(node.shape):
                along[node] = frame
        return node

    return rebuild(graph, change)


def _in_two(node: Node, frame: Frame | None, along: dict[Node, Frame]) -> Node:
    x, axes = node.inputs[0], reduced_axes(node)
    first = frame is not None and x.shape == frame.space and set(frame.axes) < set(axes)
    if not first or node.primitive is not PRIMITIVES["sum"] or not same_kind(x.dtype, node.dtype):
        along[node] = frame_of(node)
        return node
    assert frame is not None
    value = AbstractRecorder(node.where).wrap(x)
    rows = np.sum(value, axis=frame.axes, keepdims=True)
    return np.sum(rows, axis=axes, keepdims=node.static.get("keepdims", False)).node  # type: ignore[no-any-return]
