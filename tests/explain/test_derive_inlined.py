"""Functions with loops that forward calls: their lines stand in the forward that is written, and are derived there."""

import numpy as np
import pytest

from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.looped_class import derived


def patches(data, size, stride=1):
    """The windows of a signal as rows."""
    n, length = data.shape
    count = (length - size) // stride + 1
    rows = np.zeros((n, count, size), dtype=data.dtype)
    for i in range(count):
        rows[:, i] = data[:, i * stride : i * stride + size]
    return rows


class Convolution:
    def __init__(self, W, stride=2):
        self.W, self.stride = W, stride

    def forward(self, x):
        rows = patches(x, self.W.shape[0], stride=self.stride)
        return rows @ self.W


class AsMethod:
    def __init__(self, W, stride=2):
        self.W, self.stride, self.bias = W, stride, False

    def convolved(self, data, kernel):
        count = (data.shape[1] - len(kernel)) // self.stride + 1
        x = np.zeros((len(data), count))
        for i in range(count):
            x[:, i] = np.sum(data[:, i * self.stride : i * self.stride + len(kernel)] * kernel, axis=1)
        if self.bias:
            x += 1.0
        return x

    def forward(self, x):
        return 2 * self.convolved(x, self.W)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("cls", "factor"), [(Convolution, 1), (AsMethod, 2)])
def test_a_loop_in_a_function_that_forward_calls_runs_in_reverse(cls, factor):
    W, x = np.array([1.0, -2.0, 0.5]), np.random.default_rng(0).normal(size=(2, 9))
    made = derived(cls, {"W": np.array([1.0, 2.0, 3.0])}, [x]).layer
    for stride in (1, 2, 3):
        layer = made(W, stride)
        out = layer.forward(x)
        np.testing.assert_array_equal(out, cls(W, stride).forward(x))
        dout = np.random.default_rng(1).normal(size=out.shape)
        dx, dW = np.zeros_like(x), np.zeros_like(W)
        for n, i in np.ndindex(dout.shape):
            place = slice(i * stride, i * stride + 3)
            dx[n, place] += factor * dout[n, i] * W
            dW += factor * dout[n, i] * x[n, place]
        np.testing.assert_allclose(layer.backward(dout), dx, rtol=1e-13)
        np.testing.assert_allclose(layer.dW, dW, rtol=1e-13)


def block_means(data, kernel, stride):
    k, s = kernel, stride
    out = np.zeros((len(data), (data.shape[1] - k) // s + 1))
    for i in range(out.shape[1]):
        out[:, i] = np.mean(data[:, i * s : i * s + k], axis=1)
    return out


class Blocks:
    def __init__(self, kernel, stride):
        assert kernel == stride
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        out = block_means(x, self.kernel, self.stride)
        return out


@pytest.mark.long
def test_numbers_that_have_to_be_equal_vary_together():
    layer = derived(Blocks).layer(3, 3)
    x = np.arange(12.0).reshape(2, 6)
    layer.forward(x)
    np.testing.assert_allclose(
        layer.backward(np.array([[3.0, 6.0], [9.0, 0.0]])), np.repeat([[1, 2], [3, 0]], 3, axis=1)
    )


def running(values):
    total = 0.0
    for value in values:
        if value > 0:
            return total
        total = total + value
    return total


def test_a_function_that_returns_early_is_refused():
    with pytest.raises(NotDerivedError):
        derived(lambda x: running(x) * 2, {}, [np.array([-1.0, -2.0, 3.0])])
