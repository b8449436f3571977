"""Nodes made anew, who uses a node, and the numbers that are known before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dout.graph import CONSTANT, Graph, Node, Primitive, Shape, Where, same_kind
from dout.ops import PRIMITIVES, by_primitive, kind_of, primitives
from dout.ops.abstract import AbstractRecorder

FILLED = by_primitive({"zeros": 0, "empty": 0, "ones": 1})  # what `empty` gives in a recording are zeros


def constant(value: Any, where: Where | None = None) -> Node:
    """A node that holds one number."""
    return Node(CONSTANT, (), {"value": value}, (), kind_of(value), where)


def applied(row: Primitive, inputs: Iterable[Node], static: Mapping[str, Any], where: Where | None = None) -> Node:
    """A row applied to some nodes; shape and dtype are inferred."""
    recorder = AbstractRecorder(where)
    made: Node = recorder.emit(row, tuple(map(recorder.wrap, inputs)), dict(static)).node
    return made


def made_by(function: Callable[..., Any], *operands: Any, where: Where | None = None, **named: Any) -> Any:
    """The result of `function`, in plain NumPy, on nodes and numbers: a node, or a number if no argument is a node."""
    recorder = AbstractRecorder(where)

    def wrapped(x: Any) -> Any:
        return recorder.wrap(x) if isinstance(x, Node) else x

    made = function(*map(wrapped, operands), **{name: wrapped(x) for name, x in named.items()})
    return getattr(made, "node", made)


def recorded_operands(node: Node) -> list[Any]:
    """Stand-ins of a node's operands, which record what plain NumPy makes of them."""
    return list(map(AbstractRecorder(node.where).wrap, node.inputs))


def standing_for(node: Node, made: Node | None) -> Node:
    """The replacement of a node if it has the node's shape and dtype; otherwise the node."""
    fits = made is not None and made.shape == node.shape and same_kind(made.dtype, node.dtype)
    return made if made is not None and fits else node


def users_of(graph: Graph) -> dict[Node, set[Node | None]]:
    """The nodes that read each value; None stands for the outputs of the graph."""
    users: dict[Node, set[Node | None]] = {node: {None} for node in graph.outputs.values()}
    for node in graph.nodes:
        for i in node.inputs:
            users.setdefault(i, set()).add(node)
    return users


def number_of(node: Node) -> Any:
    """The one number that each element of the node's value is, known before anything runs; otherwise None."""
    if node.primitive is CONSTANT:
        return node.static["value"]
    if node.primitive in FILLED:
        return np.full((), FILLED[node.primitive], node.dtype)[()]
    if node.primitive is PRIMITIVES["full"] and node.inputs[0].primitive is CONSTANT:
        return np.full((), node.inputs[0].static["value"], node.dtype)[()]
    return None


def is_constant(node: Node, number: float) -> bool:
    """Whether a node holds this one number."""
    return node.primitive is CONSTANT and bool(node.static["value"] == number)


def is_reshape(node: Node) -> bool:
    """Whether a step gives another shape, and the elements keep their order."""
    return node.primitive is PRIMITIVES["reshape"] and "order" not in node.static


def behind(node: Node, *, through: frozenset[Primitive] = primitives("reshape broadcast_to")) -> Node:
    """The value below steps that only add axes of length one or repeat it."""
    while node.primitive in through and len(node.inputs) == 1:
        (node,) = node.inputs
    return node


def over(small: Shape, shape: Shape) -> Shape:
    """A shape with the axes of length one that broadcasting adds."""
    return (1,) * (len(shape) - len(small)) + small
