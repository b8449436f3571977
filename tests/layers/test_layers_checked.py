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


@pytest.mark.parametrize("name", layers.__all__)
def test_a_layer_is_exact_as_it_comes(name, checked):
    verdicts = checked[name]["verdicts"]
    assert verdicts
    assert {verdict["word"] for verdict in verdicts} <= set(FINE)
    assert [f["code"] for f in checked[name]["findings"] if f["severity"] != "note"] == []


GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(3, 4))
IMAGES = GENERATOR.normal(size=(2, 3, 4, 5))

SETTINGS = [
    (layers.PowLayer(3), X), (layers.PowLayer(-1.0), X), (layers.PowLayer(0.5), abs(X) + 0.1),
    (layers.LeakyRelu(0.2), X), (layers.PRelu(4), X), (layers.PRelu(3), IMAGES),
    (layers.Hardtanh(-0.5, 2.0), X), (layers.Softshrink(0.0), X), (layers.Softshrink(1.0), X),
    (layers.Hardshrink(1.0), X), (layers.Threshold(0.5, -3.0), X),
    (layers.Softplus(4.0), X), (layers.Elu(0.5), X), (layers.Celu(0.5), X),
    (layers.Softmax(0), X), (layers.Softmax(-3), IMAGES), (layers.Softmin(0), X), (layers.LogSoftmax(1), IMAGES),
    (layers.Glu(), X), (layers.Glu(2), IMAGES),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "x"), SETTINGS, ids=lambda item: type(item).__name__)
def test_a_layer_is_exact_in_other_settings(layer, x):
    report = dout.check(layer, x)
    assert {str(verdict.word) for verdict in report.verdicts} <= set(FINE)
    assert report.verdicts
    assert [str(f) for f in report.findings if f.severity != "note"] == []
