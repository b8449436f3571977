"""Normalization and dropout: what they promise of means, variances and chances, without their formulas."""

import math

import numpy as np
import pytest

from dout import layers

GENERATOR = np.random.default_rng(4)
IMAGES = 3 + 2 * GENERATOR.normal(size=(4, 6, 3, 5))
ONES, ZEROS = np.ones(6), np.zeros(6)


def moments(x, axes):
    return np.mean(x, axis=axes), np.mean((x - np.mean(x, axis=axes, keepdims=True)) ** 2, axis=axes)


@pytest.mark.parametrize(
    ("layer", "arranged", "axes"),
    [
        (layers.BatchNorm(ONES, ZEROS, eps=0), lambda x: x, (0, 2, 3)),
        (layers.InstanceNorm(ONES, ZEROS, eps=0), lambda x: x, (2, 3)),
        (layers.GroupNorm(ONES, ZEROS, 3, eps=0), lambda x: x.reshape(4, 3, 30), 2),
        (layers.GroupNorm(ONES, ZEROS, 1, eps=0), lambda x: x, (1, 2, 3)),
        (layers.LayerNorm(np.ones(5), np.zeros(5), eps=0), lambda x: x, 3),
        (layers.LayerNorm(np.ones((3, 5)), np.zeros((3, 5)), eps=0), lambda x: x, (2, 3)),
    ],
)
def test_each_kind_has_mean_0_and_variance_1_where_it_says(layer, arranged, axes):
    mean, var = moments(arranged(layer.forward(IMAGES)), axes)
    np.testing.assert_allclose(mean, 0, atol=1e-14)
    np.testing.assert_allclose(var, 1, rtol=1e-13)


def test_scale_and_shift_are_those_of_the_channel():
    gamma, beta = np.arange(6.0) + 1, -np.arange(6.0)
    out = layers.BatchNorm(gamma, beta, eps=0).forward(IMAGES)
    mean, var = moments(out, (0, 2, 3))
    np.testing.assert_allclose(mean, beta, atol=1e-13)
    np.testing.assert_allclose(var, gamma**2, rtol=1e-13)


def test_eps_is_added_to_the_variance():
    x = np.array([[1.0, 3.0]])
    np.testing.assert_allclose(layers.LayerNorm(np.ones(2), np.zeros(2), 3.0).forward(x), [[-0.5, 0.5]], rtol=1e-15)
    np.testing.assert_allclose(layers.RmsNorm(np.ones(2), 4.0).forward(x), x / 3, rtol=1e-15)


def test_a_batch_norm_gathers_what_it_uses_when_it_no_longer_trains():
    layer = layers.BatchNorm(ONES, ZEROS, momentum=1.0)
    layer.forward(IMAGES)
    n = IMAGES.size // 6
    mean, var = moments(IMAGES, (0, 2, 3))
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-14)
    np.testing.assert_allclose(layer.running_var, var * n / (n - 1), rtol=1e-14)
    layer.training = False
    one = layer.forward(IMAGES[:1])
    np.testing.assert_array_equal(one, layer.forward(IMAGES)[:1])  # other samples have no part in it
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-14)


def test_the_gradient_of_a_normalization_moves_neither_mean_nor_size():
    x, dout = GENERATOR.normal(size=(3, 7)), GENERATOR.normal(size=(3, 7))
    layer = layers.LayerNorm(np.ones(7), np.zeros(7), eps=0)
    layer.forward(x)
    dx = layer.backward(dout)
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-14)  # x + c has the same output
    np.testing.assert_allclose((dx * x).sum(axis=1), 0, atol=1e-13)  # and so has c · x


@pytest.mark.parametrize("cls", [layers.Dropout, layers.Dropout2d])
def test_a_share_of_the_units_is_silent_and_the_mean_stays(cls):
    layer, x = cls(0.25, seed=3), np.ones((60, 50, 2))
    out = layer.forward(x)
    assert set(np.unique(out)) == {0.0, 4 / 3}
    silent = np.mean(out == 0)
    assert abs(silent - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 3000)
    np.testing.assert_array_equal(layer.backward(2 * x), 2 * out)
    assert not np.array_equal(layer.forward(x), out)
    if cls is layers.Dropout2d:
        np.testing.assert_array_equal(out[..., 0], out[..., 1])


def test_a_dropout_that_does_not_train_hands_on_copies():
    layer, x = layers.Dropout(), np.ones(3)
    layer.training = False
    out, dx = layer.forward(x), layer.backward(x)
    np.testing.assert_array_equal([out, dx], [x, x])
    assert not np.shares_memory(out, x)
    assert not np.shares_memory(dx, x)


SINGLE = np.float32
SINGLES = [
    layers.BatchNorm(ONES.astype(SINGLE), ZEROS.astype(SINGLE)),
    layers.InstanceNorm(ONES.astype(SINGLE), ZEROS.astype(SINGLE)),
    layers.GroupNorm(ONES.astype(SINGLE), ZEROS.astype(SINGLE), 2),
    layers.LayerNorm(np.ones(5, SINGLE), np.zeros(5, SINGLE)), layers.RmsNorm(np.ones(5, SINGLE)),
    layers.Dropout(), layers.Dropout2d(),
]  # fmt: skip


@pytest.mark.parametrize("layer", SINGLES, ids=lambda layer: type(layer).__name__)
def test_float32_stays_float32(layer):
    out = layer.forward(IMAGES.astype(np.float32))
    gradients = [layer.backward(out)] + [value for name, value in vars(layer).items() if name in ("dgamma", "dbeta")]
    assert {array.dtype for array in (out, *gradients)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: layers.Dropout(1.0), "Dropout: ratio is 1.0: it must be at least 0, and below 1"),
        (lambda: layers.Dropout2d().forward(np.ones((2, 3))), "or take Dropout"),
        (lambda: layers.BatchNorm(ONES, ZEROS).forward(np.ones((4, 5))), r"give \(N, 6, …\)"),
        (lambda: layers.GroupNorm(ONES, ZEROS, 4), "6 channels cannot be parted into 4 groups"),
        (lambda: layers.InstanceNorm(ONES, ZEROS).forward(np.ones((2, 6))), "without places"),
        (lambda: layers.LayerNorm(ONES, ZEROS).forward(np.ones((4, 5))), "x must end with the axes of gamma"),
    ],
)
def test_a_wrong_argument_is_told_what_to_write(run, words):
    with pytest.raises(ValueError, match=words):
        run()
