"""What forward keeps in attributes before its loops, or fills in them, is derived as the local value that it is."""

from functools import cache

import numpy as np
import pytest

from dout import check
from dout.explain.loops import looped_class

derived = cache(looped_class.derived)


def correlated(image, kernel, stride, shape):
    """The correlation of one image with one kernel, placed by hand."""
    rows, columns = shape
    size = kernel.shape[0]
    found = np.zeros((rows, columns))
    for r in range(rows):
        top = stride * r
        for c in range(columns):
            left = stride * c
            found[r, c] = np.sum(image[top : top + size, left : left + size] * kernel)
    return found


class Filters:
    def __init__(self, shape=(2, 5, 6), count=3, size=3, stride=1):
        channels, height, width = shape
        self.stride, self.count, self.channels = stride, count, channels
        self.out_shape = (count, (height - size) // stride + 1, (width - size) // stride + 1)
        self.kernels = np.random.randn(count, channels, size, size)
        self.b = np.random.randn(*self.out_shape)

    def forward(self, image):
        self.image = image
        self.out = np.copy(self.b)
        for f in range(self.count):
            for c in range(self.channels):
                self.out[f] += correlated(self.image[c], self.kernels[f, c], self.stride, shape=self.out_shape[1:])
        return self.out


class Pool:
    def __init__(self, shape=(2, 4, 6), size=2):
        channels, height, width = shape
        self.channels, self.size = channels, size
        self.out_shape = (channels, height // size, width // size)
        self.out = np.zeros(self.out_shape)

    def forward(self, image):
        self.image = image
        _, rows, columns = self.out_shape
        for c in range(self.channels):
            for i in range(rows):
                for j in range(columns):
                    top, left = i * self.size, j * self.size
                    self.out[c, i, j] = np.max(self.image[c, top : top + self.size, left : left + self.size])
        return self.out


class Drawn:
    """Its weights come from a generator that nobody seeded."""

    def __init__(self, rows, columns, seed=None):
        draw = np.random.default_rng(seed)
        self.W = draw.normal(0.0, 1.0, size=(rows, columns))

    def forward(self, x, training=False):
        return x @ self.W


@pytest.mark.one_in(4)
@pytest.mark.parametrize("cls", [Filters, Pool, Drawn])
def test_every_gradient_is_exact(cls):
    report = check(derived(cls).layer)
    assert report.ok, str(report)
    assert all(verdict.word == "exact" for verdict in report.verdicts)


@pytest.mark.long
def test_a_value_is_read_where_forward_keeps_it():
    backward = derived(Filters).source.partition("def backward")[2]
    assert "self.image.shape" in backward
    assert "self.image_shape" not in backward


def test_an_array_of_the_layer_that_forward_fills_has_no_gradient():
    assert "self.dout" not in derived(Pool).source


def test_max_pooling_sends_each_gradient_to_the_largest_element():
    layer = derived(Pool).layer()
    image = np.arange(48.0).reshape(2, 4, 6)
    layer.forward(image)
    dx = layer.backward(np.ones((2, 2, 3)))
    expected = np.zeros((2, 4, 6))
    expected[:, 1::2, 1::2] = 1.0  # numbers grow to the right and downwards
    np.testing.assert_array_equal(dx, expected)


def test_what_only_seeds_a_generator_or_is_never_read_is_no_choice():
    assert "one_side" not in [note.key for note in derived(Drawn).notes]
