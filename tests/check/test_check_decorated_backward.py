"""A backward that a decorator wraps without `functools.wraps`: whose its gradients are is read in the inner one."""

import numpy as np
import pytest

pytest.importorskip("flint")

from dout.check import check

X = np.random.default_rng(3).normal(size=(4, 3))


def remembering(forward):
    def remembered(self, x, training=True, *args):
        self.x = x
        return forward(self, x, *args)

    return remembered


def passing(backward):
    def passed(self, dout, training=True, *args):
        return backward(self, dout, *args)

    return passed


class Shift:
    """Its two parameters have one shape."""

    def __init__(self):
        self.beta, self.gamma = np.zeros((1, 3)), np.full((1, 3), 2.0)

    @remembering
    def forward(self, x):
        return self.gamma * x + self.beta

    @passing
    def backward(self, dout):
        dgamma = np.sum(dout * self.x, axis=0, keepdims=True)
        dbeta = np.sum(dout, axis=0, keepdims=True)
        dx = dout * self.gamma
        return dx, dgamma, dbeta


class Swapped(Shift):
    @passing
    def backward(self, dout):
        dbeta = np.sum(dout * self.x, axis=0, keepdims=True)
        dgamma = np.sum(dout, axis=0, keepdims=True)
        dx = dout * self.gamma
        return dx, dgamma, dbeta


def test_gradients_that_a_decorated_backward_returns_are_told_by_their_names():
    report = check(Shift(), X)
    assert {judged.argument for judged in report.verdicts} == {"x", "gamma", "beta"}
    assert not {finding.code for finding in report.findings} & {"D101", "D108"}


def test_gradients_under_each_others_names_are_wrong():
    report = check(Swapped(), X)
    assert "error" in {finding.severity for finding in report.findings}
