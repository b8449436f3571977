"""Passes that change no bit of any value: constant arithmetic, steps done twice and steps that do nothing go.

A graph is taken as pure values here: copies go, and so does the memory order in which arrays are made (the last bit of
NumPy's own sums can depend on it). NaN is NaN, whatever its sign.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dout.graph import CONSTANT, INPUT, Graph, Node, rebuild, renewed, same_kind, settled, topological, with_inputs
from dout.ops import PRIMITIVES, kind_of, primitives
from dout.ops.registry import broadcast
from dout.rewrite.identities import cancelled
from dout.rewrite.node_facts import constant, number_of, over

COMMUTATIVE = primitives(
    "add multiply equal not_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor"
)


def simplify(graph: Graph) -> Graph:
    """Return the graph without constant arithmetic, steps that do nothing, and steps done twice.

    An array that holds one number everywhere is `full` of it, and where it meets other arrays element by element, the
    number stands in its place.
    """

    def once(graph: Graph) -> Graph:
        merged = _Merged()
        return rebuild(graph, lambda node, new: merged(cancelled(_folded(renewed(node, new)))))

    return settled(graph, once)


def simplified(node: Node) -> Node:
    """The same value without constant arithmetic, steps that do nothing, and steps done twice."""
    return simplify(Graph(topological([node]), {}, {"": node})).outputs[""]


def merge_equal_nodes(graph: Graph) -> Graph:
    """Return the graph in which equal steps are one node: the same primitive of the same inputs."""
    merged = _Merged()
    return rebuild(graph, lambda node, new: merged(renewed(node, new)))


def without_kept_axes(graph: Graph) -> Graph:
    """The graph in which x − x.mean(0, keepdims=True) is x − x.mean(0), where that mean is computed anyway."""
    plain = {(n.primitive, *n.inputs, n.static.get("axis")): n for n in graph.nodes if set(n.static) == {"axis"}}

    def written(node: Node, new: Mapping[Node, Node]) -> Node:
        if not is_elementwise(node):
            return renewed(node, new)
        inputs = [_framed(i, plain.get((i.primitive, *i.inputs, i.static.get("axis")))) for i in node.inputs]
        fits = np.broadcast_shapes(*(i.shape for i in inputs)) == node.shape
        return with_inputs(node, tuple(new.get(i, i) for i in (inputs if fits else node.inputs)))

    return rebuild(graph, written)


def with_known_reductions(graph: Graph, known: Iterable[Node]) -> Graph:
    """Return the graph in which a reduction with kept axes is a reshape of the `known` one without."""
    plain = {(n.primitive, *n.inputs, n.static["axis"]): n for n in known if set(n.static) == {"axis"}}

    def written(node: Node, new: Mapping[Node, Node]) -> Node:
        bare = (
            plain.get((node.primitive, *node.inputs, node.static.get("axis"))) if node.static.get("keepdims") else None
        )
        if bare is None or set(node.static) != {"axis", "keepdims"}:
            return renewed(node, new)
        static = {"shape": node.shape}
        return replace(node, primitive=PRIMITIVES["reshape"], inputs=(new.get(bare, bare),), static=static)

    return rebuild(graph, written)


def _framed(node: Node, bare: Node | None) -> Node:
    """`bare` if the value is `bare` with leading axes of length one; else the value itself."""
    return bare if bare is not None and node.shape == over(bare.shape, node.shape) else node


# --- constants --------------------------------------------------------------------------------------------------------

_ELEMENTWISE = primitives("astype copy asarray")
_BY_SCALARS = primitives("pow power")  # NumPy computes x ** 2 in another way than x ** [2, 2]
# The same bits wherever they are computed; NumPy's other functions may differ between one number and many.
_ROUNDED_ONCE = primitives(
    "add subtract multiply divide negative sqrt square absolute where less less_equal greater greater_equal equal "
    "not_equal astype maximum minimum"
)
_MOVING = primitives("reshape ravel flatten transpose broadcast_to getitem")


def is_elementwise(node: Node) -> bool:
    """Whether each element of the result depends on one element of each input, after broadcasting."""
    return node.primitive.infer is broadcast or node.primitive in _ELEMENTWISE


def _folded(node: Node) -> Node:
    if node.primitive is CONSTANT:
        return node
    if node.shape == ():
        known = all(i.primitive is CONSTANT for i in node.inputs)
        return _computed(node, [i.static["value"] for i in node.inputs]) if known else node
    numbers = [number_of(i) for i in node.inputs]
    if None not in numbers and is_elementwise(node):
        # In arrays of one element, where NumPy takes the same way as for many.
        return _computed(node, [_alone(i, number) for i, number in zip(node.inputs, numbers, strict=True)])
    if numbers[:1] != [None] and len(numbers) == 1 and node.primitive in _MOVING:
        return _full(numbers[0], node)
    return _narrowed(node) if is_elementwise(node) and node.primitive not in _BY_SCALARS else node


def _alone(node: Node, number: Any) -> Any:
    return np.full((1,) * len(node.shape), number, node.dtype) if node.shape else number


def _computed(node: Node, values: list[Any]) -> Node:
    """The node as a constant or as `full` of one number; unchanged if its row raises."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = np.ravel(node.primitive.apply(values, node.static))[0] if node.shape else _number(node, values)
    except Exception:  # the run will raise it, in its own time and place
        return node
    if node.shape:
        return _full(value, node)
    return constant(value, node.where) if same_kind(kind_of(value), node.dtype) else node


