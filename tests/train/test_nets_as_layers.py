"""A net is a layer: it is checked, recorded and exported as one, and so are the user's layers in it."""

import numpy as np

import dout
from dout.layers import AddLayer, Affine, Relu
from dout.train import LayerGraph, Sequential

GENERATOR = np.random.default_rng(0)
W1, W2 = GENERATOR.normal(size=(3, 4)), GENERATOR.normal(size=(4, 2))
X = GENERATOR.normal(size=(5, 3))


def chain():
    return Sequential(Affine(W1.copy(), np.zeros(4)), Relu(), Affine(W2.copy(), np.zeros(2)))


def test_a_chain_is_checked_on_a_given_input():
    report = dout.check(chain(), X)
    assert report.ok
    assert {verdict.argument for verdict in report.verdicts} >= {"x", "layers[0].W", "layers[2].b"}


def test_a_graph_of_several_inputs_is_checked_on_given_ones():
    graph = LayerGraph({"a": (Affine(W1.copy(), np.zeros(4)), "x"), "b": (AddLayer(), "a", "y")})
    report = dout.check(graph, X, GENERATOR.normal(size=(5, 4)))
    assert report.ok
    assert len(report.verdicts) == 4


class Dense:
    """What it makes is left in attributes."""

    def __init__(self, weights):
        self.weights = weights.copy()

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dinputs = dvalues @ self.weights.T


def test_finding_out_how_a_layer_is_called_is_no_part_of_a_recording():
    trace, again = (dout.trace(Sequential(Dense(W1), Dense(W2)).forward, X) for _ in range(2))
    net = Sequential(Dense(W1), Dense(W2))
    net.settle(X)
    settled = dout.trace(net.forward, X)
    products = [sum("matmul" in str(node.primitive) for node in one.graph.nodes) for one in (trace, again, settled)]
    assert products == [2, 2, 2]
