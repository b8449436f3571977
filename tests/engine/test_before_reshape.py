"""Steps on elements stand before a reshape of what was broadcast: one kernel in the place of two."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dout

SHAPES = [shape for n in (1, 2, 3, 4) for shape in itertools.product([1, 2, 3, 4, 6, 8, 12], repeat=n)]

RNG = np.random.default_rng(23)


def kernels(function, *arrays):
    fast = dout.compile(function)
    for _ in range(3):
        found = fast(*arrays)
        for one, right in zip(found, function(*arrays), strict=True):
            np.testing.assert_array_equal(one, right, strict=True)
    return [step for step in fast.plan().programs[0].steps if step.how == "kernel"]


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def whole(*shape):
    """Whole numbers, whose products are exact in any order of their sums."""
    return RNG.integers(-3, 4, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(60, 12, 12, 32), (60 * 144 * 32,), (5, 12, 12, 12, 32)])
def test_a_row_that_is_added_and_the_relu_of_images_behind_it_are_one_kernel(shape):
    def images(x, w, b):
        out = (x @ w + b).reshape(shape)
        mask = out <= 0
        return np.where(mask, 0, out), mask

    assert len(kernels(images, whole(60 * 144, 9), whole(9, 32), whole(32))) == 1


def test_sums_over_samples_and_time_are_one_kernel_with_what_they_sum():
    def backward(dout, w, u, v):
        dh = (dout.reshape(-1, 10) @ w).reshape(64, 20, 30)
        du, dv = dh * v, dh * u
        return du, du.reshape(-1, 30).sum(axis=0), dv, dv.reshape(-1, 30).sum(axis=0, keepdims=True)

    shapes = (64, 20, 10), (10, 30), (64, 20, 30), (64, 20, 30)
    assert len(kernels(backward, *(whole(*shape) for shape in shapes))) == 1


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_reduction_of_a_reshaped_array_keeps_its_numbers(data):
    lengths = data.draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4))
    size = math.prod(lengths)
    after = data.draw(st.sampled_from([s for s in SHAPES if math.prod(s) == size] or [(size,)]))
    axes = data.draw(st.lists(st.integers(0, len(after) - 1), unique=True, max_size=len(after)))
    reduce, keepdims = data.draw(st.sampled_from([np.sum, np.max, np.mean])), data.draw(st.booleans())

    def reduced(x, y):
        return (reduce((x * y).reshape(after), axis=tuple(axes), keepdims=keepdims),)

    x = np.arange(size, dtype=np.float64).reshape(lengths) % 7
    kernels(reduced, x, 2.0 ** (x % 3))


def test_an_operand_that_would_be_copied_leaves_the_step_where_it_is():
    def turned(x, b, scale):
        return ((x + b).reshape(40, 30, 20) * scale.transpose(2, 1, 0),)

    kernels(turned, normal(1200, 20), normal(20), normal(20, 30, 40))


def test_a_broadcast_operand_leaves_the_step_where_it_is():
    def scaled(x, b, scale):
        return ((x + b).reshape(40, 30, 20) * scale,)

    kernels(scaled, normal(1200, 20), normal(20), normal(30, 20))


def test_an_array_that_goes_on_in_another_way_is_kept():
    def both(x, b):
        image = (x + b).reshape(40, 30, 20)
        return np.maximum(image, 0), image.sum(axis=1), image

    fast = dout.compile(both)
    x, b = normal(1200, 20), normal(20)
    for _ in range(3):
        for one, right in zip(fast(x, b), both(x, b), strict=True):
            np.testing.assert_allclose(one, right, rtol=1e-5, atol=1e-5)


def test_what_is_read_several_times_is_copied_into_its_order_first():
    def repeated(x, y):
        return (x.T[:, None, :] * y,)

    first, _ = kernels(repeated, normal(300, 60), normal(60, 8, 300))
    assert "*" not in first.text


@pytest.mark.parametrize(("rows", "width", "several"), [(16 * 5000, 6, 16), (8 * 1001, 10, 8), (4 * 2503, 7, 4)])
def test_what_is_added_to_short_rows_is_added_to_several_at_once(rows, width, several):
    def shifted(x, b):
        return np.maximum(x + b, 0), b * x.reshape(2, -1, width)

    fast, x, b = dout.compile(shifted), normal(rows, width), normal(1, width)
    for _ in range(3):
        for one, right in zip(fast(x, b), shifted(x, b), strict=True):
            np.testing.assert_array_equal(one, right, strict=True)
    assert f"({rows // several}, {several * width})" in fast.plan().programs[0].source


@pytest.mark.parametrize(("rows", "width"), [(16 * 500, 6), (16 * 5000, 16), (2 * 40009, 6)])
def test_few_rows_long_ones_and_those_that_do_not_go_together_stay_as_they_are(rows, width):
    (kernel,) = kernels(lambda x, b: (np.maximum(x + b, 0),), normal(rows, width), normal(width))
    assert "b" in kernel.text


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
@pytest.mark.parametrize("first", ["C", "F"])
def test_copies_lie_in_the_order_that_is_asked_for(first, order):
    def copied(x, b):
        image = (x + b).reshape(40, 30, 20)
        return image.copy(order=order), image.astype(np.float64, order=order)

    fast, x, b = dout.compile(copied), np.asarray(normal(1200, 20), order=first), normal(20)
    for _ in range(3):
        for one, right in zip(fast(x, b), copied(x, b), strict=True):
            np.testing.assert_array_equal(one, right, strict=True)
            assert one.strides == right.strides
