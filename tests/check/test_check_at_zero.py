"""A layer that hands its input on only at the values that its parameters begin with computes more than that."""

import numpy as np

import dout


class Gate:
    """`x + alpha · tanh(x)`, whose alpha begins at 0 (Bachlechner et al., 2020)."""

    def __init__(self):
        self.alpha = 0.0

    def forward(self, x):
        self.x = x
        return x + self.alpha * np.tanh(x)

    def backward(self, dout):
        return dout + self.alpha * dout * (1 - np.tanh(self.x) ** 2)


class WrongGate(Gate):
    def backward(self, dout):
        return dout + (1 - np.tanh(self.x) ** 2)


class Residual:
    """`x + tanh(x) · W`, whose W begins at 0."""

    def __init__(self):
        self.W = np.zeros((3, 3))

    def forward(self, x):
        self.x = x
        return x + np.tanh(x) @ self.W

    def backward(self, dout):
        self.dW = np.tanh(self.x).T @ dout
        return dout + dout @ self.W.T * (1 - np.tanh(self.x) ** 2)


class WrongResidual(Residual):
    def backward(self, dout):
        self.dW = np.tanh(self.x).T @ dout
        return dout + (1 - np.tanh(self.x) ** 2)


def errors(layer):
    return {finding.argument for finding in dout.check(layer).findings if finding.severity == "error"}


def test_what_is_added_to_an_input_that_goes_through_unchanged_is_judged():
    assert not errors(Gate) | errors(Residual)
    assert errors(WrongGate) == errors(WrongResidual) == {"x"}
