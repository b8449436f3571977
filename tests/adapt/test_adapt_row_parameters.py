"""A parameter that a constructor is given as a row, and networks of functions that take their weights."""

import numpy as np

from dout import check
from dout.judge.outcomes import RIGHT


class AddsRow:
    def __init__(self, b):
        assert b.shape[0] == 1
        self.b = b

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = dout.sum(axis=0, keepdims=True)
        return dout


class WithRowGradient(AddsRow):
    """Of a line of numbers its gradient would have another shape."""

    def __init__(self, b):
        self.b = b

    def backward(self, dout):
        self.db = dout.sum(axis=0).reshape(1, -1)
        assert self.db.shape == self.b.shape
        return dout


def test_a_parameter_may_be_a_row():
    assert {v.word for v in check(AddsRow).verdicts} <= RIGHT
    assert len(check(WithRowGradient).verdicts) == 2


def scores(w1, b1, w2, b2, x):
    hidden = np.tanh(x @ w1 + b1)
    powers = np.exp(hidden @ w2 + b2)
    return hidden, powers / powers.sum(axis=1, keepdims=True)


def scores_backward(hidden, chances, w2, x, y):
    d2 = chances.copy()
    d2[np.arange(len(x)), y] -= 1
    d2 /= len(x)
    d1 = d2 @ w2.T * (1 - hidden**2)
    return x.T @ d1, d1.sum(axis=0), hidden.T @ d2, d2.sum(axis=0)


def test_functions_that_take_their_weights_are_judged_by_a_usual_loss():
    report = check(scores)
    assert len(report.verdicts) == 4
    assert {v.word for v in report.verdicts} <= RIGHT
