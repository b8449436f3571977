"""Reads of a filled array where nothing was written yet are its number: `dx[place] += share` once for each place.

A loop that adds to parts of zeros which lie apart then only writes them, and one kernel makes what is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any

from dout.graph import Graph, Node, rebuild, renewed, with_inputs
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import number_of
from dout.rewrite.window_forms import basic_key

_MOST = 64  # writes that are looked at for one read: all of a loop would take as long as its square


def reads_of_fills(graph: Graph) -> Graph:
    """Return the graph in which parts of a filled array are read from it, where writes before left them alone."""
    return rebuild(graph, lambda node, new: _read_before(renewed(node, new)))


def _read_before(node: Node) -> Node:
    if node.primitive is not PRIMITIVES["getitem"] or len(node.inputs) > 1:
        return node
    array, key = node.inputs[0], basic_key(node.static["key"], node.inputs[0].shape)
    for _ in range(_MOST):
        if array.primitive is not PRIMITIVES["setitem"] or len(array.inputs) > 2 or key is None:
            break
        written = basic_key(array.static["key"], array.shape)
        if written is None or not _apart(key, written, array.shape):
            return node
        array = array.inputs[0]
    return node if number_of(array) is None else with_inputs(node, (array,))


def _apart(key: Sequence[Any], other: Sequence[Any], shape: Sequence[int]) -> bool:
    """Whether two indices have no element in common: along one axis at least no place."""
    return any(map(_share_none, map(_places, key, shape), map(_places, other, shape)))


def _places(part: int | slice, length: int) -> range:
    """The places that one part of an index takes, upwards."""
    if not isinstance(part, slice):
        return range(part % length, part % length + 1)
    places = range(length)[part]
    return places if places.step > 0 else places[::-1]


def _share_none(one: range, other: range) -> bool:
    """Whether two rows of places surely have none in common."""
    if not one or not other or one[-1] < other[0] or other[-1] < one[0]:
        return True
    if len(one) == 1 or len(other) == 1:
        return one[0] not in other if len(one) == 1 else other[0] not in one
    return (one[0] - other[0]) % gcd(one.step, other.step) != 0