def _number(node: Node, values: list[Any]) -> Any:
    value = node.primitive.apply(values, node.static)
    return value[()] if isinstance(value, np.ndarray) else value


def _full(value: Any, node: Node) -> Node:
    """An array that holds one number everywhere, in the place of `node`."""
    if not same_kind(kind_of(value), node.dtype):
        return node
    static = {"shape": node.shape, "dtype": node.dtype}
    return replace(node, primitive=PRIMITIVES["full"], inputs=(constant(value, node.where),), static=static)


def _narrowed(node: Node) -> Node:
    """The node applied before its inputs are broadcast; a smaller result is broadcast afterwards."""
    inputs = tuple([_unrepeated(i) for i in node.inputs])
    if inputs == node.inputs:
        return node
    shape = np.broadcast_shapes(*(i.shape for i in inputs))
    if shape == node.shape:
        return with_inputs(node, inputs)
    if node.primitive not in _ROUNDED_ONCE:
        return node
    small = replace(node, inputs=inputs, shape=shape)
    return replace(node, primitive=PRIMITIVES["broadcast_to"], inputs=(small,), static={"shape": node.shape})


def _unrepeated(node: Node) -> Node:
    if node.primitive is PRIMITIVES["broadcast_to"] and same_kind(node.dtype, node.inputs[0].dtype):
        return node.inputs[0]
    if node.primitive is PRIMITIVES["reshape"] and node.shape == over(node.inputs[0].shape, node.shape):
        return node.inputs[0]
    number = number_of(node) if node.shape else None
    return node if number is None else constant(number, node.where)


# --- the same thing twice ---------------------------------------------------------------------------------------------


class _Merged:
    """Gives for each node the first one that is equal to it."""

    def __init__(self) -> None:
        self.first: dict[Any, Node] = {}

    def __call__(self, node: Node) -> Node:
        if node.primitive is INPUT:
            return node
        inputs = [id(i) for i in node.inputs]
        if node.primitive in COMMUTATIVE:
            inputs.sort()
        static = tuple([(name, _frozen(item)) for name, item in node.static.items()])
        # The node keeps alive whatever the key names by its id.
        return self.first.setdefault((node.primitive, *inputs, static), node)


_AS_THEY_ARE = frozenset({int, str, bool, type(None)})


def _frozen(item: Any) -> Any:
    """A key that two static parameters share where they are the same in type and bits."""
    if (kind := type(item)) in _AS_THEY_ARE:  # nearly all
        return kind, item
    if isinstance(item, float | complex):
        return type(item), repr(item)
    if isinstance(item, np.ndarray | np.generic):
        return type(item), item.dtype, item.shape, "nan" if item.shape == () and item != item else item.tobytes()
    if isinstance(item, tuple | list):
        return kind, tuple([_frozen(part) for part in item])
    if isinstance(item, dict):
        return dict, tuple((name, _frozen(part)) for name, part in item.items())
    if isinstance(item, slice):
        return slice, _frozen((item.start, item.stop, item.step))
    return type(item), item if isinstance(item, Hashable) else id(item)
