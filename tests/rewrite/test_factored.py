"""Products and sums in shorter forms, and softmax as one step: equal values, fewer steps."""

import numpy as np
import pytest

from dout import trace
from dout.graph import Graph, evaluate, topological
from dout.rewrite.factored import factored
from dout.rewrite.simplify import simplify
from dout.rewrite.softmax_forms import PLAIN, log_softmax_by_sums, softmax_forms

X = np.random.default_rng(3).uniform(0.5, 2, (3, 5))
Y = np.random.default_rng(4).uniform(0.5, 2, (3, 1))


def graph_of(function, *inputs):
    """The recorded graph of a function, and the values of its inputs."""
    run = trace(function, *inputs)
    outputs = {"out": run.graph.outputs["out0"]}
    nodes = topological(outputs.values())
    return Graph(nodes, {}, outputs), {node: run.data[node] for node in nodes if not node.inputs and node in run.data}


def value(graph, given):
    return evaluate(graph.outputs.values(), given, PLAIN)[graph.outputs["out"]]


def steps(graph):
    return [str(node.primitive) for node in graph.nodes if node.inputs]


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x, y: np.sum(x * y, axis=1, keepdims=True), ["sum", "multiply"]),
        (lambda x, y: x * y / y, []),
        (lambda x, y: x * y + x * y, ["multiply", "multiply"]),
        (lambda x, y: 2 * x * y - x * y, ["multiply"]),
        (lambda x, y: x * y + x * np.exp(y), ["exp", "add", "multiply"]),
        (lambda x, y: np.sum(x, axis=1, keepdims=True) / x.shape[1] * y, ["mean", "multiply"]),
        (lambda x, y: np.sinh(x) / np.cosh(x) * y, ["tanh", "multiply"]),
        (lambda x, y: y / x**3.5 * x**2.5, ["divide"]),
        (lambda x, y: y / x**3.5 * x**1.5, ["divide", "multiply", "pow", "pow"]),
        (lambda x, y: (x - 1) * np.sign(x - 1) * y, ["absolute", "multiply", "subtract"]),
        (lambda x, y: np.abs(x - 1) * np.sign(x - 1) * y, ["multiply", "subtract"]),
        (lambda x, y: y * (1 - x / (x + y)), ["add", "divide", "multiply"]),
        (lambda x, y: x * (1 - x / (2 + x)), ["add", "divide", "multiply"]),
        (lambda x, y: x * np.exp(y) + x * np.sin(y) + np.cos(x), ["add", "add", "cos", "exp", "multiply", "sin"]),
        (lambda x, y: np.minimum(np.abs(x - 1), 0.5) * np.sign(x - 1) * y, ["clip", "multiply", "subtract"]),
        (lambda x, y: np.sum(x) / 3 * y - np.sum(x) / -3, ["add", "divide", "multiply", "sum"]),
        (lambda x, y: y * x * x + 2 * y * np.square(x), ["multiply", "multiply", "multiply"]),
        (lambda x, y: np.where(x <= y, x * y, y * y), ["minimum", "multiply"]),
        (lambda x, y: np.where(x <= y, y, x + 0 * y), ["maximum"]),
        (lambda x, y: np.where(x > 1, x, 0.0) * np.exp(x), ["exp", "greater", "multiply", "where"]),
    ],
)
def test_the_shorter_form_has_these_steps_and_the_same_values(function, left):
    graph, given = graph_of(function, X, Y)
    shorter = factored(graph)
    assert sorted(steps(shorter)) == sorted(left)
    np.testing.assert_allclose(value(shorter, given), value(graph, given), rtol=1e-14)


def test_a_mean_is_taken_once_whether_its_axes_are_kept_or_not():
    graph, given = graph_of(lambda x: np.exp(x - x.mean(axis=0)) * np.sin(x - x.mean(axis=0, keepdims=True)), X)
    shorter = factored(graph)
    assert sorted(steps(shorter)) == ["exp", "mean", "multiply", "sin", "subtract"]
    assert np.array_equal(value(shorter, given), value(graph, given))


