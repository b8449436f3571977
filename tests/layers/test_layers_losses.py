"""Losses and layers with weights against sums that Python's `math` adds up, number by number."""

import math

import numpy as np
import pytest

from dout import layers

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [0.0, 3.0, -2.0], [1.0, 1.0, 1.0]])
T = np.array([[0.0, -0.5, 0.25], [2.0, 0.5, -3.0], [1.0, 0.0, -2.0], [0.3, 0.3, 0.4]])
CLASSES = np.array([2, 0, 1, 0])
WEIGHT = np.array([0.5, 2.0, 3.0])


def huber(z, delta):
    return z * z / 2 if abs(z) < delta else delta * (abs(z) - delta / 2)


def smooth(z, beta):
    return z * z / (2 * beta) if abs(z) < beta else abs(z) - beta / 2


def chance(x):
    return 1 / (1 + math.exp(-x))


def focal(x, t):
    yes, no = -0.25 * (1 - chance(x)) ** 2 * math.log(chance(x)), -0.75 * chance(x) ** 2 * math.log(1 - chance(x))
    return t * yes + (1 - t) * no


def log_shares(row):
    total = sum(map(math.exp, row))
    return [x - math.log(total) for x in row]


OF_ELEMENTS = [
    (layers.MeanSquaredError, lambda x, t: (x - t) ** 2),
    (layers.MeanAbsoluteError, lambda x, t: abs(x - t)),
    (lambda **how: layers.HuberLoss(0.5, **how), lambda x, t: huber(x - t, 0.5)),
    (lambda **how: layers.SmoothL1Loss(0.7, **how), lambda x, t: smooth(x - t, 0.7)),
    (layers.SigmoidWithLoss, lambda x, t: -t * math.log(chance(x)) - (1 - t) * math.log(1 - chance(x))),
    (lambda **how: layers.SigmoidWithLoss(2.5, **how),
     lambda x, t: -2.5 * t * math.log(chance(x)) - (1 - t) * math.log(1 - chance(x))),
    (layers.FocalLoss, focal),
    (lambda **how: layers.KLDivergence(log_target=True, **how), lambda x, t: math.exp(t) * (t - x)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "loss"), OF_ELEMENTS)
def test_a_loss_of_elements_is_what_its_formula_says_for_each(make, loss):
    each = np.array([[loss(x, t) for x, t in zip(*rows, strict=True)] for rows in zip(X, T, strict=True)])
    np.testing.assert_allclose(make(reduction="none").forward(X, T), each, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(make(reduction="sum").forward(X, T), math.fsum(each.flat), rtol=1e-13)
    np.testing.assert_allclose(make(reduction="mean").forward(X, T), math.fsum(each.flat) / each.size, rtol=1e-13)


def test_a_divergence_is_divided_by_the_rows_and_a_share_of_0_costs_nothing():
    shares = np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]])
    expected = (0 - 0.5) + sum(t * (math.log(t) - x) for t, x in zip([0.5, 0.25, 0.25], X[1], strict=True))
    layer = layers.KLDivergence()
    np.testing.assert_allclose(layer.forward(X[:2], shares), expected / 2, rtol=1e-13)
    np.testing.assert_array_equal(layer.backward(), -shares / 2)


def test_a_cross_entropy_is_minus_the_logarithm_of_the_right_share():
    each = [-log_shares(row)[t] for row, t in zip(X, CLASSES, strict=True)]
    np.testing.assert_allclose(layers.SoftmaxWithLoss(reduction="none").forward(X, CLASSES), each, rtol=1e-13)
    np.testing.assert_allclose(layers.SoftmaxWithLoss().forward(X, CLASSES), sum(each) / 4, rtol=1e-13)


def test_weights_count_a_class_and_the_mean_is_over_the_weights():
    each = [-WEIGHT[t] * log_shares(row)[t] for row, t in zip(X, CLASSES, strict=True)]
    expected = sum(each) / sum(WEIGHT[t] for t in CLASSES)
    np.testing.assert_allclose(layers.SoftmaxWithLoss(WEIGHT).forward(X, CLASSES), expected, rtol=1e-13)


