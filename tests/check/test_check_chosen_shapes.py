"""Where a shape was chosen, and the layer is right in another one, nothing is an error; what is wrong anyway is one."""

import numpy as np
import pytest

import dout
from dout.adapt.interface.function_pairs import given_pair


def errors(target):
    return [finding.code for finding in dout.check(target).findings if finding.severity == "error"]


def gate(sign):
    class Gate:
        """The gate has a number for each number of x; its name says that it may have one for each column."""

        def forward(self, x, h, g):
            self.x, self.h = x, h
            self.t = 1 / (1 + np.exp(-g))
            return self.t * h + (1 - self.t) * x

        def backward(self, dout):
            dt = dout * (self.h + sign * self.x)
            return dout * (1 - self.t), dout * self.t, dt * self.t * (1 - self.t)

    return Gate


def heads(less):
    class Heads:
        """The first input has one column, which is added to each of the others."""

        def forward(self, v, a):
            return v + a - a.mean(axis=1, keepdims=True)

        def backward(self, dq):
            return dq.sum(axis=1, keepdims=True), dq - less(dq, axis=1, keepdims=True)

    return Heads


def scaled(times):
    def forward(x, w):
        return x * w, (x, w)

    def backward(dout, cache):
        x, w = cache
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        dx += dout * w
        dw += times * (dout * x).sum(axis=0)
        return dx, dw

    return given_pair(forward, backward)


@pytest.mark.parametrize("right", [gate(-1), heads(np.mean), scaled(1)])
def test_a_layer_that_is_right_in_another_shape_than_the_chosen_one_has_no_error(right):
    assert errors(right) == []


@pytest.mark.long
@pytest.mark.parametrize("wrong", [gate(1), heads(np.sum), scaled(2)])
def test_what_is_wrong_in_each_of_the_shapes_is_an_error(wrong):
    assert errors(wrong)


class Decayed:
    """Weights of one sign, with a penalty on their size that the loss has not."""

    def __init__(self, inputs=3, outputs=4):
        self.weights = np.linspace(0.1, 1.0, inputs * outputs).reshape(inputs, outputs)

    def forward(self, x):
        self.x = x
        return x @ self.weights

    def backward(self, dout):
        signs = np.ones_like(self.weights)
        signs[self.weights < 0] = -1
        self.dweights = self.x.T @ dout + 0.001 * signs
        return dout @ self.weights.T


def test_a_penalty_on_weights_of_one_sign_is_a_penalty():
    report = dout.check(Decayed)
    assert report.ok
    assert "D112" in [finding.code for finding in report.findings]


class Codes:
    """It adds numbers that are kept as whole codes."""

    def forward(self, a, b):
        return (a + b).astype(np.int8)

    def backward(self, dout):
        return dout, dout


class Staircase:
    def forward(self, x):
        self.x = x
        return np.floor(np.maximum(0, x) * 10) / 10

    def backward(self, dout):
        return dout * (self.x > 0) * 0.9


@pytest.mark.parametrize("steps", [Codes, Staircase])
def test_what_has_steps_has_no_derivative_that_refutes(steps):
    assert errors(steps) == []


class Stepping:
    """Its optimizer begins with the first gradient, and a cast is no step of a recording."""

    def __init__(self, inputs=3, outputs=4):
        self.weights, self.square = np.linspace(-1, 1, inputs * outputs).reshape(inputs, outputs), None

    def forward(self, x):
        self.x = x
        return np.vectorize(np.tanh)(x @ self.weights)

    def backward(self, dout):
        dout = dout * (1 - np.tanh(self.x @ self.weights) ** 2)
        dweights = self.x.T @ dout
        if self.square is None:
            self.square = dweights**2
        self.weights = self.weights - 0.01 * dweights / np.sqrt(self.square)
        return dout @ self.weights.T


def test_what_an_optimizer_makes_at_its_first_step_is_no_parameter():
    assert dout.check(Stepping).verdicts


def log_loss(factor):
    def log_loss(y, y_hat):
        return -(np.dot(y, np.log(y_hat).T) + np.dot(1 - y, np.log(1 - y_hat).T)) / y.shape[1]

    def log_loss_prime(y, y_hat):
        return factor * (1 - y) / (1 - y_hat) - y / y_hat

    return given_pair(log_loss, log_loss_prime)


@pytest.mark.parametrize(("factor", "wrong"), [(1, []), pytest.param(2, ["D101"], marks=pytest.mark.long)])
def test_a_loss_that_multiplies_all_pairs_of_rows_is_meant_for_one(factor, wrong):
    assert errors(log_loss(factor)) == wrong


class Lazy:
    """Asked for nothing else, backward gives the gradient of the weights, which forward makes."""

    def __init__(self, outputs=5):
        self.w, self.outputs = None, outputs

    def forward(self, inputs):
        if self.w is None:
            self.w = np.random.default_rng(0).normal(size=(self.outputs, inputs.shape[1]))
        self.inputs = inputs
        return inputs @ self.w.T

    def backward(self, delta, wrt="w"):
        return delta.T @ self.inputs / len(delta) if wrt == "w" else delta @ self.w


class Apart:
    """Nothing says which of the two is the prediction."""

    def loss(self, u, v):
        return np.sum((u - v) ** 2) / len(v)

    def loss_derivative(self, u, v):
        return -2 * (u - v) / len(v)


@pytest.mark.parametrize("kind", [Lazy, Apart])
def test_a_gradient_that_fits_another_value_is_no_error_of_the_first(kind):
    assert errors(kind) == []


class OfSigns:
    def forward(self, pred, labels):
        self.pred, self.labels = pred, labels
        return -np.sum(np.log(np.abs(labels / 2 - 0.5 + pred)))

    def backward(self):
        return -(1 + self.labels) / 2 / self.pred + (1 - self.labels) / 2 / (1 - self.pred)


def test_labels_may_be_signs():
    assert errors(OfSigns) == []
    given = np.array([[0.25, 0.75], [0.5, 0.125]]), np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert dout.check(OfSigns(), *given).ok


class Directions:
    """The length of what is given changes nothing; wrong: a factor 2 in backward."""

    def forward(self, x):
        self.length = np.sqrt((x * x).sum())
        self.out = x / self.length
        return self.out

    def backward(self, dout):
        return 2 * (dout - self.out * (dout * self.out).sum()) / self.length


def test_what_does_not_change_with_the_scale_has_no_steps():
    assert errors(Directions) == ["D101"]