def test_steps_between_two_reshapes_are_done_in_the_shape_that_is_known():
    def function(x):
        norm = np.sqrt(np.sum(x * x, axis=1))
        column = np.exp(norm[:, None])
        return column * (np.sin(column.ravel()) / norm)[:, None]

    graph, given = graph_of(function, X)
    shorter = factored(graph)
    assert steps(shorter).count("reshape") == 1
    np.testing.assert_allclose(value(shorter, given), value(graph, given), rtol=1e-14)


def test_what_is_not_chosen_may_be_infinite():
    with np.errstate(over="ignore", invalid="ignore"):
        graph, given = graph_of(lambda x: np.where(x > 0, 0.0, 1.0 * x) * np.exp(x), np.array([1000.0, -1.0]))
        assert np.isnan(value(graph, given)[0])
        assert value(factored(graph), given)[0] == 0


def softmax(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def softmax_of_columns(x):
    x = x.T
    x = x - np.max(x, axis=0)
    return (np.exp(x) / np.sum(np.exp(x), axis=0)).T


def log_softmax(x):
    z = x - np.max(x, axis=1, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))


def log_sum_exp(x):
    m = np.max(x, axis=1, keepdims=True)
    return np.log(np.sum(np.exp(x - m), axis=1, keepdims=True)) + m


@pytest.mark.parametrize(
    ("function", "row"),
    [
        (softmax, "special_softmax"),
        (softmax_of_columns, "special_softmax"),
        (log_softmax, "special_log_softmax"),
        (lambda x: np.log(softmax(x)), "special_log_softmax"),
        (lambda x: np.log(softmax(x)[np.arange(3), np.array([0, 2, 1])]), "special_log_softmax"),
        (log_sum_exp, "special_logsumexp"),
    ],
)
def test_softmax_and_its_kin_are_one_step(function, row):
    graph, given = graph_of(function, X)
    one = softmax_forms(simplify(graph))
    assert steps(one).count(row) == 1
    assert "exp" not in steps(one)
    np.testing.assert_allclose(value(one, given), value(graph, given), rtol=1e-13)


def test_a_quotient_that_is_no_softmax_stays():
    graph, _ = graph_of(lambda x: np.exp(x) / np.sum(np.exp(x), axis=0), X.T)
    other, _ = graph_of(lambda x, y: np.exp(x) / np.sum(np.exp(y), axis=1, keepdims=True), X, Y + X)
    assert "special_softmax" in steps(softmax_forms(simplify(graph)))
    assert "special_softmax" not in steps(softmax_forms(simplify(other)))


def test_a_factor_goes_into_a_sum_where_its_product_with_a_term_is_an_output():
    run = trace(lambda x, s: (x * s, np.cos(x) * s * (1 + x * (1 - s))), X, X + 1)
    graph = Graph(run.graph.nodes, {}, dict(run.graph.outputs))
    shorter = factored(graph)
    assert sorted(steps(shorter)) == ["add", "cos", "multiply", "multiply", "multiply", "subtract"]
    given = {node: run.data[node] for node in graph.nodes if not node.inputs and node in run.data}
    for name, node in graph.outputs.items():
        values = evaluate([node, shorter.outputs[name]], given, PLAIN)
        np.testing.assert_allclose(values[shorter.outputs[name]], values[node], rtol=1e-14)


@pytest.mark.parametrize(
    ("shift", "left"), [(True, ["exp", "log", "max", "subtract", "subtract", "sum"]), (False, ["special_log_softmax"])]
)
def test_log_softmax_is_made_of_a_known_sum_of_exponentials_that_cannot_overflow(shift, left):
    def function(x):
        e = np.exp(x - x.max(axis=1, keepdims=True) if shift else x)
        total = e.sum(axis=1, keepdims=True)
        return np.log(e / total), total

    run = trace(function, X)
    form = softmax_forms(Graph(run.graph.nodes, {}, dict(run.graph.outputs)))
    after = log_softmax_by_sums(form, form.nodes)
    out = after.outputs["out0"]
    found = sorted(str(node.primitive) for node in topological([out]) if node.inputs)
    assert found == left
    given = {node: run.data[node] for node in run.graph.nodes if not node.inputs}
    expected = run.data[run.graph.outputs["out0"]]
    np.testing.assert_allclose(evaluate([out], given, PLAIN)[out], expected, rtol=1e-13)
