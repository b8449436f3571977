"""Gradients as graph: from a graph, the nodes that compute its gradients.

Each row's `backward` runs on abstract stand-ins (shape and dtype, no value), so a gradient is made of ordinary nodes,
which can be drawn, compiled and differentiated again. Broadcasting is undone here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.graph import CONSTANT, Node, topological
from dout.ops.abstract import AbstractRecorder
from dout.ops.create import asarray
from dout.ops.elementwise import add
from dout.ops.shape import astype, sum_to


@dataclass(frozen=True)
class Gradients:
    """Nodes of gradients: `of` a value, and `on` an edge, which is (the node that uses it, which argument).

    `nodes` are all that were made for them, each after its inputs.
    """

    of: Mapping[Node, Node]
    on: Mapping[tuple[Node, int], Node]
    nodes: Sequence[Node]


def backpropagate(
    seeds: Mapping[Node, Node],
    until: Collection[Node] = (),
    taken: Mapping[Node, Sequence[Node]] = MappingProxyType({}),
) -> Gradients:
    """Return the gradient of every value that the nodes in `seeds` depend on, given the gradient of each seed.

    A value without an entry has no gradient: nothing differentiable leads from it to a seed. Several uses of one value
    add up, in the order in which they were recorded. The values of `until` are taken for inputs: what they are computed
    from is left out. A value of `taken` has the sum of what is given there, in place of what its uses give.
    Source: reverse accumulation, Griewank and Walther, "Evaluating Derivatives" (SIAM, 2008), chapter 3.
    """
    recorder = AbstractRecorder()
    of: dict[Node, Node] = {}
    on: dict[tuple[Node, int], Node] = {}
    waiting: dict[Node, list[Any]] = {node: [recorder.wrap(dout)] for node, dout in seeds.items()}
    for node in reversed(topological(seeds)):
        parts = waiting.pop(node, None)
        if parts is None:
            continue
        parts = [recorder.wrap(given) for given in taken[node][::-1]] if node in taken else parts
        total = parts[-1]
        for part in parts[-2::-1]:  # they arrived last use first
            total = add(total, part)
        of[node] = total.node
        backward = node.primitive.backward
        is_step = np.dtype(node.dtype) == np.bool_  # a condition, whatever row made it
        if backward is None or is_step or node in until:
            continue
        if isinstance(total.dtype, type) and not isinstance(node.dtype, type):
            total = asarray(total)  # backward(1.0) of an array: the rows compute with NumPy's numbers
        inputs = [recorder.wrap(i) for i in node.inputs]
        found = backward(total, recorder.wrap(node), *inputs, **node.static)
        for argument, gradient in enumerate(found if isinstance(found, tuple) else (found,)):
            if gradient is not None and node.inputs[argument].primitive is not CONSTANT:
                fitted = _fit(gradient, node.inputs[argument])
                on[node, argument] = fitted.node
                waiting.setdefault(node.inputs[argument], []).append(fitted)
    return Gradients(of, on, recorder.made)


def _fit(gradient: Any, value: Node) -> Any:
    """Give a gradient the shape of its value, and its dtype where that is a NumPy float."""
    if gradient.shape != value.shape:
        gradient = sum_to(gradient, value.shape)
    dtype = value.dtype
    if not isinstance(dtype, type) and np.issubdtype(dtype, np.inexact) and gradient.dtype != dtype:
        gradient = astype(gradient, dtype=dtype)
    return gradient
