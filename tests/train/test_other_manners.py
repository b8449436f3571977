"""Layers that are called in another manner learn as those that return what they make."""

import pickle

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import AddLayer, Affine, Relu, SoftmaxWithLoss
from dout.run import deep_copy
from dout.train import SGD, LayerGraph, Sequential, evaluate, fit, predict

GENERATOR = np.random.default_rng(4)
X, T = GENERATOR.normal(size=(40, 3)), GENERATOR.integers(0, 2, 40)
W1, W2 = GENERATOR.normal(size=(3, 5)), GENERATOR.normal(size=(5, 2))


class Dense:
    """What it makes is left in attributes."""

    def __init__(self, weights):
        self.weights, self.biases = weights.copy(), np.zeros((1, weights.shape[1]))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class Rectifier:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (self.inputs > 0)


class Halving:
    """It halves while it trains."""

    def forward(self, inputs, training):
        self.output = inputs * 0.5 if training else inputs * 1.0

    def backward(self, dvalues):
        self.dinputs = dvalues * 0.5


class HalvingByDefault:
    def forward_pass(self, x, training=True):
        return x * 0.5 if training else x * 1.0

    def backward_pass(self, grad):
        return grad * 0.5


class Passing:
    def __init__(self, weights):
        self.weights, self.biases = weights.copy(), np.zeros(weights.shape[1])

    def forward_pass(self, x, training=True):
        self.x = x
        return x @ self.weights + self.biases

    def backward_pass(self, grad):
        self.grad_weights, self.grad_biases = self.x.T @ grad, grad.sum(axis=0)
        return grad @ self.weights.T


class Returning:
    """Its backward returns the gradients of its parameters."""

    def __init__(self, weights):
        self.W, self.b = weights.copy(), np.zeros(weights.shape[1])

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dW, db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T, dW, db


def trained(net, **how):
    history = fit(net, X, T, loss=SoftmaxWithLoss(), optimizer=SGD(0.3), epochs=3, batch=10, seed=0, **how)
    return history["loss"]


@pytest.fixture(scope="module")
def by_hand():
    """What affine layers learn that return what they make."""
    return trained([Affine(W1.copy(), np.zeros(5)), Relu(), Affine(W2.copy(), np.zeros(2))])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "net",
    [
        lambda: [Dense(W1), Rectifier(), Dense(W2)],
        lambda: [Passing(W1), Relu(), Passing(W2)],
        lambda: [Returning(W1), Relu(), Returning(W2)],
        lambda: Sequential(Sequential(Dense(W1), Relu()), Returning(W2)),
    ],
    ids=["attributes", "forward_pass", "returned", "nested"],
)
def test_a_layer_in_another_manner_learns_what_one_in_ours_learns(net, compiled, by_hand):
    np.testing.assert_allclose(trained(net(), compiled=compiled), by_hand, rtol=1e-12)


def test_the_users_own_object_has_learned():
    first = Dense(W1)
    trained([first, Rectifier(), Dense(W2)])
    assert type(first) is Dense
    assert not np.allclose(first.weights, W1)
    assert first.forward(X) is None
    np.testing.assert_allclose(first.output, X @ first.weights + first.biases)


def test_a_single_layer_is_a_net():
    layer = Dense(W1[:, :2])
    losses = trained(layer)
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(predict(layer, X), X @ layer.weights + layer.biases)


def test_a_layer_in_two_places_has_the_sum_of_both_gradients():
    square = GENERATOR.normal(size=(3, 3))

    def net(layer):
        return LayerGraph({
            "h": (layer, "x"), "a": (Relu(), "h"), "k": (layer, "a"), "s": (AddLayer(), "k", "x"),
            "out": (Affine(W1[:, :2].copy(), np.zeros(2)), "s"),
        })  # fmt: skip

    np.testing.assert_allclose(
        trained(net(Dense(square))), trained(net(Affine(square.copy(), np.zeros(3)))), rtol=1e-12
    )


