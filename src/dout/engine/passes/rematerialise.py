"""Keep or compute again: a value that one kernel hands to another is made where it is used, if that is cheaper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dout.engine.ir.aliasing import nbytes
from dout.engine.ir.cost_model import CALL, holds_more, is_view, work
from dout.engine.ir.scalar_expressions import REDUCTIONS
from dout.engine.passes.cluster import Cluster, Nodes, Partition, kept, outside
from dout.graph import Node

Readers = dict[Node, set[Cluster]]


@dataclass(frozen=True, slots=True)
class ClusterForm:
    """What a cluster would hold, read and hand out."""

    nodes: Nodes
    inputs: Nodes
    outputs: frozenset[Node]

    def cost(self) -> float:
        """Bytes moved, and those that could have moved while it computes."""
        if not self.nodes:
            return 0
        return CALL + sum(map(nbytes, self.inputs)) + sum(map(nbytes, self.outputs)) + sum(map(work, self.nodes))


def rematerialise(partition: Partition) -> None:
    """Compute values where they are used, in place of writing and reading them, where that moves fewer bytes.

    A value moves with what it is made of, or is made twice where its old kernel goes on to need it. Outputs of the
    graph and what NumPy reads are in memory anyway and stay; reductions stay; of what is slow to compute nothing is
    made twice.
    """
    readers: Readers = {}
    for cluster, _ in partition.needed():
        for value in cluster.inputs:
            readers.setdefault(value, set()).add(cluster)
    for value in reversed(partition.order):
        if value in partition.fusible and value not in partition.outputs and readers.get(value):
            for deep in (True, False):
                if _move(partition, readers, value, deep=deep):
                    break


def _move(partition: Partition, readers: Readers, value: Node, *, deep: bool) -> bool:
    """Move one value to its readers if that is cheaper; `deep`: with what it is made of."""
    source = partition.home[value]
    users = sorted(readers[value], key=lambda cluster: cluster.bit)
    if (
        source.frame is None
        or not source.frame.space
        or value.primitive in REDUCTIONS
        or any(user.frame is None for user in users)
    ):
        return False
    forms: dict[Cluster, ClusterForm] = {}
    for user in users:
        pulled = _pulled(partition, readers, value, user, deep=deep)
        form = pulled and _with(partition, readers, user, pulled)
        if not form:
            return False
        forms[user] = form
    if _holds_more(partition, readers, value, forms):
        return False
    asked = {i for form in forms.values() for i in form.inputs}
    outputs = (_outputs(partition, readers, source) - {value}) | (asked & source.nodes.keys())
    left = kept(source.nodes, outputs)
    nodes = {node: None for node in source.nodes if node in left}
    inputs = outside((i for node in nodes for i in node.inputs), nodes)
    forms[source] = ClusterForm(nodes, inputs, frozenset(outputs))
    before = sum(
        ClusterForm(cluster.nodes, cluster.inputs, _outputs(partition, readers, cluster)).cost() for cluster in forms
    )
    if sum(form.cost() for form in forms.values()) >= before:
        return False
    _commit(partition, readers, source, forms)
    return True


def _holds_more(partition: Partition, readers: Readers, value: Node, forms: Mapping[Cluster, ClusterForm]) -> bool:
    """Whether more would be in memory while slow steps run than the value itself."""
    source = partition.home[value]
    later = [cluster for cluster in forms if partition.ready(cluster) > partition.ready(source)]
    held = {i for cluster in later for i in forms[cluster].inputs if i in partition.home and not is_view(i)}
    ends = [i for i in held if i not in partition.outputs and readers.get(i, set()) <= {source}]
    return holds_more(ends, [value])


def _pulled(partition: Partition, readers: Readers, value: Node, user: Cluster, *, deep: bool) -> Nodes | None:
    """What `user` would compute for itself to have `value`; None where it cannot."""
    assert user.frame is not None
    source, wanted = partition.home[value].nodes, {value}
    found: Nodes = {}
    for node in sorted(source, key=partition.index.__getitem__, reverse=True):
        if node not in wanted or node in user.nodes or (node in user.inputs and node is not value):
            continue
        if node is not value:
            in_memory = node in partition.outputs or readers.get(node)
            stays = any(i in source and i not in found for i in partition.users[node])
            slow = work(node) > nbytes(node)
            if not deep or in_memory or (stays and slow) or not user.frame.holds(node):
                continue
            if node.primitive in REDUCTIONS:
                continue
        elif not user.frame.holds(node):
            return None
        found[node] = None
        wanted.update(node.inputs)
    return found


def _with(partition: Partition, readers: Readers, user: Cluster, pulled: Nodes) -> ClusterForm | None:
    """A cluster with more nodes; None where their indices do not agree or it becomes too large."""
    assert user.frame is not None
    nodes = user.nodes | pulled
    inputs = outside([*user.inputs, *(i for node in pulled for i in node.inputs)], nodes)
    partition.take_in(nodes, inputs, user.frame)
    touching = {i for node in pulled for i in partition.users[node] if i in nodes} | pulled.keys()
    for node in touching:
        if not all(user.frame.connects(node, i) for i in node.inputs if i in nodes):
            return None
    if not partition.fits(nodes, inputs) or any(i in partition.free and not readers.get(i) for i in inputs):
        return None
    return ClusterForm(nodes, inputs, _outputs(partition, readers, user))


def _outputs(partition: Partition, readers: Readers, cluster: Cluster) -> frozenset[Node]:
    return frozenset(
        node
        for node in cluster.nodes
        if partition.home[node] is cluster and (node in partition.outputs or readers.get(node))
    )


def _commit(partition: Partition, readers: Readers, source: Cluster, forms: dict[Cluster, ClusterForm]) -> None:
    for cluster, form in forms.items():
        for i in cluster.inputs:
            readers[i].discard(cluster)
        for i in form.inputs:
            readers.setdefault(i, set()).add(cluster)
    for cluster, form in forms.items():
        if cluster is not source:
            for node in form.nodes:
                if partition.home[node] is source and node not in forms[source].nodes:
                    partition.home[node] = cluster
    for cluster, form in forms.items():
        cluster.nodes, cluster.inputs = form.nodes, form.inputs
