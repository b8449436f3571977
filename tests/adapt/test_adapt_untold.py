"""Manners in which no layer is run: a right layer that is written so has no error, and a wrong one no tick."""

import numpy as np
import pytest

import dout
from dout.errors import DoutError


class Later:
    """The gradient of its weight is computed by a method that is called after backward."""

    def __init__(self, rows=3, columns=4):
        self.W = np.sin(np.arange(1.0, rows * columns + 1)).reshape(rows, columns)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.delta = dout
        return dout @ self.W.T

    def compute_gradients(self):
        self.dW = self.x.T @ self.delta


class LaterWrong(Later):
    def compute_gradients(self):
        self.dW = self.x.T @ self.delta / 2


class AsksALoss:
    def __init__(self, rows=3, columns=4):
        self.W = np.sin(np.arange(1.0, rows * columns + 1)).reshape(rows, columns)

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W)
        return self.h

    def backward(self, target, criterion):
        d = criterion.slope(self.h, target) * (1 - self.h**2)
        self.dW = self.x.T @ d
        return d @ self.W.T


class AsksALossWrong(AsksALoss):
    def backward(self, target, criterion):
        d = criterion.slope(self.h, target) * (1 - self.h)
        self.dW = self.x.T @ d
        return d @ self.W.T


class TakesThree:
    def forward(self, *args):
        one, other, third = args
        self.args = args
        return one * other + third

    def backward(self, dout):
        one, other, _ = self.args
        return dout * other, dout * one, dout


class TakesThreeWrong(TakesThree):
    def backward(self, dout):
        one, other, _ = self.args
        return dout * one, dout * other, dout


class AsksItsActivation(Later):
    def __init__(self, rows, columns, activation):
        super().__init__(rows, columns)
        self.activation = activation

    def forward(self, x):
        self.z = super().forward(x)
        return self.activation.curve(self.z)

    def backward(self, dout):
        d = dout * self.activation.steepness(self.z)
        self.dW = self.x.T @ d
        return d @ self.W.T


class AsksItsActivationWrong(AsksItsActivation):
    def backward(self, dout):
        return super().backward(dout) / 2


class Part:
    def __init__(self, rows, columns):
        self.table, self.steps = np.sin(np.arange(1.0, rows * columns + 1)).reshape(rows, columns), []


class TellsByItsStep:
    """Whose its gradients are shows in `update` alone."""

    def __init__(self, rows, columns):
        self.first, self.last = Part(rows, 4), Part(4, columns)

    def forward(self, X):
        self.X, self.h = X, np.tanh(X @ self.first.table)
        self.out = self.h @ self.last.table
        return self.out

    def loss(self, out, y):
        return np.sum((out - y) ** 2) / 2

    def backward(self, y):
        d = self.out - y
        self.last.steps.append(self.h.T @ d)
        self.ahead = self.X.T @ ((d @ self.last.table.T) * self.slope())

    def slope(self):
        return 1 - self.h**2

    def update(self, rate):
        self.last.table -= rate * self.last.steps.pop()
        self.first.table -= rate * self.ahead


class TellsByItsStepWrong(TellsByItsStep):
    def slope(self):
        return 1 - self.h


WRONG = {  # and whose gradients are
    LaterWrong: {"W"}, AsksALossWrong: {"x", "W"}, TakesThreeWrong: {"args", "input1"},
    AsksItsActivationWrong: {"x", "W"}, TellsByItsStepWrong: {"first.table"},
}  # fmt: skip


def judged(cls):
    """The words on its gradients, and the errors; that it is not run is an answer in words, too."""
    try:
        report = dout.check(cls)
    except DoutError:
        return {}, []
    words = {verdict.argument: str(verdict.word) for verdict in report.verdicts}
    return words, [finding for finding in report.findings if finding.severity == "error"]


@pytest.mark.parametrize("cls", [wrong.__base__ for wrong in WRONG])
def test_a_right_layer_of_a_manner_that_is_not_read_has_no_error(cls):
    words, errors = judged(cls)
    assert not errors
    assert "refuted" not in words.values()


@pytest.mark.parametrize(("cls", "wrong"), WRONG.items())
def test_what_is_wrong_in_such_a_manner_has_no_tick(cls, wrong):
    words, _ = judged(cls)
    assert "exact" not in {word for name, word in words.items() if name in wrong}
