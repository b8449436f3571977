"""Whose a gradient is beside a label, which loss a derivative is of, and settings at which nothing is left."""

import numpy as np
import pytest
from fair_examples import table
from fair_readings import errors, said, shares

import dout
from dout.errors import TargetError
from dout.judge.outcomes import Word


class Shares:
    """The gradient of softmax and cross entropy, by the output, which it calls `dvalues`."""

    def forward(self, inputs):
        self.out = shares(inputs.T).T
        return self.out

    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[np.arange(len(dvalues)), y_true.argmax(axis=1)] -= 1


class Curve:
    """What is called `Y` beside an upstream gradient is the output."""

    power = 2

    def forward(self, x):
        return np.tanh(x)

    def backward(self, Y, dout):
        return dout * (1 - Y**self.power)


class WrongCurve(Curve):
    power = 3


def test_a_label_that_forward_is_not_given_is_no_input_of_it():
    with pytest.raises(TargetError, match="takes the target itself"):
        dout.check(Shares)


def test_one_letter_beside_an_upstream_gradient_is_the_output():
    assert said(dout.check(Curve)) == ["exact"]
    assert errors(dout.check(WrongCurve))


class Squares:
    """A loss that is given the target first, and leaves one gradient."""

    factor = 2

    def forward(self, y_true, y_pred):
        return np.sum((y_pred - y_true) ** 2)

    def backward(self, dvalues, y_true):
        self.dinputs = self.factor * (dvalues - y_true)


class WrongSquares(Squares):
    factor = 3


@pytest.mark.parametrize(("loss", "word"), [(Squares, Word.EXACT), (WrongSquares, Word.REFUTED)])
def test_one_gradient_that_is_left_is_no_labels(loss, word):
    assert [(v.argument, v.word) for v in dout.check(loss).verdicts] == [("y_pred", word)]


def d_squares_loss(out, target):
    return out - target


def squares_loss(out, target):
    return np.sum(0.5 * (out - target) ** 2)


class Net:
    """Its backward asks for the derivative of a loss, and goes on by itself."""

    power = 2

    def __init__(self, n=3, m=4):
        self.w = table(n, m)

    def forward(self, x):
        self.x = x
        self.out = np.tanh(x @ self.w)
        return self.out

    def backward(self, actual):
        slope = d_squares_loss(self.out, actual)
        self.dw = self.x.T @ (slope * (1 - self.out**self.power))


class WrongNet(Net):
    power = 3


@pytest.mark.parametrize(("net", "word"), [(Net, Word.EXACT), (WrongNet, Word.REFUTED)])
def test_the_derivative_of_a_loss_that_a_network_asks_for_says_which_loss_it_is(net, word):
    assert [(v.argument, v.word) for v in dout.check(net).verdicts] == [("w", word)]


class Rows:
    """Its gradient has a row for each number of the output: none where there is no output."""

    factor = 1

    def __init__(self, inputs, outputs):
        self.w = np.linspace(-1.0, 1.0, outputs * inputs).reshape(outputs, inputs)

    def forward(self, x):
        self.x = x
        return self.w @ x

    def backward(self, dout):
        self.dw = np.array([self.factor * number * self.x for number in dout])
        return self.w.T @ dout


class WrongRows(Rows):
    factor = 2


def test_a_size_of_0_is_no_setting_that_a_layer_is_meant_for():
    given = np.array([1.0, -2.0, 0.5, 3.0])
    assert errors(dout.check(Rows, given, init={"inputs": 4, "outputs": 1})) == []
    assert errors(dout.check(WrongRows, given, init={"inputs": 4, "outputs": 1}))


class Leaky:
    """The slope that its backward takes has a default."""

    @staticmethod
    def forward(x):
        return np.where(x > 0, x, 0.1 * x)

    @staticmethod
    def backward(x, gradient, alpha=0.1):
        return np.where(x > 0, 1, alpha) * gradient


class WrongLeaky(Leaky):
    @staticmethod
    def backward(x, gradient, alpha=0.2):
        return np.where(x > 0, 1, alpha) * gradient


def test_alpha_is_no_rate_where_there_is_nothing_to_step():
    assert said(dout.check(Leaky)) == ["exact"]
    assert errors(dout.check(WrongLeaky))


class Dense:
    """Its backward is given the layer before, whose output forward was given."""

    factor = 1

    def __init__(self, outputs):
        self.outputs, self.W = outputs, None

    def forward(self, inputs):
        if self.W is None:
            self.W = table(inputs.shape[1], self.outputs)
        self.output = inputs @ self.W
        return self.output

    def backward_layer(self, d_next, before):
        return d_next @ self.W.T if before.shape else None

    def backward(self, d_next, layer_before):
        dW = self.factor * layer_before.output.T @ d_next
        return self.backward_layer(d_next, layer_before.output), dW


class WrongDense(Dense):
    factor = 2


def test_the_layer_before_has_what_forward_was_given():
    assert said(dout.check(Dense)) == ["exact", "exact"]
    assert errors(dout.check(WrongDense))


class Regression:
    """Which loss it is meant for no code says, nor the rate of its optimizer."""

    power = 1

    def __init__(self, features, classes, optimizer):
        self.W, self.optimizer = table(features, classes), optimizer

    def __call__(self, X):
        return shares((X @ self.W).T).T

    def backward(self, Y, Y_hat, X):
        dW = self.optimizer.minimize(X.T @ ((Y_hat**self.power - Y) / len(Y)))
        self.W = self.W - dW


class WrongRegression(Regression):
    power = 2


def test_how_many_samples_an_unknown_loss_counts_is_no_error():
    assert errors(dout.check(Regression)) == []
    with pytest.raises(TargetError, match="takes the target itself"):
        dout.check(WrongRegression)


class Product:
    """What it hands to the layer before is multiplied by the derivative of that one's activation."""

    factor = 1

    def __init__(self, inputs, outputs):
        self.W = table(outputs, inputs)

    def forward(self, a_prev):
        return self.W @ a_prev

    def backward(self, dz, a_prev, activation_derivative_prev):
        self.dW = self.factor * dz @ a_prev.T
        return (self.W.T @ dz) * activation_derivative_prev


class WrongProduct(Product):
    factor = 3


def test_a_derivative_beside_an_upstream_gradient_is_a_factor():
    assert said(dout.check(Product)) == ["exact", "exact"]
    assert errors(dout.check(WrongProduct))
