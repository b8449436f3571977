"""Groups while they grow: which nodes belong together, and which group must run before which."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from dout.engine.ir.aliasing import nbytes
from dout.engine.ir.cost_model import SMALL, holds_more, is_view
from dout.engine.ir.iteration_space import FREE, Frame, fits_a_kernel, frame_of
from dout.graph import CONSTANT, INPUT, Graph, Node, topological
from dout.rewrite.node_facts import users_of

MOST_ARGUMENTS = 20  # the time of a call grows with them
MOST_NODES = 150  # and that of compiling with these
_LOOKED_AT = 4  # of the groups that read an array, the latest

Nodes = dict[Node, None]  # an ordered set


@dataclass(eq=False, slots=True)
class Cluster:
    """A step in the making: nodes of one kernel, or one node without a frame, which NumPy will run.

    `bit` is one bit of its own (several once clusters were merged), `above` the bits of all that must run before it,
    `below` the clusters that read from it.
    """

    nodes: Nodes
    inputs: Nodes
    frame: Frame | None
    bit: int
    above: int = 0
    below: set[Cluster] = field(default_factory=set)


class Partition:
    """The nodes of a graph in clusters, such that an order exists in which the clusters can run."""

    def __init__(self, graph: Graph) -> None:
        needed = set(topological(graph.outputs.values()))
        self.order = tuple(n for n in graph.nodes if n in needed and n.primitive not in (INPUT, CONSTANT))
        self.index = {node: i for i, node in enumerate(self.order)}
        self.outputs = frozenset(graph.outputs.values())
        self.users = users_of(graph)
        self.fusible = {node for node in self.order if fits_a_kernel(node)}
        self.free = {node for node in self.fusible if node.primitive in FREE}
        self.home: dict[Node, Cluster] = {}
        self._readers: dict[Node, list[Cluster]] = {}
        slow = [not (node in self.fusible or is_view(node) or not node.shape) for node in self.order]
        self._passed = list(accumulate(slow))  # steps that take long, like products of matrices, up to each node
        self._since: dict[Node, int] = {}  # and up to the last of them that a node depends on
        for node, passed, own in zip(self.order, self._passed, slow, strict=True):
            self._since[node] = passed if own else self._latest(node.inputs)

    def place(self, node: Node) -> None:
        """Give a node, whose inputs are placed, to the clusters that gain most by it, or to one of its own."""
        inputs = outside(node.inputs, ())
        frame = frame_of(node) if node in self.fusible and node not in self.free else None
        cluster = Cluster({node: None}, inputs, frame, 1 << self.index[node])
        if frame is not None:
            self.take_in(cluster.nodes, inputs, frame)
        self.home[node] = cluster
        self._link(cluster)
        if frame is None:
            return
        for other in self._candidates(cluster):
            if other is not cluster:
                cluster = self._merge(other, cluster) or cluster
        for value in cluster.inputs:
            readers = self._readers.setdefault(value, [])
            if cluster not in readers:
                self._readers[value] = [*readers[1 - _LOOKED_AT :], cluster]

    def join_alike(self) -> None:
        """Make one kernel of neighbours that run over the same space, though they share nothing.

        Sums may then share what they are made of; and where arrays are small, a call costs more than they do. Nothing
        slow, like a product of matrices, lies between neighbours: what they hand out need not wait for each other.
        """
        latest: dict[tuple[Frame, int], Cluster] = {}
        for cluster in sorted(set(self.home.values()), key=lambda cluster: cluster.bit):
            frame = cluster.frame
            if frame is not None and (frame.axes or math.prod(frame.space) <= SMALL):
                place = frame, self._passed[cluster.bit.bit_length() - 1]
                merged = self._merge(latest[place], cluster) if place in latest else None
                latest[place] = merged or cluster

    def take_in(self, nodes: Nodes, inputs: Nodes, frame: Frame) -> None:
        """Move into a kernel each of its inputs that costs nothing to compute and has a place there."""
        waiting = [value for value in inputs if value in self.free]
        while waiting:
            value = waiting.pop()
            users = [user for user in self.users[value] if user in nodes]
            within = [i for i in value.inputs if i in nodes]
            computed = frame.holds(value) and all(frame.connects(value, i) for i in within)
            read = frame.reads(value) and not within
            if (computed or read) and all(frame.connects(user, value) for user in users):
                del inputs[value]
                nodes[value] = None
                found = [i for i in outside(value.inputs, nodes) if i not in inputs]
                inputs.update(dict.fromkeys(found))
                waiting += [i for i in found if i in self.free]

    def fits(self, nodes: Nodes, inputs: Nodes) -> bool:
        """Whether a kernel of this size is still a good one."""
        handed_out = sum(
            node in self.outputs or any(user in self.home and user not in nodes for user in self.users.get(node, ()))
            for node in nodes
        )
        return len(nodes) <= MOST_NODES and len(inputs) + handed_out <= MOST_ARGUMENTS

    def needed(self) -> list[tuple[Cluster, list[Node]]]:
        """The clusters that the outputs need, in an order in which they can run, each with what others need of it."""
        wanted = set(self.outputs)
        found = []
        for cluster in reversed(self._sorted()):
            outputs = [node for node in cluster.nodes if node in wanted and self.home[node] is cluster]
            if outputs:
                found.append((cluster, outputs))
                wanted.update(cluster.inputs)
        return found[::-1]

    def _sorted(self) -> list[Cluster]:
        """All clusters, each after those it reads from, and otherwise where its last node was recorded."""
        order: dict[Cluster, None] = {}
        opened: set[Cluster] = set()
        stack = sorted(set(self.home.values()), key=lambda cluster: cluster.bit, reverse=True)
        while stack:
            cluster = stack[-1]
            if cluster in opened:
                order[stack.pop()] = None
                continue
            opened.add(cluster)
            sources = {self.home[value] for value in cluster.inputs if value in self.home}
            stack += sorted(sources - opened, key=lambda cluster: cluster.bit, reverse=True)
        return list(order)

    def _candidates(self, cluster: Cluster) -> list[Cluster]:
        """The clusters that it takes values from, or shares large inputs with; the largest gain first."""
        assert cluster.frame is not None
        gains: dict[Cluster, int] = {}
        for value in cluster.inputs:
            sources = value.inputs if value in self.free else (value,)
            near = [self.home[source] for source in sources if source in self.home]
            if value.shape == cluster.frame.space:
                near += self._readers.get(value, ())
            for other in dict.fromkeys(near):
                if other.frame is not None:
                    gains[other] = gains.get(other, 0) + nbytes(value)
        return sorted(gains, key=gains.__getitem__, reverse=True)

    def _merge(self, large: Cluster, small: Cluster) -> Cluster | None:
        """Merge two clusters into one; return None and change nothing where that is impossible."""
        assert large.frame is not None
        assert small.frame is not None
        frame = large.frame.with_(small.frame)
        if frame is None or len(large.nodes) + len(small.nodes) > MOST_NODES:
            return None
        if not (_connect(frame, large, small) and _connect(frame, small, large)):
            return None
        nodes = large.nodes | small.nodes
        inputs = outside([*large.inputs, *small.inputs], nodes)
        self.take_in(nodes, inputs, frame)
        both = large.bit | small.bit
        before = {self.home[value] for value in inputs if value in self.home}
        if any(cluster.above & both for cluster in before) or not self.fits(nodes, inputs):
            return None
        if large.frame.space != small.frame.space and not _continues(large, small, frame, nodes):
            return None
        if self._waits(large, small, nodes) or self._waits(small, large, nodes):
            return None
        for node in small.nodes:
            if self.home.get(node) is small:
                self.home[node] = large
        large.nodes, large.inputs, large.frame, large.bit = nodes, inputs, frame, both
        large.below = (large.below | small.below) - {large, small}
        small.frame = None
        for cluster in before:
            cluster.below.discard(small)
        self._link(large)
        return large

    def _waits(self, early: Cluster, late: Cluster, nodes: Nodes) -> bool:
        """Whether `early` would wait for a slow step that `late` needs, with more in memory than it has to hand on."""
        if self.ready(early) >= self.ready(late):
            return False
        held = [v for v in early.inputs if v in self.home and v not in late.nodes and not is_view(v)]
        ends = [v for v in held if self._is_read_by(early.nodes, v)]
        saved = [v for v in late.inputs if v in early.nodes and self._is_read_by(nodes, v)]
        return holds_more(ends, saved)

    def ready(self, cluster: Cluster) -> int:
        """How many slow steps were recorded before a cluster has all that it reads."""
        return self._latest(cluster.inputs)

    def _latest(self, values: Iterable[Node]) -> int:
        return max((self._since.get(value, 0) for value in values), default=0)

    def _is_read_by(self, nodes: Nodes, value: Node) -> bool:
        """Whether a value is read by these nodes alone."""
        return value not in self.outputs and all(user in nodes for user in self.users[value])

    def _link(self, cluster: Cluster) -> None:
        """Note what is above a cluster, and tell those below; a bit of the cluster itself they have already."""
        for value in cluster.inputs:
            if value in self.home:
                source = self.home[value]
                source.below.add(cluster)
                cluster.above |= source.above | source.bit
        waiting = [cluster]
        while waiting:
            upper = waiting.pop()
            for lower in upper.below:
                if upper.above & ~lower.above:
                    lower.above |= upper.above
                    waiting.append(lower)


def outside(values: Iterable[Node], nodes: Iterable[Node]) -> Nodes:
    """Those of `values` that come from outside of `nodes`; literals are written where they are used."""
    return {value: None for value in values if value not in nodes and value.primitive is not CONSTANT}


def kept(nodes: Nodes, outputs: Iterable[Node]) -> set[Node]:
    """Those of `nodes` that `outputs` need."""
    found: set[Node] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node in nodes and node not in found:
            found.add(node)
            waiting += node.inputs
    return found


def _connect(frame: Frame, upper: Cluster, lower: Cluster) -> bool:
    """Whether every value that `lower` takes from `upper` is at hand where it is used."""
    if upper.nodes.keys().isdisjoint(lower.inputs):
        return True
    return all(frame.connects(user, value) for user in lower.nodes for value in user.inputs if value in upper.nodes)


def _continues(a: Cluster, b: Cluster, frame: Frame, nodes: Nodes) -> bool:
    """Whether the smaller cluster reads values of the larger one, and does not only have the shape of its sums."""
    small, large = (a, b) if a.frame != frame else (b, a)
    reads = {value for node in small.nodes for value in node.inputs}
    reads |= {i for value in reads if value in nodes and value.primitive in FREE for i in value.inputs}
    return all(map(frame.holds, small.nodes)) and not reads.isdisjoint(large.nodes)
