"""Shapes that a constructor is told: an input may have that shape already, and one without axes has none."""

import numpy as np
import pytest
from report_findings import errors

from dout.check.verb.check_layer import check


def summed_to(dout, shape, *, same):
    """The sum of an array along the axes that it was repeated along."""
    if dout.shape == shape:
        return same(dout)
    dout = dout.sum(axis=tuple(range(dout.ndim - len(shape))))
    ones = tuple(axis for axis, n in enumerate(shape) if n == 1)
    return dout.sum(axis=ones, keepdims=True) if ones else dout


class Spread:
    """Repeats an input."""

    same = staticmethod(lambda dout: dout)

    def __init__(self, shape=(4, 3)):
        self.shape = shape

    def forward(self, x):
        self.x_shape = x.shape
        return np.broadcast_to(x, self.shape).copy()

    def backward(self, dout):
        return summed_to(dout, self.x_shape, same=self.same)


class SpreadWithOnes(Spread):
    """Loses dout where there is nothing to sum."""

    same = staticmethod(np.ones_like)


@pytest.mark.parametrize("x", [np.array([0.5, -1.5, 2.0]), np.array(0.5)])
def test_a_branch_for_the_shape_that_is_told_is_met(x):
    assert not errors(check(Spread, x))
    (found,) = errors(check(SpreadWithOnes, x))
    assert "on x (4, 3)" in found.message


class Root:
    """Takes an array alone, as a tape does, of any number of axes."""

    scale = 0.5

    def __init__(self, power=1):
        self.power = power

    def forward(self, x):
        if not isinstance(x, np.ndarray):
            raise TypeError("an array is needed")
        self.x = x
        return x**self.power

    def backward(self, dout):
        return dout * self.power * self.x ** (self.power - 1)


class RootOfOne(Root):
    """Is right for a power of 1 alone."""

    def backward(self, dout):
        return dout * self.x ** (self.power - 1)


def test_an_array_without_axes_stays_one_when_it_is_moved():
    assert not errors(check(Root, np.array(0.7)))
    assert "with power = 2" in errors(check(RootOfOne, np.array(0.7)))[0].message
