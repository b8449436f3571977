"""Every ready-made layer is exact under `dout check`, with no finding of severity error or warning, in each setting."""

import numpy as np
import pytest
from check_commands import document

import dout
from dout import layers

FINE = ("exact", "exact up to rounded constants", "exact up to a stabiliser")


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What `dout check dout.layers` says of each layer."""
    files = document("dout.layers", cwd=tmp_path_factory.mktemp("checked"))["files"]
    return {layer["layer"]: layer for file in files for layer in file["layers"]}


def test_the_package_has_the_layers_that_it_exports(checked):
    assert sorted(checked) == sorted(layers.__all__)


@pytest.mark.parametrize("name", layers.__all__)
def test_a_layer_is_exact_as_it_comes(name, checked):
    verdicts = checked[name]["verdicts"]
    assert verdicts
    assert {verdict["word"] for verdict in verdicts} <= set(FINE)
    assert [f["code"] for f in checked[name]["findings"] if f["severity"] != "note"] == []


GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(3, 4))
IMAGES = GENERATOR.normal(size=(2, 3, 4, 5))
TABLE, WIDE, B = GENERATOR.normal(size=(5, 4)), GENERATOR.normal(size=(60, 2)), GENERATOR.normal(size=2)
SHARES = layers.Softmax().forward(GENERATOR.normal(size=(3, 4)))
T = np.array([3, 0, 1])
DISTANCES = [layers.MeanSquaredError, layers.MeanAbsoluteError, layers.HuberLoss, layers.SmoothL1Loss]
CLASSES = [layers.SoftmaxWithLoss, layers.HingeLoss]
SEQUENCES, SQUARES = GENERATOR.normal(size=(2, 3, 4)), list(GENERATOR.normal(size=(4, 4, 4)))
FILTERS = GENERATOR.normal(size=(3, 3, 3, 2))
G3, B3 = GENERATOR.normal(size=3), GENERATOR.normal(size=3)


def in_use(layer):
    """A layer that no longer trains."""
    layer.training = False
    return layer


SETTINGS = [
    (layers.PowLayer(3), X), (layers.PowLayer(-1.0), X), (layers.PowLayer(0.5), abs(X) + 0.1),
    (layers.LeakyRelu(0.2), X), (layers.PRelu(4), X), (layers.PRelu(3), IMAGES),
    (layers.Hardtanh(-0.5, 2.0), X), (layers.Softshrink(0.0), X), (layers.Softshrink(1.0), X),
    (layers.Hardshrink(1.0), X), (layers.Threshold(0.5, -3.0), X),
    (layers.Softplus(4.0), X), (layers.Gelu("tanh"), X), (layers.Elu(0.5), X), (layers.Celu(0.5), X),
    (layers.Softmax(0), X), (layers.Softmax(-3), IMAGES), (layers.Softmin(0), X), (layers.LogSoftmax(1), IMAGES),
    (layers.Glu(), X), (layers.Glu(2), IMAGES),
    (layers.MatMul(TABLE), IMAGES), (layers.Affine(WIDE, B), IMAGES),
    (layers.Embedding(TABLE), np.array([[0, 2], [2, 4]])),
    *((cls(reduction=reduction), X, X + 1.3) for cls in DISTANCES for reduction in ("sum", "none")),
    (layers.HuberLoss(0.5), X, X[::-1]), (layers.SmoothL1Loss(0.3), X, X[::-1]),
    (layers.KLDivergence("mean"), X, SHARES), (layers.KLDivergence("sum", log_target=True), X, np.log(SHARES)),
    *((cls(reduction=reduction), X, T) for cls in CLASSES for reduction in ("sum", "none")),
    (layers.SoftmaxWithLoss(np.array([0.5, 1.0, 2.0, 0.25])), X, T), (layers.SoftmaxWithLoss(), X, SHARES),
    (layers.SoftmaxWithLoss(label_smoothing=0.2), X, T), (layers.SoftmaxWithLoss(ignore_index=3), X, T),
    (layers.SoftmaxWithLoss(np.array([0.5, 1.0, 2.0, 0.25]), 0.1, 0, "none"), X, T),
    (layers.SoftmaxWithLoss(), IMAGES, GENERATOR.integers(0, 5, (2, 3, 4))), (layers.HingeLoss(3.0), X, T),
    (layers.SigmoidWithLoss(3.0), X, (X > 0) * 1.0), (layers.SigmoidWithLoss(reduction="none"), X, SHARES),
    (layers.Dropout(0.3, seed=1), X), (layers.Dropout2d(0.5, seed=1), IMAGES), (in_use(layers.Dropout()), X),
    (in_use(layers.RRelu()), X), (layers.BatchNorm(G3, B3), IMAGES), (layers.LayerNorm(X[0], X[1]), X),
    (layers.LayerNorm(IMAGES[0, 0], IMAGES[0, 1], 0.01), IMAGES), (layers.RmsNorm(IMAGES[0, 0]), IMAGES),
    (layers.RmsNorm(X[0], 0.1), X), (layers.GroupNorm(X[0], X[1], 2), X[:, :, None] * IMAGES[0, 0, 0]),
    (layers.GroupNorm(G3, B3), IMAGES), (layers.InstanceNorm(G3, B3), IMAGES),
    (layers.Convolution(FILTERS, G3, stride=2, pad=1), IMAGES),
    (layers.Convolution(FILTERS, G3, dilation=(1, 2)), IMAGES),
    (layers.Convolution(FILTERS[:, :1], G3, groups=3), IMAGES),
    (layers.Convolution(FILTERS[..., 0], G3), IMAGES[..., 0]),
    (layers.TransposedConvolution(FILTERS, B3, stride=(2, 1), pad=1, extra=(1, 0)), IMAGES),
    (layers.TransposedConvolution(FILTERS[:, :1], B3, dilation=2, groups=3), IMAGES),
    (layers.MaxPool(3, 2), IMAGES), (layers.MaxPool((2, 3), 1, dilation=(2, 1)), IMAGES),
    (layers.MaxPool(2), IMAGES[..., 0]), (layers.MaxPool(2, pad=1), IMAGES),
    (layers.AvgPool(3, 1, 1), IMAGES), (layers.AvgPool(2, pad=1, count_pad=False), IMAGES),
    (layers.GlobalAvgPool(), IMAGES[..., 0]), (layers.GlobalMaxPool(), IMAGES),
    (layers.AdaptiveAvgPool((3, 2)), IMAGES), (layers.AdaptiveMaxPool((3, 2)), IMAGES),
    (layers.Flatten(), IMAGES), (layers.Reshape(5, -1, 2), IMAGES), (layers.Transpose(0, 2, -1, 1), IMAGES),
    (layers.SumLayer(0), X), (layers.SumLayer(-2), IMAGES), (layers.MeanLayer(2), IMAGES),
    (layers.RepeatLayer(3, 1), X), (layers.Split(3, 0), X), (layers.Split(), X),
    (layers.Residual(layers.Tanh()), X), (layers.Residual(layers.Affine(TABLE[:4], TABLE[0])), X),
    (layers.DotProductAttention(causal=True), SEQUENCES, 2 * SEQUENCES, SEQUENCES[..., :3]),
    (layers.MultiHeadAttention(*SQUARES, heads=2), SEQUENCES),
    (layers.MultiHeadAttention(*SQUARES, causal=True), SEQUENCES),
    (layers.MultiHeadAttention(*SQUARES, heads=4), SEQUENCES, SEQUENCES[:, :2]),
    (layers.Gru(TABLE[:4, :3], TABLE[4:, :3], B3, G3), SEQUENCES[:, :1]),
    (layers.Bidirectional(layers.Lstm(SQUARES[0], SQUARES[1][:1], X[0]), layers.Rnn(*SQUARES[2:], X[1])), SEQUENCES),
    (layers.TimeDistributed(layers.Affine(SQUARES[0], X[0])), SEQUENCES),
    (layers.FocalLoss(0.5, 1.0, "none"), X, (X > 0) * 1.0), (layers.FocalLoss(focus=0.5), X, SHARES),
]  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: type(setting[0]).__name__)
def test_a_layer_is_exact_in_other_settings(setting):
    layer, *inputs = setting
    report = dout.check(layer, *inputs)
    assert {str(verdict.word) for verdict in report.verdicts} <= set(FINE)
    assert report.verdicts
    assert [str(f) for f in report.findings if f.severity != "note"] == []


@pytest.mark.parametrize("setting", [(layers.BatchNorm(G3, B3, eps=0.1), IMAGES), (layers.BatchNorm(X[0], X[1]), X)])
def test_a_batch_norm_in_use_is_exact_and_what_it_gathered_has_no_gradient(setting):
    layer, x = setting
    report = dout.check(in_use(layer), x)
    assert {(verdict.argument, str(verdict.word)) for verdict in report.verdicts} == {
        ("x", "exact"), ("gamma", "exact"), ("beta", "exact"),
    }  # fmt: skip
    assert {f.argument for f in report.findings if f.severity != "note"} == {"running_mean", "running_var"}
