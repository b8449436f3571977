"""Transposes after the computation: a kernel then runs along memory, and two transposes that meet cancel.

A softmax of x.T over its columns is one of x over its rows, whose result is transposed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate, chain
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.ir.scalar_expressions import REDUCTIONS, reduced_axes
from dout.graph import Graph, Node, Shape, rebuild, renewed, with_inputs
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.identities import cancelled
from dout.rewrite.node_facts import applied, standing_for
from dout.rewrite.simplify import is_elementwise
from dout.rewrite.window_forms import basic_key

Axes = tuple[int, ...]


def untranspose(graph: Graph, orders: Mapping[Node, Axes] = MappingProxyType({})) -> Graph:
    """Return the graph in which a computation on transposed arrays is the transpose of one on the arrays themselves.

    Inputs in another order than C are transposes of arrays in C order: `orders` has the axes of each, outermost first.
    As NumPy does it, what is computed of them lies in their order.
    """
    turned = {node: _as_transpose(node, axes) for node, axes in orders.items()}

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        node = cancelled(renewed(node, new))
        of_turned = with_inputs(node, [turned.get(i, i) for i in node.inputs])
        made = _below(of_turned)
        return node if made is of_turned else made

    return rebuild(graph, change)


def _as_transpose(node: Node, axes: Axes) -> Node:
    row = PRIMITIVES["transpose"]
    inner = applied(row, (node,), {"axes": axes}, node.where)
    return applied(row, (inner,), {"axes": inverse(axes)}, node.where)


def _below(node: Node) -> Node:
    if node.primitive is PRIMITIVES["fold"]:
        return _of_windows(node)
    if node.primitive is PRIMITIVES["getitem"]:
        return _of_slices(node)
    if node.primitive is PRIMITIVES["reshape"]:
        return _of_a_split(node)
    make = _of_a_reduction if node.primitive in REDUCTIONS else _of_elements if is_elementwise(node) else None
    axes = _transposed_by(node) if make else None
    if make is None or axes is None:
        return node
    return standing_for(node, make(node, axes, AbstractRecorder(node.where)).node)


def _transposed_by(node: Node) -> Axes | None:
    """How all its inputs are transposed that are as large as the node (or that it reduces); None where they are not."""
    reduces = node.primitive in REDUCTIONS  # with a mask, that is an input too
    whole = node.inputs if reduces else [i for i in node.inputs if i.shape == node.shape]
    if not whole or (reduces and len(whole) > 1) or any(i.primitive is not PRIMITIVES["transpose"] for i in whole):
        return None
    ways = {i.static["axes"] for i in whole}
    return ways.pop() if len(ways) == 1 else None


def _of_elements(node: Node, axes: Axes, recorder: AbstractRecorder) -> Any:
    operands = []
    for value in node.inputs:
        operand: Any = recorder.wrap(value)
        if value.primitive is PRIMITIVES["transpose"] and value.static["axes"] == axes:
            operand = recorder.wrap(value.inputs[0])
        elif value.shape:
            lengths = (1,) * (len(axes) - len(value.shape)) + value.shape
            operand = _turned(operand, lengths, inverse(axes))
        operands.append(operand)
    return np.transpose(node.primitive(*operands, **node.static), axes)


def _of_a_reduction(node: Node, axes: Axes, recorder: AbstractRecorder) -> Any:
    gone = reduced_axes(node)
    source = recorder.wrap(node.inputs[0].inputs[0])
    made = node.primitive(source, **{**node.static, "axis": tuple(axes[a] for a in gone)})
    if node.static.get("keepdims"):
        return np.transpose(made, axes)
    left = [axis for k, axis in enumerate(axes) if k not in gone]
    return _turned(made, made.shape, tuple(sorted(left).index(axis) for axis in left))


def _of_windows(node: Node) -> Node:
    """Windows added up in the order in which they lie: the channels last, as a product of patches leaves them."""
    (windows,) = node.inputs
    places = windows.static["axes"][: len(node.shape)] if windows.primitive is PRIMITIVES["transpose"] else ()
    order = tuple(sorted(places))
    if order == places:
        return node
    ranks = tuple(map(order.index, places))
    static = {
        **node.static,
        "axes": tuple(ranks[axis] for axis in node.static["axes"]),
        "shape": tuple(node.shape[axis] for axis in inverse(ranks)),
    }
    source: Any = AbstractRecorder(node.where).wrap(windows.inputs[0])
    lying = np.transpose(source, (*order, *windows.static["axes"][len(order) :]))
    made: Any = np.transpose(node.primitive(lying, **static), ranks)
    return made.node  # type: ignore[no-any-return]


def _of_slices(node: Node) -> Node:
    (turned, *index), key = node.inputs, basic_key(node.static["key"], node.inputs[0].shape) or [0]
    if index or turned.primitive is not PRIMITIVES["transpose"] or not all(isinstance(part, slice) for part in key):
        return node
    axes = turned.static["axes"]
    source: Any = AbstractRecorder(node.where).wrap(turned.inputs[0])
    made: Any = np.transpose(source[tuple(key[axis] for axis in inverse(axes))], axes)
    return made.node  # type: ignore[no-any-return]


def _of_a_split(node: Node) -> Node:
    """Axes that are split: pooling as an array of windows, with the axes of each as axes of their own."""
    (turned,) = node.inputs
    parts = _split(turned.shape, node.shape)
    if turned.primitive is not PRIMITIVES["transpose"] or "order" in node.static or parts is None:
        return node
    axes = turned.static["axes"]
    lying = [parts[axis] for axis in inverse(axes)]
    begins = list(accumulate(map(len, lying), initial=0))
    source: Any = AbstractRecorder(node.where).wrap(turned.inputs[0])
    apart = np.reshape(source, tuple(chain.from_iterable(lying)))
    made: Any = np.transpose(apart, tuple(chain.from_iterable(range(begins[a], begins[a + 1]) for a in axes)))
    return made.node  # type: ignore[no-any-return]


def _split(shape: Shape, wider: Shape) -> list[Shape] | None:
    """The lengths into which each axis is split; None where a reshape does something else."""
    rest, found = list(wider), list[Shape]()
    for length in shape:
        part = [rest.pop(0)] if rest else [0]
        while math.prod(part) < length and rest:
            part.append(rest.pop(0))
        if math.prod(part) != length:
            return None
        found.append(tuple(part))
    return None if rest else found


def _turned(x: Any, lengths: Shape, axes: Axes) -> Any:
    """`x` in this shape, transposed; by a reshape where only axes of length one change places."""
    moving = [axis for axis in axes if lengths[axis] != 1]
    shape = tuple(lengths[axis] for axis in axes)
    if moving == sorted(moving):
        return x if shape == x.shape else np.reshape(x, shape)
    return np.transpose(np.reshape(x, lengths), axes)


def inverse(axes: Axes) -> Axes:
    """The axes of the transpose that undoes one by `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))