@pytest.mark.parametrize("kind", [Halving, HalvingByDefault])
def test_a_flag_that_forward_takes_is_turned_off_in_an_evaluation(kind):
    net = Sequential(Dense(W1[:, :2]), kind())
    trained(net)
    scores = X @ net[0].weights + net[0].biases
    np.testing.assert_allclose(predict(net, X), scores)
    assert evaluate(net, X, T, loss=SoftmaxWithLoss())["loss"] == pytest.approx(SoftmaxWithLoss().forward(scores, T))
    np.testing.assert_allclose(predict([kind()], X), X)


def test_a_training_goes_on_with_the_same_bits(tmp_path):
    whole = [Dense(W1), Rectifier(), Returning(W2)]
    trained(whole)
    how = {"loss": SoftmaxWithLoss(), "batch": 10, "checkpoint": tmp_path}
    fit([Dense(W1), Rectifier(), Returning(W2)], X, T, optimizer=SGD(0.3), epochs=1, seed=0, **how)
    parts = [Dense(W1 * 0), Rectifier(), Returning(W2 * 0)]
    fit(parts, X, T, optimizer=SGD(0.3), epochs=3, seed=0, resume=True, **how)
    np.testing.assert_array_equal(parts[0].weights, whole[0].weights)
    np.testing.assert_array_equal(parts[2].W, whole[2].W)


def test_a_net_of_such_layers_can_be_copied_and_pickled():
    net = Sequential(Dense(W1), Rectifier(), Returning(W2))
    scores = net.forward(X)
    for other in (deep_copy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other.forward(X), scores)
        assert other.backward(np.ones((40, 2))).shape == X.shape


def test_an_iterator_that_is_used_up_loses_no_batch():
    batches = [(X[i : i + 10], T[i : i + 10]) for i in range(0, 40, 10)]
    nets = [Dense(W1), Rectifier(), Dense(W2)], [Dense(W1), Rectifier(), Dense(W2)]
    for net, data in zip(nets, (batches, iter(batches)), strict=True):
        fit(net, data, loss=SoftmaxWithLoss(), optimizer=SGD(0.3), epochs=1)
    np.testing.assert_array_equal(nets[0][0].weights, nets[1][0].weights)


def test_a_shape_that_does_not_fit_is_told_with_its_layer():
    with pytest.raises(TrainingError, match=r"Dense.*(3, 5)"):
        trained([Dense(W1), Rectifier(), Dense(W1)])


class Testing:
    """It needs a word that no training gives."""

    def forward(self, x, is_test):
        self.output = x * 1.0 if is_test else x * 0.5

    def backward(self, dout):
        self.dinputs = dout * 0.5


class Stepping:
    def __init__(self, W):
        self.W = W.copy()

    def forward_pass(self, x):
        self.x = x
        return x @ self.W

    def backward_pass(self, d, learning_rate):
        dx = d @ self.W.T
        self.W -= learning_rate * self.x.T @ d
        return dx


@pytest.mark.parametrize(
    ("layer", "says"),
    [(Testing(), "forward takes x, is_test"), (Stepping(W1), "backward_pass takes the step itself")],
)
def test_what_a_training_cannot_call_is_refused_by_name(layer, says):
    with pytest.raises(TrainingError, match=says):
        fit([layer, Affine(W2[:3], np.zeros(2))], X, T, loss=SoftmaxWithLoss(), optimizer=SGD(0.1), epochs=1)


class Cell:
    """Its state is optional, and its backward returns the gradient of that, too."""

    def __init__(self, W):
        self.W = W.copy()

    def forward(self, x, h=None):
        self.x = x
        self.y = np.tanh(x @ self.W + (0 if h is None else h))
        return self.y

    def backward(self, dout):
        d = dout * (1 - self.y**2)
        self.dW = self.x.T @ d
        return d @ self.W.T, d


class CellWithoutState(Cell):
    def backward(self, dout):
        return super().backward(dout)[0]


def test_a_gradient_that_no_input_asks_for_is_none_of_a_parameter():
    one, other = (
        fit(
            [cell(W1), Affine(W2.copy(), np.zeros(2))],
            X,
            T,
            loss=SoftmaxWithLoss(),
            optimizer=SGD(0.3),
            epochs=2,
            seed=0,
        )
        for cell in (Cell, CellWithoutState)
    )
    assert one["loss"] == other["loss"]
