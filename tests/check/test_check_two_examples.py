"""An error on the numbers of a gradient rests on two examples of other sizes."""

import numpy as np
import pytest

import dout


class ByChance:
    """Its sum is one of squares, and backward is written for three rows."""

    def forward(self, x):
        self.x = x
        return np.sum(x**2, axis=0) / 4

    def backward(self, dout):
        return self.x * dout / (2 if len(self.x) != 3 else 3)


class Fixed:
    """It takes tables of three rows and four columns alone."""

    def __init__(self):
        self.weight = np.cos(np.arange(12.0)).reshape(3, 4)

    def forward(self, x):
        if x.shape != (3, 4):
            raise ValueError(f"x has shape {x.shape}, not (3, 4)")
        self.x = x
        return self.weight * x**2

    def backward(self, dout):
        return self.weight * self.x * dout


class Plain:
    """Wrong at all sizes."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return self.x * dout


class FromOnes:
    """Its parameter starts as ones: only elsewhere it is seen that a factor is missing."""

    def __init__(self, channels):
        self.gamma = np.ones(channels)

    def forward(self, x):
        self.x = x
        return self.gamma * x

    def backward(self, dout):
        self.dgamma = np.sum(dout * self.x, axis=0)
        return dout


def severities(layer, *given):
    return [item.severity for item in dout.check(layer, *given).findings if item.code == "D101"]


@pytest.mark.parametrize("layer", [Plain, FromOnes])
def test_what_is_wrong_at_all_sizes_is_an_error(layer):
    assert severities(layer) == ["error"]


def test_what_is_wrong_at_one_size_is_a_warning_which_says_where_it_is_right():
    (found,) = [item for item in dout.check(ByChance).findings if item.code == "D101"]
    assert found.severity == "warning"
    assert "it is right" in found.message
    assert severities(ByChance, np.cos(np.arange(6.0)).reshape(3, 2)) == ["error"]  # given: that is no guess


def test_what_is_wrong_and_takes_one_size_alone_is_an_error():
    assert severities(Fixed) == ["error"]


class NormOfRows:
    """It divides by the number of samples where it should by that of columns: right on square tables alone."""

    def __init__(self, d=5):
        self.gamma = np.linspace(0.5, 1.5, d)

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        self.xhat = (x - x.mean(axis=-1, keepdims=True)) / self.std
        return self.gamma * self.xhat

    def backward(self, dout):
        self.dgamma = (dout * self.xhat).sum(axis=0)
        n = dout.shape[0]
        dx = dout * self.gamma
        along = (dx * self.xhat).sum(axis=-1, keepdims=True) / n
        return (dx - dx.sum(axis=-1, keepdims=True) / n - self.xhat * along) / self.std


def test_a_second_example_whose_lengths_are_alike_by_chance_does_not_excuse():
    (error,) = (finding for finding in dout.check(NormOfRows).findings if finding.severity == "error")
    assert "`dout.shape[0]` should be `dout.shape[1]`" in error.because
