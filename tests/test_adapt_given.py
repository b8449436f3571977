"""Whose a returned gradient is, where its place cannot say it."""

import numpy as np
import pytest

import dout


def words(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}


class Divergence:
    """Three gradients for four inputs, in an order of their own."""

    def __call__(self, y, y_pred, z_mean, z_log_var):
        distance = np.sum((y - y_pred) ** 2)
        return distance - 0.5 * np.sum(1 + z_log_var - z_mean**2 - np.exp(z_log_var))

    def grad(self, y, y_pred, z_mean, z_log_var):
        dY_pred = 2 * (y_pred - y)
        dLogVar = 0.5 * (np.exp(z_log_var) - 1)
        dMean = z_mean * 1.0
        return dY_pred, dLogVar, dMean


def test_fewer_gradients_than_inputs_are_told_apart_by_their_names():
    y, y_pred, z_mean, z_log_var = np.random.default_rng(0).normal(size=(4, 3, 2))
    report = dout.check(Divergence, y, y_pred, z_mean, z_log_var)
    assert words(report) == {"y_pred": "exact", "z_mean": "exact", "z_log_var": "exact"}


class Swapped:
    """As many gradients as inputs: their places speak, and they are exchanged."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x
        return dy, dx


def test_a_gradient_for_each_input_is_judged_by_its_place_whatever_it_is_called():
    assert words(dout.check(Swapped)) == {"x": "refuted", "y": "refuted"}


class Cell:
    """Its only gradient has the shape of the second input, and its weights stand in one packed array too."""

    def __init__(self, input_size, hidden_size):
        rng = np.random.default_rng(0)
        self.weight_input = rng.normal(size=(input_size, hidden_size))
        self.weight_hidden = rng.normal(size=(hidden_size, hidden_size))
        self.weight = np.vstack((self.weight_input, self.weight_hidden))
        self.grad = np.zeros_like(self.weight)

    def forward(self, x, hidden):
        self.both = np.hstack((x, hidden))
        return x @ self.weight_input + hidden @ self.weight_hidden

    def backward(self, delta):
        self.grad += self.both.T @ delta
        return delta @ self.weight_hidden.T


def test_a_lone_gradient_is_of_the_only_input_that_has_its_shape():
    assert words(dout.check(Cell))["hidden"] == "exact"


def test_a_packed_copy_of_parameters_is_no_error():
    findings = dout.check(Cell).findings
    assert not [f for f in findings if f.severity == "error"]
    assert any("forward makes no use of weight" in f.message for f in findings)


class Network:
    """Its loss is given what the network is given; the derivative is that by what comes out of the network."""

    def calculate(self, inputs):
        return inputs / np.sum(inputs)

    def calculate_loss(self, inputs, targets):
        return np.sum((self.calculate(inputs) - targets) ** 2)

    def loss_derivative(self, outputs, targets):
        return 2 * (outputs - targets)


def test_a_derivative_by_the_outputs_of_a_network_is_not_that_by_its_inputs():
    with pytest.raises(dout.DoutError, match="takes the target itself"):
        dout.check(Network)
