"""Errors of a layer whose backward may be given None: what it gives then is a guess."""

import numpy as np

from dout.check.verb.check_layer import check


class OfTheNextLayer:
    """Backward is given the weights of the next layer and the gradient of its sum; the last layer has that itself."""

    def __init__(self, n_in, n_out):
        self.w, self.b = np.linspace(-1.0, 1.0, n_in * n_out).reshape(n_out, n_in), np.zeros((n_out, 1))

    def forward(self, x):
        self.x = x
        self.a = np.tanh(self.w @ x + self.b)
        return self.a

    def backward(self, w, delta):
        self.delta = delta if w is None else (1 - self.a**2) * (w.T @ delta)
        self.dw, self.db = self.delta @ self.x.T, self.delta.sum(axis=1, keepdims=True)
        return self.delta


class WithAMask:
    """Backward may be given a mask; without one it is the whole derivative."""

    wrong = 1

    def __init__(self, n_in, n_out):
        self.w = np.linspace(-1.0, 1.0, n_in * n_out).reshape(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, dout, mask):
        d = (dout if mask is None else dout * mask) * self.wrong
        self.dw = self.x.T @ d
        return d @ self.w.T


class WithAMaskWrong(WithAMask):
    wrong = -1


def severities(report):
    return {finding.severity for finding in report.findings if finding.code == "D101"}


def test_no_gradient_that_fits_where_something_is_none_is_a_warning():
    assert severities(check(OfTheNextLayer)) == {"warning"}


def test_gradients_that_one_change_mends_are_errors_where_something_is_none():
    assert not severities(check(WithAMask))
    assert severities(check(WithAMaskWrong)) == {"error"}
