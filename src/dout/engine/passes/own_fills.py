"""Each write begins with zeros of its own: equal zeros are one node, which only the last write may change in place.

To fill an array costs less than to copy one, and a sum at index arrays has a function of its own only in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dout.engine.ir.aliasing import IN_PLACE
from dout.graph import Graph, Node, rebuild, renewed, with_inputs
from dout.rewrite.node_facts import FILLED


def own_fills(graph: Graph) -> Graph:
    """Return the graph in which no two writes begin with the same filled array."""
    begun: set[Node] = set()

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made = renewed(node, new)
        if made.primitive not in IN_PLACE or made.inputs[0].primitive not in FILLED:
            return made
        first, *others = made.inputs
        if first in begun:
            return with_inputs(made, (replace(first), *others))
        begun.add(first)
        return made

    return rebuild(graph, change)
