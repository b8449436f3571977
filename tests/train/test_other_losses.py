"""A loss in any manner teaches what one with forward and backward teaches."""

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import Affine, MeanSquaredError, SoftmaxWithLoss
from dout.train import SGD, evaluate, fit

GENERATOR = np.random.default_rng(0)
X, Y, T = GENERATOR.normal(size=(40, 4)), GENERATOR.normal(size=(40, 3)), GENERATOR.integers(0, 3, 40)
W = GENERATOR.normal(size=(4, 3))


def mse(y, t):
    return np.mean((y - t) ** 2)


def mse_prime(y, t):
    return 2 * (y - t) / y.size


def half_cost(y_true, y_pred):
    return np.mean((y_pred - y_true) ** 2)


def both(y, t):
    return mse(y, t), mse_prime(y, t)


class Usual:
    """Its backward takes nothing."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return mse(y, t)

    def backward(self):
        return mse_prime(self.y, self.t)


class TakesBoth:
    def forward(self, y, t):
        return mse(y, t)

    def backward(self, y, t):
        return mse_prime(y, t)


class TakesTarget:
    def forward(self, y, t):
        self.y = y
        return mse(y, t)

    def backward(self, t):
        return mse_prime(self.y, t)


class WithGradient:
    def loss(self, y, t):
        return mse(y, t)

    def gradient(self, y, t):
        return mse_prime(y, t)


class Called(WithGradient):
    loss = None

    def __call__(self, y, t):
        return mse(y, t)


class TargetFirst:
    def loss(self, a, b):
        return np.mean((a - b) ** 2)

    def gradient(self, a, b):
        return -2 * (a - b) / a.size


class Static:
    @staticmethod
    def loss(y, t):
        return mse(y, t)

    @staticmethod
    def prime(y, t):
        return mse_prime(y, t)


class Calculated:
    """Its forward gives a loss for each sample."""

    def calculate(self, output, y):
        return np.mean(self.forward(output, y))

    def forward(self, y_pred, y_true):
        return np.mean((y_pred - y_true) ** 2, axis=-1)

    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / dvalues.size


class ReturnsBoth:
    def __call__(self, y, t):
        return both(y, t)


class Slotted(Usual):
    __slots__ = ("t", "y")


WAYS = {
    **{kind.__name__: kind for kind in (
        Usual, TakesBoth, TakesTarget, WithGradient, Called, TargetFirst, Static, Calculated, ReturnsBoth, Slotted,
    )},
    "a function with its derivative beside": lambda: mse,
    "two functions": lambda: (mse, mse_prime),
    "two lambdas, target first": lambda: (lambda t, y: np.mean((y - t) ** 2), lambda t, y: 2 * (y - t) / y.size),
    "each in an order of its own": lambda: (half_cost, lambda y_pred, y_true: 2 * (y_pred - y_true) / y_pred.size),
    "a function that returns both": lambda: both,
}  # fmt: skip


def trained(loss, t=Y, **how):
    net = [Affine(W.copy(), np.zeros(3))]
    return fit(net, X, t, loss=loss, optimizer=SGD(0.1), epochs=3, batch=10, seed=0, **how)["loss"]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_loss_in_another_manner_teaches_what_one_in_ours_teaches(way, compiled):
    np.testing.assert_allclose(trained(WAYS[way](), compiled=compiled), trained(Usual(), compiled=False), rtol=1e-12)


@pytest.mark.parametrize("way", ["TargetFirst", "Calculated", "a function that returns both"])
def test_it_measures_a_validation_too(way):
    net = [Affine(W.copy(), np.zeros(3))]
    expected = np.mean((X @ W - Y) ** 2)
    assert evaluate(net, X, Y, loss=WAYS[way]())["loss"] == pytest.approx(expected, rel=1e-12)


class JoinedSoftmax:
    """Softmax and cross entropy of labels, whose backward is given the probabilities."""

    def forward(self, inputs, y_true):
        exp = np.exp(inputs - inputs.max(axis=1, keepdims=True))
        self.output = exp / exp.sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.output[range(len(inputs)), y_true]))

    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1
        self.dinputs /= len(dvalues)


def test_softmax_joined_with_cross_entropy_is_given_its_own_output():
    np.testing.assert_allclose(trained(JoinedSoftmax(), T), trained(SoftmaxWithLoss(), T), rtol=1e-12)


class Doubled(Usual):
    """A factor is missing in its gradient, as many write it."""

    def backward(self):
        return self.y - self.t


def test_a_gradient_without_its_factor_is_taken_as_it_is():
    found = trained(Doubled())
    factor = Y[:10].size / 2
    net = [Affine(W.copy(), np.zeros(3))]
    how = {"optimizer": SGD(0.1 * factor), "epochs": 3, "batch": 10, "seed": 0}
    np.testing.assert_allclose(found, fit(net, X, Y, loss=Usual(), **how)["loss"], rtol=1e-9)


def test_a_training_goes_on_with_the_same_bits(tmp_path):
    how = {"loss": WithGradient(), "optimizer": SGD(0.1), "batch": 10, "seed": 0, "checkpoint": tmp_path}
    fit([Affine(W.copy(), np.zeros(3))], X, Y, epochs=1, **how)
    parts = [Affine(W * 0, np.zeros(3))]
    fit(parts, X, Y, epochs=3, resume=True, **how)
    whole = [Affine(W.copy(), np.zeros(3))]
    fit(whole, X, Y, epochs=3, **{**how, "checkpoint": None})
    np.testing.assert_array_equal(parts[0].W, whole[0].W)


class OfEach:
    def loss(self, y, t):
        return (y - t) ** 2

    def gradient(self, y, t):
        return 2 * (y - t)


def alone(y, t):
    return mse(y, t)


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (OfEach(), r"it gives an array of shape \(4, 3\), not one number"),
        (alone, "alone has no gradient beside it: give both functions"),
        ((mse,), "the loss, tuple, has no forward"),
        (3, "the loss, int, has no forward"),
        ((alone, alone), "the two functions of the loss give no number and a gradient"),
    ],
)
def test_what_is_no_loss_is_refused_in_one_sentence(loss, says):
    with pytest.raises(TrainingError, match=says):
        trained(loss)


def test_a_loss_of_ours_is_not_tried():
    seen = []

    class Watched(MeanSquaredError):
        __module__ = "dout.layers.losses"

        def forward(self, y, t):
            seen.append(len(y))
            return super().forward(y, t)

    trained(Watched())
    assert seen == [10] * 12
