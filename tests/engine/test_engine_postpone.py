"""Writes of a few elements come after what is done to all, and every value keeps every bit."""

import numpy as np
import pytest
from engine_graphs import exact_passes, left

from dout.engine.passes.sink_writes import sink_writes

Y = np.random.default_rng(0).normal(size=(64, 40)).astype(np.float32)
T = np.random.default_rng(1).integers(0, 40, 64)
ROWS = np.arange(64)


def after(function, *inputs):
    """The rows of a function once its writes were postponed."""
    return left(lambda graph: sink_writes(exact_passes(graph)), function, *inputs)


def loss_gradient(y, t, dout=1.0):
    dx = y.copy()
    dx[ROWS, t] -= 1
    dx *= dout
    return dx / 64


def test_what_is_done_to_a_whole_array_comes_before_a_write_into_it():
    assert after(loss_gradient, Y, T)[-1] == "setitem"
    assert after(lambda y, t: -np.exp(loss_gradient(y, t)), Y, T)[-1] == "setitem"


def test_what_is_written_is_cast_first():
    def function(y):
        y = y.copy()
        y[3, 4] = 0.1
        return y * 0.3

    assert after(function, Y)[-1] == "setitem"


@pytest.mark.parametrize(
    "function",
    [
        lambda dx: (dx, dx * 2),  # the written array is needed itself
        lambda dx: dx * Y,  # an array beside it
        lambda dx: dx.sum(axis=0),
        lambda dx: dx[:2] * 2,
        lambda dx: dx.astype(np.int64) ** 2,  # which NumPy may refuse
    ],
)
def test_what_is_more_than_one_array_and_numbers_comes_after_it(function):
    def written(y, t):
        dx = y.copy()
        dx[ROWS, t] = 0.5
        return function(dx)

    assert "setitem" in after(written, Y, T)[:-1]


def test_many_written_elements_are_written_first():
    def function(y):
        y = y.copy()
        y[::2] = y[::2] + 1
        return y * 2

    assert after(function, Y)[-1] == "multiply"
