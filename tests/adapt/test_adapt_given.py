"""Whose a returned gradient is, where its place cannot say it."""

import numpy as np
import pytest

import dout
from dout.adapt import record_example


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


def product(returned):
    """The class of layers that multiply two matrices, with this backward."""

    def forward(self, a, b):
        self.a, self.b = a, b
        return a @ b

    return type("Product", (), {"forward": forward, "backward": returned})


def exchanged(self, dout):
    da, db = dout @ self.b.T, self.a.T @ dout
    return db, da


ORDERS = {
    exchanged: ({"a": "exact", "b": "exact"}, {("D501", "warning")}),
    lambda self, dout: (self.a.T @ dout, dout @ self.b.T): ({"a": "exact", "b": "exact"}, {("D501", "warning")}),
    lambda self, dout: (dout @ self.b.T, self.a.T @ dout): ({"a": "exact", "b": "exact"}, set()),
}


@pytest.mark.parametrize("returned", ORDERS)
def test_gradients_in_another_order_are_told_apart_by_their_shapes_and_a_warning_says_so(returned):
    report = dout.check(product(returned)(), np.ones((2, 3)), np.ones((3, 4)))
    told = {(found.code, found.severity) for found in report.findings if found.code != "D208"}
    assert (words(report), told) == ORDERS[returned]


@pytest.mark.long
def test_gradients_whose_names_and_shapes_contradict_each_other_are_wrong():
    def misnamed(self, dout):
        db, da = dout @ self.b.T, self.a.T @ dout
        return da, db

    report = dout.check(product(misnamed)(), np.ones((2, 3)), np.ones((3, 4)))
    assert {(found.code, found.severity) for found in report.findings if found.argument} == {("D501", "error")}


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


class Concat:
    def forward(self, xs):
        self.at = np.cumsum([x.shape[1] for x in xs])[:-1]
        return np.concatenate(xs, axis=1)

    def backward(self, dout):
        return np.split(dout.copy(), self.at, axis=1)


class Total:
    def forward(self, xs):
        self.number = len(xs)
        return sum(xs)

    def backward(self, dout):
        return [dout.copy() for _ in range(self.number)]


def test_a_list_of_arrays_is_an_input_whose_parts_have_a_gradient_each():
    uneven = dout.check(Concat(), [np.ones((2, 3)), np.full((2, 4), 0.3)])
    assert [(verdict.argument, str(verdict.word)) for verdict in uneven.verdicts] == [
        ("xs[0]", "exact"),
        ("xs[1]", "exact"),
    ]
    assert dout.check(Total(), [np.ones((2, 3)), np.full((2, 3), 0.3)]).ok


def test_a_function_without_backward_takes_the_upstream_gradient_that_is_given():
    trace, _ = record_example(lambda x: x * x, {}, {"x": np.array([1.0, 3.0]), "dout": 2})
    (x,) = [value for value in trace.values if value.name == "x"]
    assert x.gradient.value.tolist() == [4.0, 12.0]


class Steepness:
    def __init__(self, beta):
        self.beta = beta

    def forward(self, x):
        return np.tanh(self.beta * x)


def test_a_number_that_is_given_leaves_the_inputs_to_be_chosen():
    _, found = record_example(Steepness, {"beta": 1.5}, {})
    assert np.ndim(found.inputs["x"])
