"""Convolution and pooling against loops over all indices, and a transposed convolution as the other's transpose."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dout import layers


def numbers(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def convolved(x, W, b, stride, pad, dilation, groups):
    """A convolution of signals, one product after the other."""
    (n, _, length), (filters, part, kernel) = x.shape, W.shape
    size = (length + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    out = np.zeros((n, filters, size)) + b[:, None]
    for s, f, i, k, p in itertools.product(range(n), range(filters), range(size), range(part), range(kernel)):
        at, channel = i * stride + p * dilation - pad, f // (filters // groups) * part + k
        if 0 <= at < length:
            out[s, f, i] += W[f, k, p] * x[s, channel, at]
    return out


OPTIONS = {
    "stride": st.integers(1, 3), "pad": st.integers(0, 2), "dilation": st.integers(1, 2), "groups": st.integers(1, 3),
    "kernel": st.integers(1, 3), "length": st.integers(5, 8), "seed": st.integers(0, 99),
}  # fmt: skip


@settings(max_examples=60)
@given(**OPTIONS)
def test_a_convolution_is_the_sum_over_channels_and_places(stride, pad, dilation, groups, kernel, length, seed):
    x, W, b = numbers(seed, 2, 2 * groups, length), numbers(seed + 1, 2 * groups, 2, kernel), numbers(seed, 2 * groups)
    layer = layers.Convolution(W, b, stride, pad, dilation, groups)
    expected = convolved(x, W, b, stride, pad, dilation, groups)
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(layer.backward(expected).shape, x.shape)


@settings(max_examples=40)
@given(**OPTIONS)
def test_two_axes_are_two_convolutions_where_a_kernel_is_a_product(stride, pad, dilation, groups, kernel, length, seed):
    x, rows, columns = numbers(seed, 1, 1, length, 6), numbers(seed + 1, 3), numbers(seed + 2, kernel)
    W = (columns[:, None] * rows)[None, None]
    out = layers.Convolution(W, np.zeros(1), (stride, 1), (pad, 1), (dilation, 1)).forward(x)
    along = [layers.Convolution(rows[None, None], np.zeros(1), 1, 1).forward(x[:, :, i])[0, 0] for i in range(length)]
    down = np.array(along).T[:, None]
    both = layers.Convolution(columns[None, None], np.zeros(1), stride, pad, dilation).forward(down)
    np.testing.assert_allclose(out[0, 0], both[:, 0].T, rtol=1e-11, atol=1e-12)


@settings(max_examples=60)
@given(**OPTIONS)
def test_a_transposed_convolution_is_the_transpose(stride, pad, dilation, groups, kernel, length, seed):
    x, W = numbers(seed, 2, 2 * groups, length), numbers(seed + 1, 2 * groups, 2, kernel)
    one = layers.Convolution(W, np.zeros(2 * groups), stride, pad, dilation, groups)
    out = one.forward(x)
    y = numbers(seed + 2, *out.shape)
    whole = (out.shape[2] - 1) * stride - 2 * pad + dilation * (kernel - 1) + 1
    other = layers.TransposedConvolution(W, np.zeros(2 * groups), stride, pad, dilation, groups, extra=length - whole)
    back = other.forward(y)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(out * y), np.sum(x * back), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(back, one.backward(y), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(other.backward(x), out, rtol=1e-12, atol=1e-12)


WINDOWS = [(kernel, stride, pad) for kernel in (1, 2, 3) for stride in (1, 2, 3) for pad in (0, 1) if 2 * pad <= kernel]


@pytest.mark.parametrize(("kernel", "stride", "pad"), WINDOWS)
def test_pooling_takes_the_largest_and_the_mean_of_each_window(kernel, stride, pad):
    x = numbers(1, 2, 3, 5, 6)
    largest = layers.MaxPool(kernel, stride, pad).forward(x)
    mean = layers.AvgPool(kernel, stride, pad).forward(x)
    own = layers.AvgPool(kernel, stride, pad, count_pad=False).forward(x)
    for i, j in np.ndindex(*largest.shape[2:]):
        top, left = max(i * stride - pad, 0), max(j * stride - pad, 0)
        window = x[:, :, top : i * stride - pad + kernel, left : j * stride - pad + kernel]
        np.testing.assert_array_equal(largest[:, :, i, j], window.max(axis=(2, 3)))
        np.testing.assert_allclose(mean[:, :, i, j], window.sum(axis=(2, 3)) / kernel**2, rtol=1e-12)
        np.testing.assert_allclose(own[:, :, i, j], window.mean(axis=(2, 3)), rtol=1e-12)


def test_of_equal_numbers_the_first_gets_the_gradient():
    layer = layers.MaxPool(2, 1)
    layer.forward(np.ones((1, 1, 3)))
    np.testing.assert_array_equal(layer.backward(np.array([[[1.0, 10.0]]])), [[[1, 10, 0]]])
    everywhere = layers.GlobalMaxPool()
    everywhere.forward(np.ones((1, 1, 2, 2)))
    np.testing.assert_array_equal(everywhere.backward(np.array([[7.0]])), [[[[7, 0], [0, 0]]]])


def test_global_and_adaptive_pooling_are_means_of_slices():
    x = numbers(2, 2, 3, 5, 7)
    np.testing.assert_allclose(layers.GlobalAvgPool().forward(x), x.mean(axis=(2, 3)), rtol=1e-14)
    np.testing.assert_array_equal(layers.GlobalMaxPool().forward(x), x.max(axis=(2, 3)))
    out = layers.AdaptiveAvgPool((2, 3)).forward(x)
    rows, columns = [(0, 3), (2, 5)], [(0, 3), (2, 5), (4, 7)]
    for (i, (a, b)), (j, (c, d)) in itertools.product(enumerate(rows), enumerate(columns)):
        np.testing.assert_allclose(out[:, :, i, j], x[:, :, a:b, c:d].mean(axis=(2, 3)), rtol=1e-14)


@pytest.mark.parametrize("values", [7, 2], ids=["few are equal", "most are equal"])
def test_adaptive_max_pooling_takes_the_first_of_the_largest_in_each_window(values):
    x = np.random.default_rng(1).integers(0, values, (2, 3, 5, 7)).astype(float)
    layer = layers.AdaptiveMaxPool((2, 3))
    out, expected = layer.forward(x), np.zeros_like(x)
    dout = numbers(2, 2, 3, 2, 3)
    rows, columns = [(0, 3), (2, 5)], [(0, 3), (2, 5), (4, 7)]
    for n, c, (i, (a, b)), (j, (d, e)) in itertools.product(range(2), range(3), enumerate(rows), enumerate(columns)):
        window = x[n, c, a:b, d:e]
        assert out[n, c, i, j] == window.max()
        row, column = np.unravel_index(window.argmax(), window.shape)
        expected[n, c, a + row, d + column] += dout[n, c, i, j]
    np.testing.assert_array_equal(layer.backward(dout), expected)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("layer", [layers.MaxPool(4), layers.AdaptiveMaxPool(1)], ids=["windows", "adaptive"])
def test_the_first_nan_of_a_window_is_passed_on_with_its_gradient(layer, place):
    x = np.array([[[3.0, 1.0, 7.0, np.nan]]])
    x[..., place] = np.nan
    assert np.isnan(layer.forward(x))
    np.testing.assert_array_equal(layer.backward(np.array([[[5.0]]]))[0, 0], 5.0 * (np.arange(4) == place))


SINGLES = [
    layers.Convolution(np.ones((2, 3, 2, 2), np.float32), np.ones(2, np.float32)),
    layers.TransposedConvolution(np.ones((3, 2, 2, 2), np.float32), np.ones(2, np.float32)),
    layers.MaxPool(), layers.MaxPool(pad=1), layers.AvgPool(), layers.AvgPool(pad=1, count_pad=False),
    layers.GlobalAvgPool(), layers.GlobalMaxPool(), layers.AdaptiveAvgPool(2),
    layers.AdaptiveMaxPool(2),
]  # fmt: skip


@pytest.mark.parametrize("layer", SINGLES, ids=lambda layer: type(layer).__name__)
def test_float32_stays_float32_and_nothing_is_written_into(layer):
    x = numbers(3, 2, 3, 4, 5).astype(np.float32)
    x.flags.writeable = False
    out = layer.forward(x)
    out.flags.writeable = False
    dx = layer.backward(out)
    gradients = [value for name, value in vars(layer).items() if name in ("dW", "db")]
    assert {array.dtype for array in (out, dx, *gradients)} == {np.dtype(np.float32)}
    assert dx.shape == x.shape


W23 = np.ones((2, 3, 2, 2))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: layers.Convolution(np.ones((2, 3)), np.ones(2)), "W must have axes for the kernel"),
        (lambda: layers.Convolution(W23, np.ones(3)), r"b must have shape \(2,\)"),
        (lambda: layers.Convolution(W23, np.ones(2), groups=3), "2 cannot be parted into 3 groups"),
        (lambda: layers.Convolution(W23, np.ones(2)).forward(np.ones((1, 2, 5, 5))), r"give \(N, 3, H, W\)"),
        (lambda: layers.Convolution(W23, np.ones(2)).forward(np.ones((1, 3, 1, 5))), "pad more, or take a smaller"),
        (lambda: layers.TransposedConvolution(W23, np.ones(2)), r"b must have shape \(3,\)"),
        (lambda: layers.MaxPool().forward(np.ones((3, 4))), r"give \(N, C, L\) or \(N, C, H, W\)"),
        (lambda: layers.AvgPool(5).forward(np.ones((1, 1, 3))), "pad more, or take a smaller kernel"),
    ],
)
def test_a_wrong_argument_is_told_what_to_write(run, words):
    with pytest.raises(ValueError, match=words):
        run()
