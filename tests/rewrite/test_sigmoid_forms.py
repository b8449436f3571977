"""Sigmoids written out: by what forward computes, or without overflow."""

import numpy as np
import pytest

from dout.graph import INPUT, Graph, Node, evaluate, topological
from dout.ops.abstract import AbstractRecorder
from dout.ops.elementwise import sigmoid
from dout.rewrite.sigmoid_forms import sigmoid_forms

FAR = np.array([-1000.0, -700.0, -36.0, -1.0, 0.0, 1.0, 36.0, 1000.0])
RIGHT = np.where(FAR < -30, np.exp(np.minimum(FAR, 0)), 1 / (1 + np.exp(-np.maximum(FAR, -30))))


def rewritten(forward, sign):
    """The steps that are written for σ(u) or σ(−u) beside what forward computes, and their values on `FAR`."""
    x = Node(INPUT, (), {}, FAR.shape, FAR.dtype)
    u = AbstractRecorder().wrap(x)
    before = {"known": forward(u).node, "out": sigmoid(u if sign > 0 else -u).node}
    nodes = topological(before.values())
    out = sigmoid_forms(Graph(nodes, {}, before), nodes).outputs["out"]
    return sorted(str(node.primitive) for node in topological([out]) if node.inputs), evaluate([out], {x: FAR})[out]


@pytest.mark.parametrize(
    ("forward", "left"),
    [
        (lambda u: 1 + np.exp(-u), ["add", "divide", "exp", "negative"]),
        (lambda u: np.exp(u), ["add", "divide", "divide", "exp"]),
        (lambda u: np.sin(u), ["absolute", "add", "divide", "exp", "exp", "minimum", "negative"]),
    ],
)
def test_a_sigmoid_takes_the_exponential_that_forward_takes(forward, left):
    with np.errstate(over="ignore", divide="ignore"):  # as forward does, and 1 / 0 on the other side
        steps, values = rewritten(forward, 1)
    assert steps == left
    np.testing.assert_allclose(values, RIGHT, rtol=1e-15)


def test_where_forward_takes_no_exponential_none_overflows():
    with np.errstate(over="raise", invalid="raise"):
        _, of_x = rewritten(np.sin, 1)
        _, of_minus_x = rewritten(np.sin, -1)
    np.testing.assert_allclose(of_x, RIGHT, rtol=1e-15)
    np.testing.assert_allclose(of_minus_x, 1 - RIGHT, rtol=1e-15, atol=1e-15)
