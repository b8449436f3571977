"""A backward that is right, but for very large numbers or for a dtype, is written, and says so."""

import numpy as np
import pytest

from dout.explain.loops.looped_class import derived
from dout.explain.model.reasons import REASONS


class OverLabels:
    """The logarithm of a sum that is 0 far away, where the loss itself is not finite either."""

    def forward(self, x, y):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.p = e / np.sum(e, axis=1, keepdims=True)
        return -np.log((self.p * y).sum(axis=1))


class Counted:
    """A mean over as many as there are: whole numbers, by which float32 becomes float64."""

    def forward(self, x):
        total = np.sum(x, axis=1)
        total /= np.sum(~np.isnan(x), axis=1)
        return total


class OneSample:
    """Its own backward takes one sample, and its forward any number."""

    def __init__(self, rows, columns):
        self.w = np.random.rand(rows, columns) - 0.5
        self.b = np.random.rand(1, columns) - 0.5

    def forward(self, x):
        self.x = x
        return np.dot(x, self.w) + self.b

    def backward(self, error, rate):
        before = np.dot(error, self.w.T)
        self.w -= rate * np.dot(self.x.T, error)
        self.b -= rate * error
        return before


def keys(made):
    return [note.key for note in made.notes]


@pytest.mark.long
def test_a_loss_that_overflows_is_derived_with_its_limit():
    x, y = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]]), np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    made = derived(OverLabels, {}, {"x": x, "y": y})
    assert "derive not finite" in keys(made)
    assert not made.is_finite
    layer = made.layer()
    layer.forward(x, y)
    dx, _ = layer.backward(np.ones(2))
    softmax = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(dx, softmax - y, rtol=1e-12)


def test_a_backward_that_widens_float32_is_derived_and_says_so():
    made = derived(Counted)
    assert "derive float32" in keys(made)
    assert made.is_finite
    assert "float64 of float32" in REASONS["derive float32"]


def test_the_sum_over_samples_is_there_although_backward_takes_one():
    layer = derived(OneSample).layer(4, 3)
    layer.forward(np.ones((2, 4)))
    layer.backward(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(layer.db, [[3.0, 5.0, 7.0]])
