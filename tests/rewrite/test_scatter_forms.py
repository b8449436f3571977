"""What is put into zeros and then summed or added: without the zeros."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from dout.graph import INPUT, Graph, Node, evaluate, topological
from dout.ops.abstract import AbstractRecorder
from dout.ops.operators import Slot
from dout.ops.shape import scatter
from dout.rewrite.scatter_forms import scatter_additions, scatter_sums

VALUES = np.array([2.0, -3.0, 5.0])


def written(function, *arrays):
    """The graph of a function of arrays, and their values by node."""
    inputs = [Node(INPUT, (), {}, array.shape, array.dtype) for array in arrays]
    recorder = AbstractRecorder()
    out = function(*map(recorder.wrap, inputs)).node
    return Graph(topological([out]), {}, {"out": out}), dict(zip(inputs, arrays, strict=True))


def spread(value, rows, columns):
    return scatter(value, rows, columns, key=(Slot(0), Slot(1)), shape=(3, 4), dtype=VALUES.dtype)


def steps(graph):
    return {str(node.primitive) for node in graph.nodes if node.inputs}


def same(after, graph, values):
    one, other = after.outputs["out"], graph.outputs["out"]
    return np.array_equal(evaluate([one], values)[one], evaluate([other], values)[other])


@given(some.permutations(range(3)), some.lists(some.integers(0, 3), min_size=3, max_size=3))
def test_a_sum_over_one_element_a_row_is_that_element(rows, columns):
    graph, values = written(
        lambda v, i, j: np.sum(spread(v, i, j), axis=1, keepdims=True), VALUES, np.array(rows), np.array(columns)
    )
    row = next(node for node in graph.nodes if node.primitive is not INPUT).inputs[1]
    after = scatter_sums(graph, {row: np.array(rows)})
    assert ("scatter" in steps(after)) == (rows != [0, 1, 2])
    assert same(after, graph, values)


@pytest.mark.parametrize(
    "function",
    [
        lambda v, i, j, y: spread(v, i, j) + y,
        lambda v, i, j, y: spread(v, i, j) - y,
        lambda v, i, j, y: y - spread(v, i, j),
    ],
)
@pytest.mark.parametrize("rows", [[0, 1, 2], [1, 1, 1]])
def test_what_is_added_to_another_array_is_added_to_its_elements(function, rows):
    graph, values = written(function, VALUES, np.array(rows), np.array([3, 0, 0]), np.arange(12.0).reshape(3, 4))
    after = scatter_additions(graph)
    assert "scatter" not in steps(after)
    assert same(after, graph, values)
