"""Which values forward keeps for backward: the fewest bytes from which the gradients can be computed.

A minimal cut through the graph between what forward is given and what the gradients read. A value costs its bytes;
what a layer holds anyway costs nothing. Of equal cuts it is the one nearest to the gradients: it computes the least
again.
Source: Dinic and Karp's augmenting paths; the cut as in Chen et al., "Training Deep Nets with Sublinear Memory Cost"
(2016), and in PyTorch's min-cut partitioner.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from dout.graph import CONSTANT, Node

_FREE, _NEVER = 0, 10**15
_ALSO = 1  # a value by itself, so that of equal bytes the fewest are kept


def bytes_of(node: Node) -> int:
    """How many bytes a value takes."""
    return math.prod(node.shape) * np.dtype(node.dtype).itemsize


def kept(
    read: Collection[Node],
    recipe: Mapping[Node, tuple[Node, ...]],
    cost: Callable[[Node], int | None],
    again: Callable[[Node], bool],
) -> list[Node] | None:
    """The values to keep so that every value in `read` can be computed; None if that is impossible.

    `recipe` has what each is computed from; `cost` its bytes, or None where it cannot be kept; `again` says whether it
    may be computed a second time.
    """
    network = _Network()
    seen: dict[Node, None] = {}  # in an order that is the same in every run
    waiting = list(read)
    for node in read:
        network.join((node, 1), "gradients", _NEVER)
    while waiting:
        node = waiting.pop()
        if node in seen or node.primitive is CONSTANT:
            continue
        seen[node] = None
        price = cost(node)
        network.join((node, 0), (node, 1), _NEVER if price is None else price * 1000 + (_ALSO if price else _FREE))
        sources = recipe.get(node, ())
        if sources and again(node):
            for i in sources:
                if i.primitive is not CONSTANT:
                    network.join((i, 1), (node, 0), _NEVER)
                    waiting.append(i)
        elif not node.inputs or not again(node):
            network.join("forward", (node, 0), _NEVER)
    if network.flow("forward", "gradients") >= _NEVER:
        return None
    return network.cut("gradients", seen)


class _Network:
    """A flow network, small."""

    def __init__(self) -> None:
        self.left: dict[object, dict[object, int]] = {}

    def join(self, one: object, other: object, capacity: int) -> None:
        self.left.setdefault(one, {})
        self.left.setdefault(other, {})
        self.left[one][other] = max(self.left[one].get(other, 0), capacity)
        self.left[other].setdefault(one, 0)

    def flow(self, source: object, sink: object) -> int:
        """The largest flow; what is left of the capacities stays."""
        total = 0
        while total < _NEVER and (path := self._path(source, sink)):
            least = min(self.left[a][b] for a, b in path)
            for a, b in path:
                self.left[a][b] -= least
                self.left[b][a] += least
            total += least
        return total

    def _path(self, source: object, sink: object) -> list[tuple[object, object]]:
        came: dict[object, object] = {source: source}
        queue = deque([source])
        while queue:
            at = queue.popleft()
            for to, capacity in self.left.get(at, {}).items():
                if capacity > 0 and to not in came:
                    came[to] = at
                    queue.append(to)
        if sink not in came:
            return []
        path, at = [], sink
        while came[at] is not at:
            path.append((came[at], at))
            at = came[at]
        return path

    def cut(self, sink: object, nodes: Iterable[Node]) -> list[Node]:
        """The nodes whose value crosses the cut that lies nearest to the sink."""
        reaches = {sink}
        queue = deque([sink])
        while queue:
            at = queue.popleft()
            for before in self.left.get(at, {}):
                if self.left[before].get(at, 0) > 0 and before not in reaches:
                    reaches.add(before)
                    queue.append(before)
        return [node for node in nodes if (node, 1) in reaches and (node, 0) not in reaches]
