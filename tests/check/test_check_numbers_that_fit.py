"""A setting that fits no other is a condition, not a mistake; sizes that are alike by chance decide nothing."""

import inspect

import numpy as np
import pytest
from check_commands import document, layers, write
from fair_examples import severities, table

import dout
from dout.check.program.observed_layers import LayerUse
from dout.check.program.used_example import used_examples
from dout.check.verb.check_layer import checked_on
from dout.check.verb.grounds import Grounds


class Pool:
    """Where windows overlap, one of two gradients is lost."""

    def __init__(self, window=2, stride=2):
        self.window, self.stride = window, stride

    def windows(self, x):
        for i in range((x.shape[1] - self.window) // self.stride + 1):
            yield i, slice(i * self.stride, i * self.stride + self.window)

    def forward(self, x):
        self.x = x
        return np.stack([x[:, part].max(axis=1) for _, part in self.windows(x)], axis=1)

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i, part in self.windows(self.x):
            x = self.x[:, part]
            dx[:, part] = (x == x.max(axis=1, keepdims=True)) * dout[:, i : i + 1]
        return dx


class PoolOfTwo(Pool):
    """Backward knows one window alone."""

    def backward(self, dout):
        self.window = self.stride = 2
        return super().backward(dout)


def test_windows_that_overlap_are_no_excuse_for_a_lost_gradient():
    assert severities(dout.check(Pool, table(3, 12))) == ["error"]
    report = dout.check(PoolOfTwo, table(3, 12))
    assert "error" in [f.severity for f in report.findings if f.code in ("D001", "D101")]


class Word:
    """By one word it takes a vector alone, in backward."""

    def __init__(self, kind="tanh"):
        self.kind = kind

    def forward(self, x):
        self.x = x
        if self.kind == "softmax":
            self.y = np.exp(x) / np.exp(x).sum()
        elif self.kind == "tanh":
            self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        if self.kind == "softmax":
            slopes = np.zeros((len(self.y), len(self.y)))
            for i in range(len(self.y)):
                for j in range(len(self.y)):
                    slopes[i, j] = self.y[i] * ((i == j) - self.y[j])
            return slopes @ dout
        return dout * (1 - self.y**2)


class WrongWord(Word):
    def backward(self, dout):
        if self.kind == "softmax":
            return super().backward(dout) + np.zeros(len(self.y) + 1)
        return super().backward(dout)


def raised(cls):
    return [f.severity for f in dout.check(cls, table(3, 4)).findings if f.code == "D001"]


def test_by_a_word_a_layer_may_be_meant_for_vectors():
    assert raised(Word) == ["warning"]
    assert raised(WrongWord) == ["error"]


def columns_forward(A, W, b):
    """Samples are columns; the loss leaves it to backward to average."""
    return W @ A + b, (A, W)


def columns_backward(dZ, cache):
    A, W = cache
    n = A.shape[1]
    return W.T @ dZ, dZ @ A.T / n, dZ.sum(axis=1, keepdims=True) / n


def rows_forward(A, W, b):
    return W @ A + b, (A, W)


def rows_backward(dZ, cache):
    A, W = cache
    return W.T @ dZ, dZ @ A.T / A.shape[0], dZ.sum(axis=1, keepdims=True) / A.shape[1]


def test_a_longer_axis_is_as_long_as_no_other():
    given = table(3, 2), table(1, 3), table(1, 1)
    assert dout.check(columns_forward, *given).ok
    assert "error" in severities(dout.check(rows_forward, *given))


class ByRows:
    """Right for one number a sample."""

    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.mean(self.difference**2)

    def backward(self, dout=1.0):
        return dout * 2 * self.difference / len(self.difference)


class Halved(ByRows):
    def backward(self, dout=1.0):
        return dout * self.difference * len(self.difference)


@pytest.mark.parametrize(
    ("cls", "columns", "severity"), [(ByRows, 1, "warning"), (ByRows, 3, "error"), (Halved, 1, "error")]
)
def test_a_loss_is_meant_for_as_many_numbers_as_its_program_gives_it(cls, columns, severity):
    given = {"prediction": table(20, columns), "target": table(20, columns)[::-1].copy()}
    (used,) = used_examples([LayerUse(cls, {}, cls(), given)])
    _, report = checked_on(Grounds.of_use(used))
    assert severities(report) == [severity]


class DummyLayer:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return dout / 2


class Layer(DummyLayer):
    pass


def test_what_stands_for_a_layer_in_a_test_is_no_error():
    assert severities(dout.check(DummyLayer)) == ["warning"]
    assert severities(dout.check(Layer)) == ["error"]


def test_what_is_called_so_outside_of_tests_is_a_layer(tmp_path):
    for name, severity in ("layers.py", "error"), ("test_layers.py", "warning"):
        write(tmp_path, inspect.getsource(DummyLayer), name)
        found = layers(document(name, cwd=tmp_path))["DummyLayer"]["findings"]
        assert [f["severity"] for f in found if f["code"] == "D101"] == [severity]
