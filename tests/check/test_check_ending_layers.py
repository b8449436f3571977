"""Layers that end the program where they are not given what they want: `exit(1)` is a refusal as an error is."""

import sys

import numpy as np
import pytest

import dout
from dout.errors import DoutError


class Prepared:
    """It ends the program unless it was told the shape of one sample."""

    def __init__(self, units):
        self.units, self.shape = units, None

    def initial(self, input_dim):
        if len(input_dim) != 1:
            sys.exit(1)
        self.shape = input_dim
        self.w = np.random.default_rng(0).normal(size=(input_dim[0], self.units))

    def forward(self, x):
        if list(x.shape[1:]) != list(self.shape):
            sys.exit(1)
        return x @ self.w

    def backward(self, dout):
        return dout @ self.w.T


class PreparedWrong(Prepared):
    def backward(self, dout):
        return dout @ self.w.T * 2


class Bend:
    """Its backward knows a method less than forward, and says so."""

    def __init__(self, method):
        self.method = method

    def forward(self, x):
        self.x = x
        if self.method == "relu":
            return np.maximum(x, 0)
        if self.method == "softmax":
            shares = np.exp(x - x.max(axis=1, keepdims=True))
            return shares / shares.sum(axis=1, keepdims=True)
        sys.exit(1)

    def backward(self, dout):
        if self.method == "relu":
            return dout * (self.x > 0)
        return self.other(dout)

    def other(self, dout):
        sys.exit(1)


class BendWrong(Bend):
    """It does not refuse the other method: it does something that is wrong for it."""

    def other(self, dout):
        return dout[0] * self.missing


def words(report):
    return {verdict.argument: verdict.word for verdict in report.verdicts}


def test_a_layer_that_ends_the_program_unless_it_is_prepared_is_driven():
    report = dout.check(Prepared)
    assert words(report)["x"] == "exact"
    assert report.ok


def test_a_wrong_one_is_an_error():
    report = dout.check(PreparedWrong)
    assert words(report)["x"] == "refuted"
    assert not report.ok


def test_a_setting_that_backward_refuses_is_no_error():
    report = dout.check(Bend)
    assert words(report) == {"x": "exact"}
    assert report.ok


def test_a_setting_at_which_backward_fails_is_an_error():
    assert "D001" in {finding.code for finding in dout.check(BendWrong).findings if finding.severity == "error"}


class Ends:
    def forward(self, x):
        sys.exit(3)

    def backward(self, dout):
        return dout


def test_a_layer_that_ends_the_program_whatever_it_is_given_is_not_judged():
    with pytest.raises((DoutError, SystemExit)):
        dout.check(Ends)
    with pytest.raises(SystemExit):
        dout.check(Ends, np.ones((2, 3)))
