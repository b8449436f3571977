"""Sums and products that have something in common: it is computed once, and the values are the same."""

import numpy as np
import pytest

from dout import trace
from dout.graph import Graph, evaluate, topological
from dout.rewrite.shared_parts import shared_products, shared_sums

RNG = np.random.default_rng(5)
X, Y, W, C = (RNG.uniform(0.5, 2, shape) for shape in ((3, 5), (3, 5), (5,), (3, 1)))


def graph_of(function, *inputs, prefix="d "):
    """The recorded graph of a function whose results are gradients, and the values of its inputs."""
    run = trace(function, *inputs)
    outputs = {f"{prefix}{name}": node for name, node in run.graph.outputs.items()}
    nodes = topological(outputs.values())
    return Graph(nodes, {}, outputs), {node: run.data[node] for node in nodes if not node.inputs and node in run.data}


def values(graph, given):
    found = evaluate(graph.outputs.values(), given)
    return [found[node] for node in graph.outputs.values()]


def steps(graph):
    return sorted(str(node.primitive) for node in graph.nodes if node.inputs)


def alike(one, other, given):
    for a, b in zip(values(one, given), values(other, given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize(
    ("function", "inputs", "left"),
    [
        (lambda x, y, w: (np.sum(x * y, axis=0), np.mean(w * x * y, axis=0)), (X, Y, W),
         ["divide", "multiply", "multiply", "sum"]),
        (lambda x, y, w: (np.sum(x, axis=0), y - np.mean(x / w, axis=0, keepdims=True)), (X, Y, W),
         ["divide", "multiply", "subtract", "sum"]),
        (lambda x, y, c: (np.sum(x * y, axis=1), np.sum(c * x * y, axis=1)), (X, Y, C),
         ["multiply", "multiply", "reshape", "sum"]),
        (lambda x, y, c: (np.sum(x * y, axis=0), np.sum(c * x * y, axis=0)), (X, Y, C),
         ["multiply", "multiply", "multiply", "sum", "sum"]),
    ],
)  # fmt: skip
def test_of_sums_of_one_product_one_is_left(function, inputs, left):
    graph, given = graph_of(function, *inputs)
    shared = shared_sums(graph)
    assert steps(shared) == left
    alike(shared, graph, given)


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x, y: (x * y, x * y * np.sin(y)), ["multiply", "multiply", "sin"]),
        (lambda x, y: (2 * x / y, np.exp(x) * x / y), ["divide", "exp", "multiply", "multiply"]),
        (lambda x, y: (x * np.exp(y), x * np.sin(y)), ["exp", "multiply", "multiply", "sin"]),
        (lambda x, y: (x * x * y, x * x * np.sin(y)), ["multiply", "multiply", "multiply", "sin"]),
    ],
)
def test_what_two_products_have_in_common_is_one_product(function, left):
    graph, given = graph_of(function, X, Y)
    shared = shared_products(graph)
    assert steps(shared) == left
    alike(shared, graph, given)


def test_what_forward_computes_is_not_taken_apart():
    graph, _ = graph_of(lambda x, y: (x * y, x * y * np.sin(y)), X, Y, prefix="out ")
    assert shared_products(graph) is graph
