"""A graph in; how far each of its steps is affine out: sums and moves of what it is given, and products with constants.

Numbers cannot tell this: a clip at 255, or a test for NaN, gives what its absence gives on all numbers that were tried.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dout.graph import Graph, Node
from dout.ops import by_primitive, primitives

_IN_ALL = primitives("add subtract negative positive array concatenate")
_IN_EACH = primitives("multiply matmul dot inner convolve einsum")  # while the other operands are constant
_IN_FIRST = primitives(
    "divide reshape ravel flatten transpose broadcast_to copy astype asarray getitem scatter full repeat tile pad roll "
    "tril triu diag diagonal windows fold sum mean cumsum"
)
_IN_PLACES = by_primitive({"setitem": (0, 1), "add_at": (0, 1)})


def is_affine_in(node: Node, places: Sequence[int]) -> bool:
    """Whether a step is an affine function of its inputs at these places, for every number: by its row alone."""
    row = node.primitive
    if node.kind != "f":
        return False
    if row in _IN_EACH:
        return len(places) <= 1
    return row in _IN_ALL or {*places} <= {*_IN_PLACES.get(row, (0,) if row in _IN_FIRST else ())}


def last_bends(graph: Graph, moving: Collection[Node]) -> dict[Node, int]:
    """For each moving step, where in the graph the last one lies that it follows from, or is, and that is not affine.

    -1 where there is none.
    """
    found: dict[Node, int] = {}
    for at, node in enumerate(graph.nodes):
        if node in moving:
            places = [i for i, given in enumerate(node.inputs) if given in moving]
            before = max((found[node.inputs[i]] for i in places), default=-1)
            found[node] = before if is_affine_in(node, places) or not places else at
    return found