def test_what_is_ignored_has_no_loss_and_no_gradient():
    layer = layers.SoftmaxWithLoss(ignore_index=-100)
    part = layers.SoftmaxWithLoss()
    ignored = np.array([2, -100, 1, -100])
    np.testing.assert_allclose(layer.forward(X, ignored), part.forward(X[[0, 2]], ignored[[0, 2]]), rtol=1e-15)
    dx = layer.backward()
    assert not dx[[1, 3]].any()
    np.testing.assert_allclose(dx[[0, 2]], part.backward(), rtol=1e-15)


def test_smoothing_gives_every_class_a_little():
    shares = 0.9 * np.eye(3)[CLASSES] + 0.1 / 3
    one, other = layers.SoftmaxWithLoss(label_smoothing=0.1), layers.SoftmaxWithLoss()
    np.testing.assert_allclose(one.forward(X, CLASSES), other.forward(X, shares), rtol=1e-13)
    np.testing.assert_allclose(one.backward(2.0), other.backward(2.0), rtol=1e-13)


def test_a_hinge_counts_what_is_nearer_than_the_margin():
    layer = layers.HingeLoss(reduction="none")
    np.testing.assert_allclose(layer.forward(X[:2], CLASSES[:2]), [0.0, 0.0], atol=0)
    np.testing.assert_allclose(layer.forward(X[3:], CLASSES[3:]), [2 / 3])
    np.testing.assert_allclose(layer.backward(np.array([3.0])), [[-2.0, 1.0, 1.0]])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("x", [-1e4, 1e4])
def test_scores_far_out_cost_what_they_are_and_overflow_nowhere(x):
    scores, wrong = np.array([[x, 0.0]]), np.array([int(x > 0)])
    assert layers.SoftmaxWithLoss().forward(scores, wrong) == 1e4
    assert layers.SigmoidWithLoss().forward(np.array([x]), np.array([float(x < 0)])) == 1e4
    assert layers.FocalLoss(1.0 * (x < 0)).forward(np.array([x]), np.array([float(x < 0)])) == 1e4


LOSSES = [
    (layers.MeanSquaredError(), T), (layers.MeanAbsoluteError(), T), (layers.HuberLoss(), T),
    (layers.SmoothL1Loss(), T), (layers.KLDivergence(), abs(T)), (layers.SigmoidWithLoss(), T),
    (layers.FocalLoss(), T), (layers.SoftmaxWithLoss(WEIGHT, 0.1), CLASSES), (layers.HingeLoss(), CLASSES),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "t"), LOSSES, ids=lambda item: type(item).__name__)
def test_float32_stays_float32_with_the_default_dout(layer, t):
    t = t.astype(np.float32) if t.dtype == float else t
    out = layer.forward(X.astype(np.float32), t)
    assert (out.dtype, layer.backward().dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(("layer", "t"), LOSSES, ids=lambda item: type(item).__name__)
def test_a_target_of_another_shape_is_refused(layer, t):
    with pytest.raises(ValueError, match=r"x has shape \(4, 3\), t has shape \(2"):
        layer.forward(X, t[:2])


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: layers.MeanSquaredError("average"), "write one of 'mean', 'sum', 'none'"),
        (lambda: layers.SoftmaxWithLoss().forward(X, CLASSES + 1), "not among 0 … 2"),
        (lambda: layers.SoftmaxWithLoss(label_smoothing=2), "must be between 0 and 1"),
        (lambda: layers.HuberLoss(0), "must be positive"),
        (lambda: layers.SmoothL1Loss(0), "MeanAbsoluteError has no bend"),
        (lambda: layers.FocalLoss(focus=-1), "must not be negative"),
        (lambda: layers.Affine(np.ones((3, 2)), np.ones(3)), r"give W of shape \(D, M\), and b of shape \(M,\)"),
        (lambda: layers.Affine(np.ones(3), np.ones(())), r"give W of shape \(D, M\), and b of shape \(M,\)"),
        (lambda: layers.Affine(np.ones((3, 2)), np.ones(2)).forward(np.ones((4, 5))), "x must have 3 numbers in a row"),
        (lambda: layers.MatMul(np.ones((3, 2))).forward(np.ones((4, 5))), "x must have 3 numbers in a row"),
        (lambda: layers.Bias(np.ones(2)).forward(np.ones((4, 3))), "the last axis of x must be as long as b"),
        (lambda: layers.Embedding(np.ones((3, 2))).forward(np.array([-1])), "give numbers from 0 to 2"),
        (lambda: layers.Embedding(np.ones((3, 2))).forward(np.array([3])), "give idx whole numbers from 0 to 2"),
        (lambda: layers.Embedding(np.ones((3, 2))).forward(np.array([0.5])), "give idx whole numbers from 0 to 2"),
        (
            lambda: layers.Convolution(np.ones((3, 2, 3, 3)), np.ones(3), stride=0),
            "stride is 0: give whole",
        ),
        (
            lambda: layers.Convolution(np.ones((3, 2, 3, 3)), np.ones(3), pad=-1),
            "pad is -1: give whole",
        ),
        (lambda: layers.Convolution(np.ones((3, 2, 3, 3)), np.ones(3), stride=(1, 2, 1)), "one for each axis"),
        (lambda: layers.TransposedConvolution(np.ones((2, 3, 3)), np.ones(3), dilation=0), "dilation is 0: give whole"),
        (lambda: layers.MaxPool(0), "kernel is 0: give whole numbers, at least 1"),
        (lambda: layers.AvgPool(2, 0.5), "stride is 0.5: give whole numbers, at least 1"),
        (lambda: layers.AdaptiveAvgPool(0), "sizes is 0: give whole numbers, at least 1"),
        (lambda: layers.Reshape((4, 4)), r"give whole numbers, Reshape\(2, 3\)"),
    ],
)
def test_a_wrong_argument_is_told_what_to_write(run, words):
    with pytest.raises((ValueError, IndexError, TypeError), match=words):
        run()


