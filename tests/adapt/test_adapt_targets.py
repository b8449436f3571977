"""What a target, a bias of columns, and an optional derivative are given."""

import numpy as np

from dout.adapt.search.example import adapted
from dout.check.verb.check_layer import check


class Square:
    def compute_loss(self, predicted, actual):
        return np.mean((predicted - actual) ** 2)

    def loss_derivative(self, predicted, actual):
        return 2 * (predicted - actual) / actual.size


class Dense:
    """An activation, and its derivative where the loss has not taken it in."""

    def __init__(self, n_in, n_out, act, act_deriv=None):
        self.W, self.b = np.random.default_rng(0).normal(size=(n_in, n_out)), np.zeros(n_out)
        self.act, self.act_deriv = act, act_deriv

    def forward(self, x):
        self.x, self.z = x, x @ self.W + self.b
        return self.act(self.z)

    def backward(self, dout):
        dz = dout if self.act_deriv is None else dout * self.act_deriv(self.z)
        self.dW, self.db = self.x.T @ dz, dz.sum(axis=0)
        return dz @ self.W.T


class Columns:
    def forward(self, A_prev, W_curr, b_curr):
        self.given = A_prev, W_curr
        return W_curr @ A_prev + b_curr

    def backward(self, dout):
        A_prev, W_curr = self.given
        return W_curr.T @ dout, dout @ A_prev.T, np.sum(dout, axis=1, keepdims=True)


def is_right(cls):
    layer, inputs, found = adapted(cls, {}, (), {})
    report = check(layer, *inputs, init=found.init)
    return report.ok and len(report.verdicts) > 0


def test_what_is_actual_is_a_target_like_the_prediction():
    _, inputs, _ = adapted(Square, {}, (), {})
    assert np.shape(inputs[0]) == np.shape(inputs[1]) != ()
    assert is_right(Square)


def test_an_activation_is_given_with_its_optional_derivative():
    assert {"act", "act_deriv"} <= {*adapted(Dense, {}, (), {})[2].init}
    assert is_right(Dense)


def test_current_weights_and_biases_are_weights_and_biases():
    assert is_right(Columns)
