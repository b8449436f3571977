"""From a graph to the steps that compute it: kernels of many nodes, and single nodes that NumPy runs."""

from __future__ import annotations

import math

import numpy as np

from dout.engine.ir.cost_model import SMALL
from dout.engine.ir.kernel_group import Group, Step
from dout.engine.passes.cluster import Cluster, Partition, kept, outside
from dout.engine.passes.rematerialise import rematerialise
from dout.graph import Graph, Node
from dout.ops import primitives


def fuse(graph: Graph) -> tuple[Step, ...]:
    """Return the steps, in an order in which they can run, that make the graph's outputs from its inputs.

    Nodes are put together one after the other, each with the groups that it takes values from or reads large arrays
    together with, as long as one kernel can hold them and an order of the steps remains. Then values that one kernel
    hands to another are computed where they are used, if that moves fewer bytes. Constants are no steps, and neither
    is what no output needs.
    """
    partition = Partition(graph)
    for node in partition.order:
        partition.place(node)
    partition.join_alike()
    rematerialise(partition)
    return tuple(step for cluster, outputs in partition.needed() for step in _steps(partition, cluster, outputs))


def _steps(partition: Partition, cluster: Cluster, outputs: list[Node]) -> list[Step]:
    """A group, or its nodes where no kernel is worth while."""
    index = partition.index.__getitem__
    nodes = sorted(kept(cluster.nodes, outputs), key=index)
    frame = cluster.frame
    if frame is None or not frame.space or not _worth_while(nodes):
        return list(nodes)
    inputs = tuple(outside((i for node in nodes for i in node.inputs), set(nodes)))
    return [Group(tuple(nodes), inputs, tuple(sorted(outputs, key=index)), *frame)]


def _worth_while(nodes: list[Node]) -> bool:
    if len(nodes) > 1:
        return True
    (node,) = nodes
    return math.prod(node.shape) > SMALL or not (
        isinstance(node.primitive.forward, np.ufunc) or node.primitive in primitives("copy astype")
    )
