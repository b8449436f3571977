"""Graphs to try the engine's passes on, and what they compute."""

import numpy as np

import dout
from dout.graph import CONSTANT, INPUT, Graph, Node, evaluate, topological
from dout.ops import kind_of
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.simplify import simplify
from dout.trace.model.replay import same_bits

X = np.array([[1.5, -0.0, np.nan], [np.inf, -2.0, 1e-310]])


def traced(function, *inputs):
    """The graph of a function of these inputs, and the values of its inputs."""
    with np.errstate(all="ignore"):
        trace = dout.trace(function, *inputs)
    ends = {f"y{i}": node for i, node in enumerate(trace.graph.outputs.values())}
    nodes = topological(ends.values())
    given = {node: trace.data[node] for node in nodes if node.primitive is INPUT}
    return Graph(nodes, {f"x{i}": node for i, node in enumerate(given)}, ends), given


def graph_of(function, *inputs):
    return traced(function, *inputs)[0]


def recorded(function, x):
    """The graph of a function that emits nodes itself, of an array of the shape and dtype of `x`."""
    given = Node(INPUT, (), {}, np.shape(x), kind_of(x))
    end = function(AbstractRecorder().wrap(given)).node
    return Graph(topological([end]), {"x": given}, {"y": end})


def rows(graph):
    """The names of the rows that a graph computes."""
    return [node.primitive.name for node in graph.nodes if node.primitive not in (INPUT, CONSTANT)]


def constants(graph):
    return [node.static["value"] for node in graph.nodes if node.primitive is CONSTANT]


def values_of(graph, given):
    """What a graph computes, by its rows."""
    with np.errstate(all="ignore"):
        values = evaluate(graph.outputs.values(), given)
    return [values[node] for node in graph.outputs.values()]


def left(one_pass, function, *inputs):
    """The rows that a pass leaves of a function; its values stay the same bits."""
    graph, given = traced(function, *inputs)
    after = one_pass(graph)
    assert all(map(same_bits, values_of(after, given), values_of(graph, given)))
    return rows(after)


def exact_passes(graph):
    return simplify(masked_write_to_select(simplify(graph)))