# Weights


def test_gradients_of_weights_are_sums_over_all_rows():
    generator = np.random.default_rng(2)
    x, W, b = generator.normal(size=(2, 3, 4)), generator.normal(size=(4, 5)), generator.normal(size=5)
    dout = generator.normal(size=(2, 3, 5))
    product, bias = layers.MatMul(W), layers.Bias(b)
    out = bias.forward(product.forward(x))
    dx = product.backward(bias.backward(dout))
    for n, t in np.ndindex(2, 3):
        np.testing.assert_allclose(out[n, t], [math.fsum(x[n, t] * W[:, m]) + b[m] for m in range(5)], rtol=1e-12)
        np.testing.assert_allclose(dx[n, t], [math.fsum(dout[n, t] * W[d]) for d in range(4)], rtol=1e-12)
    dW = [[math.fsum((x[..., d] * dout[..., m]).flat) for m in range(5)] for d in range(4)]
    np.testing.assert_allclose(product.dW, dW, rtol=1e-12)
    np.testing.assert_allclose(bias.db, [math.fsum(dout[..., m].flat) for m in range(5)], rtol=1e-12)


def test_an_affine_lays_images_flat_and_gives_their_gradient_back_in_their_shape():
    generator = np.random.default_rng(3)
    images, W, b = generator.normal(size=(2, 3, 4, 5)), generator.normal(size=(60, 2)), generator.normal(size=2)
    layer, flat = layers.Affine(W, b), layers.Affine(W, b)
    np.testing.assert_array_equal(layer.forward(images), flat.forward(images.reshape(2, 60)))
    dx = layer.backward(np.ones((2, 2)))
    assert dx.shape == images.shape
    np.testing.assert_array_equal(dx.reshape(2, 60), flat.backward(np.ones((2, 2))))


def test_a_row_that_is_looked_up_twice_gets_both_gradients():
    layer = layers.Embedding(np.arange(8.0).reshape(4, 2))
    np.testing.assert_array_equal(layer.forward(np.array([[3, 1], [3, 0]])), [[[6, 7], [2, 3]], [[6, 7], [0, 1]]])
    assert layer.backward(np.array([[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [5.0, 6.0]]])) is None
    np.testing.assert_array_equal(layer.dW, [[5, 6], [3, 4], [0, 0], [11, 22]])


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_class_that_is_not_there_is_an_error_of_the_hinge_loss(wrong):
    with pytest.raises(IndexError, match=r"not among 0 … 2"):
        layers.HingeLoss().forward(np.ones((2, 3)), np.array([0, wrong]))
