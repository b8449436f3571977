"""A gradient of another shape is told with its line, and with what fits there."""

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import SoftmaxWithLoss
from dout.train import fit

X, T = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 3


class Dense:
    def __init__(self):
        self.W, self.b = np.ones((2, 3)), np.zeros(3)
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b


class Turned(Dense):
    def backward(self, dout):
        self.dW = dout.T @ self.x
        self.db = dout.sum(axis=0)


class OtherTurned(Dense):
    def backward(self, dout):
        self.dW = (self.x.T @ dout).T
        self.db = dout.sum(axis=0)


class NotSummed(Dense):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout


class TakenApart(Dense):
    def backward(self, dout):
        self.db = dout.sum(axis=0)
        for name in ("dW",):
            setattr(self, name, dout.T @ self.x)


def said(kind):
    with pytest.raises(TrainingError) as error:
        fit([kind()], X, T, loss=SoftmaxWithLoss())
    return str(error.value)


def place(kind, line):
    return f"tests/train/test_gradient_shapes.py:{kind.backward.__code__.co_firstlineno + line}"


def test_a_product_the_other_way_round_is_told_with_the_right_one(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)
    assert said(Turned) == (
        "Turned.backward (net.layers[0]): dW has shape (3, 2), W has (2, 3), "
        f"at {place(Turned, 1)}; try self.x.T @ dout"
    )


def test_a_gradient_of_each_sample_is_told_with_its_sum():
    assert said(NotSummed).endswith("; try dout.sum(axis=0)")
    assert "db has shape (20, 3), b has (3,), at " in said(NotSummed)


def test_what_is_written_in_another_way_is_told_with_its_line_alone():
    assert f":{OtherTurned.backward.__code__.co_firstlineno + 1}: backward has to leave one number" in said(OtherTurned)


def test_without_a_line_the_shapes_are_told():
    assert said(TakenApart).startswith("net.layers[0].W has shape (2, 3), its gradient has shape (3, 2): backward has")
