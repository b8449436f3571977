"""A parameter that a constructor is given as a row, and networks of functions that take their weights."""

import numpy as np

from dout import check, explain
from dout.adapt.search.example import example
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


class ScalesSteps:
    """For samples of steps: of rows alone, its gradient would be one number."""

    def __init__(self, n):
        self.gain = np.ones(n)

    def forward(self, x):
        self.x = x
        return x * self.gain

    def backward(self, dout):
        self.dgain = self.gradient(dout)
        return dout * self.gain

    def gradient(self, dout):
        return (dout * self.x).sum((0, 1))


class SumsAll(ScalesSteps):
    def gradient(self, dout):
        return (dout * self.x).sum()


def test_a_gradient_that_is_one_number_asks_for_more_axes_whatever_its_parameter_is_called():
    found = example(ScalesSteps, {}, {})
    assert found.inputs["x"].ndim == 3
    report = check(ScalesSteps)
    assert {str(verdict.word) for verdict in report.verdicts} == {"exact"}
    assert "✗" not in str(explain(ScalesSteps))


def test_a_gradient_that_is_one_number_with_any_axes_is_an_error():
    (error,) = [finding for finding in check(SumsAll).findings if finding.severity == "error"]
    assert error.argument == "gain"
