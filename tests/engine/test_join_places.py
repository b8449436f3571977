"""Convolutions written as a loop over the places of a kernel: within rounding, and one product for all places."""

import numpy as np
import pytest

import dout
from dout.layers import Convolution, TransposedConvolution

RNG = np.random.default_rng(3)
# Shape of W, length of each axis of places, and options.
KERNELS = {
    "one axis": ((8, 4, 3), (40,), {}),
    "two axes": ((8, 4, 3, 2), (12, 11), {"pad": (2, 1)}),
    "three axes": ((4, 2, 2, 2, 3), (6, 7, 8), {}),
    "groups": ((8, 2, 3, 2), (13, 11), {"groups": 2}),
    "steps": ((8, 4, 3, 2), (12, 11), {"stride": (1, 2), "dilation": (2, 1), "pad": 1}),
    "steps wider than the kernel": ((8, 4, 2, 1), (13, 11), {"stride": 3}),
    "one row": ((8, 4, 1, 3), (13, 11), {}),
    "one place": ((8, 4, 1, 1), (13, 11), {}),
}


def same(layer, kernel, lengths, dtype, near, **options):
    """Compare three calls of a compiled layer with plain ones; return the compiled one."""
    W = RNG.normal(size=kernel).astype(dtype)
    groups = options.get("groups", 1)
    filters = kernel[0] if layer is Convolution else kernel[1] * groups
    channels = kernel[1] * groups if layer is Convolution else kernel[0]
    plain, fast = (layer(W, np.ones(filters, dtype), **options) for _ in range(2))
    fast = dout.compile(fast)
    for _ in range(3):
        x = RNG.normal(size=(6, channels, *lengths)).astype(dtype)
        right, given = plain.forward(x), fast.forward(x)
        back = RNG.normal(size=right.shape).astype(dtype)
        pairs = [(given, right), (fast.backward(back), plain.backward(back)), (fast.dW, plain.dW), (fast.db, plain.db)]
        for mine, own in pairs:
            np.testing.assert_allclose(mine, own, rtol=near, atol=near)
            assert mine.dtype == own.dtype
    return fast


@pytest.mark.one_in(6)
@pytest.mark.parametrize(("kernel", "lengths", "options"), KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("layer", [Convolution, TransposedConvolution])
def test_a_loop_over_the_places_of_a_kernel_gives_the_same_numbers(layer, kernel, lengths, options):
    same(layer, kernel, lengths, float, 1e-10, **options)


def products_of(fast, number):
    text = " ".join(step.text for step in fast.plan().programs[number].steps)
    return text.count(" @ ") + text.count("dot(")


@pytest.mark.long
def test_there_is_one_product_for_all_places_each_way():
    fast = same(Convolution, (8, 4, 3, 3), (12, 11), np.float32, 1e-3, pad=1)
    assert (products_of(fast, 0), products_of(fast, -1)) == (1, 2)
    assert "fold(" in str(fast.plan())


def channels_last(x, W):
    """(N, H, W, C) and (high, wide, C, F), by two loops."""
    down, across = x.shape[1] - W.shape[0] + 1, x.shape[2] - W.shape[1] + 1
    out = np.zeros((len(x), down, across, W.shape[3]))
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            out += x[:, i : i + down, j : j + across] @ W[i, j]
    return out


def without_the_middle(x, W):
    out = 0.0
    for i, j in np.ndindex(*W.shape[:2]):
        if (i, j) != (1, 1):
            out = out + x[:, i : i + 9, j : j + 8] @ W[i, j]
    return out


def in_another_order(x, W):
    out = np.ones((6, 9, 8, 5))
    for i in (2, 0, 1):
        for j in (1, 2, 0):
            out = out + x[:, i : i + 9, j : j + 8] @ W[i, j]
    return out


def flipped(x, W):
    return sum(x[:, 2 - i : 11 - i, 2 - j : 10 - j] @ W[i, j] for i in range(3) for j in range(3))


def still(x, W):
    return sum(x[:, 1:10, 1:9] @ W[i, j] for i in range(3) for j in range(3))


def squared(x, W):
    """Places that move otherwise than by one step each."""
    return sum(x[:, i * i : i * i + 7, j : j + 8] @ W[i, j] for i in range(3) for j in range(3))


@pytest.mark.parametrize("function", [channels_last, without_the_middle, in_another_order, flipped, still, squared])
def test_other_loops_over_places_give_the_same_numbers(function):
    fast, strict = dout.compile(function), dout.compile(function, strict=True)
    for _ in range(3):
        x, W = RNG.normal(size=(6, 11, 10, 7)), RNG.normal(size=(3, 3, 7, 5))
        right = function(x, W)
        np.testing.assert_allclose(fast(x, W), right, rtol=1e-10, atol=1e-10)
        assert strict(x, W).tobytes() == right.tobytes()
    if function is channels_last:
        assert products_of(fast, 0) == 1
    if function in (without_the_middle, squared):
        assert products_of(fast, 0) > 1


def test_parts_that_each_turn_makes_alone_are_added_up_at_their_places():
    def spread(dout, W):
        x = np.zeros((6, 11, 10, 7))
        for i in range(3):
            for j in range(3):
                x[:, i : i + 9, j : j + 8] += dout @ W[i, j].T
        return x

    fast = dout.compile(spread)
    for _ in range(3):
        given, W = RNG.normal(size=(6, 9, 8, 5)), RNG.normal(size=(3, 3, 7, 5))
        np.testing.assert_allclose(fast(given, W), spread(given, W), rtol=1e-10, atol=1e-10)
    assert products_of(fast, 0) == 1
    assert "fold(" in str(fast.plan())


def test_windows_of_an_array_that_comes_from_a_long_way_are_one_product_too():
    def function(x, W):
        x = np.maximum(x, 0)
        x = np.maximum(np.maximum(x[..., ::2], x[..., 1::2]), -x[..., ::2] * x[..., 1::2])
        out = np.zeros((3, 5, 56))
        for i, j in np.ndindex(2, 2):
            out += W[:, :, i, j] @ x[:, :, i : i + 8, j : j + 7].reshape(3, 4, 56)
        return out

    x, W = RNG.normal(size=(3, 4, 9, 16)), RNG.normal(size=(5, 4, 2, 2))
    fast = dout.compile(function)
    for _ in range(2):
        np.testing.assert_allclose(fast(x, W), function(x, W), rtol=1e-10, atol=1e-10)
    assert products_of(fast, -1) == 1
