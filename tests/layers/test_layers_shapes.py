"""Layers that move numbers: what comes back is where it went, and backward is the transpose of forward."""

import numpy as np
import pytest

from dout import layers

X = np.arange(24.0).reshape(2, 3, 4)
VIEWS = (layers.Flatten, layers.Reshape)  # which move nothing; what the others return is the caller's

MOVES = [
    (layers.Flatten(), (2, 12)), (layers.Reshape(4, 3), (2, 4, 3)), (layers.Reshape(-1), (2, 12)),
    (layers.Transpose(), (4, 3, 2)), (layers.Transpose(1, 2, 0), (3, 4, 2)), (layers.Transpose(0, -1, -2), (2, 4, 3)),
    (layers.SumLayer(), ()), (layers.SumLayer(1), (2, 4)), (layers.MeanLayer(-1), (2, 3)), (layers.MeanLayer(), ()),
    (layers.RepeatLayer(3), (3, 2, 3, 4)), (layers.RepeatLayer(2, -1), (2, 3, 4, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape"), MOVES)
def test_backward_is_the_transpose_of_forward(layer, shape):
    out = layer.forward(X)
    assert np.shape(out) == shape
    y = np.random.default_rng(1).normal(size=shape)
    dx = layer.backward(y)
    assert dx.shape == X.shape
    assert np.shares_memory(dx, y) == isinstance(layer, VIEWS)
    np.testing.assert_allclose(np.sum(out * y), np.sum(X * dx), rtol=1e-12)


@pytest.mark.parametrize("layer", [layers.Flatten(), layers.Reshape(2, -1), layers.Transpose(2, 0, 1)])
def test_a_way_there_and_back_changes_nothing(layer):
    out = layer.forward(X)
    assert np.shares_memory(out, X) == isinstance(layer, VIEWS)
    np.testing.assert_array_equal(layer.backward(out), X)


def test_sums_and_means_are_those_of_the_axis():
    np.testing.assert_array_equal(layers.SumLayer(0).forward(X), X[0] + X[1])
    np.testing.assert_array_equal(layers.MeanLayer(0).forward(X), (X[0] + X[1]) / 2)
    np.testing.assert_array_equal(layers.Transpose(1, 2, 0).forward(X)[2, 3], X[:, 2, 3])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_parts_are_put_together_and_taken_apart_again(axis):
    part, whole = layers.Split(2, axis), layers.Concat(axis)
    pieces = part.forward(np.concatenate([X, 2 * X], axis=axis))
    np.testing.assert_array_equal(pieces[0], X)
    np.testing.assert_array_equal(pieces[1], 2 * X)
    np.testing.assert_array_equal(whole.forward(*pieces), part.backward(pieces))
    for one, other in zip(whole.backward(part.backward(pieces)), pieces, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_residual_layer_has_two_ways():
    layer = layers.Residual(layers.Hardtanh())
    np.testing.assert_array_equal(layer.forward(np.array([0.5, 3.0])), [1.0, 4.0])
    np.testing.assert_array_equal(layer.backward(np.array([10.0, 10.0])), [20.0, 10.0])


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            lambda: layers.Reshape(5, -1).forward(X),
            r"12 numbers a sample: they do not fill \(5, -1\)",
        ),
        (lambda: layers.Transpose(0, 1).forward(X), "name each of its 3 axes once"),
        (lambda: layers.Concat(0).forward(X, X[:, :2]), "all lengths but that along axis 0 must be the same"),
        (lambda: layers.Split(5).forward(X), "4 along axis -1 cannot be parted into 5"),
        (lambda: layers.Split(1), "it must be at least 2"),
        (lambda: layers.Residual(layers.Flatten()).forward(X), r"Flatten makes \(2, 12\) of it: they must be the same"),
    ],
)
def test_a_wrong_argument_is_told_what_to_write(run, words):
    with pytest.raises(ValueError, match=words):
        run()


@pytest.mark.parametrize("layer", [one for one, _ in MOVES] + [layers.Residual(layers.Tanh())])
def test_float32_stays_float32(layer):
    out = layer.forward(X.astype(np.float32))
    assert (out.dtype, layer.backward(np.ones_like(out)).dtype) == (np.float32, np.float32)
