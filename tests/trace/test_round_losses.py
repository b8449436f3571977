"""The loss that a script computes beside its layers: it is drawn where the gradient given to them is that of it."""

import numpy as np
import pytest

from dout.ops import PRIMITIVES
from dout.trace.record.script import run_script

PROGRAM = """
import numpy as np


class Affine:
    def __init__(self):
        self.W = np.linspace(-1.0, 1.0, 12).reshape(3, 4)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


layer, x, t = Affine(), np.linspace(-2.0, 1.0, 15).reshape(5, 3), np.array([0, 1, 2, 3, 1])
for epoch in range(2):
    y = layer.forward(x)
    e = np.exp(y - y.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    LOSS
    accuracy = np.mean(p.argmax(axis=1) == t)
    spread = np.mean(p ** 2)
    GRADIENT
    layer.backward(g)
    layer.W -= 0.1 * layer.dW
    print(f"{loss:.3f} {accuracy} {spread}")
"""
PICKED, SUMMED = "g = p.copy(); g[range(5), t] -= 1", "loss = -np.log(p[range(5), t] + 1e-7).sum()"


def _trace(tmp_path, loss, gradient):
    (tmp_path / "train.py").write_text(PROGRAM.replace("LOSS", loss).replace("GRADIENT", gradient), "utf-8")
    return run_script(tmp_path / "train.py").trace()


@pytest.mark.parametrize("loss", [SUMMED, "loss = -np.log(p[range(5), t]).mean()"], ids=["stabilised", "averaged"])
def test_the_loss_whose_gradient_the_layers_get_is_an_output(tmp_path, loss):
    trace = _trace(tmp_path, loss, PICKED)
    (end,) = trace.graph.outputs.values()
    assert end.shape == ()
    x, t = np.linspace(-2.0, 1.0, 15).reshape(5, 3), np.array([0, 1, 2, 3, 1])
    y = x @ np.linspace(-1.0, 1.0, 12).reshape(3, 4)
    each = np.log(np.exp(y).sum(axis=1)) - y[range(5), t]
    assert np.isclose(trace.data[end], each.sum() if "sum" in loss else each.mean(), rtol=1e-5)
    assert not [v for v in trace.values if v.gradient is not None and v.gradient.expected is not None]


@pytest.mark.parametrize("gradient", ["g = p * p", "g = p.copy(); g[range(5), t] += 1", "g = -(t[:, None] - p)"])
def test_a_number_that_has_another_gradient_is_no_output(tmp_path, gradient):
    assert not _trace(tmp_path, SUMMED, gradient).graph.outputs


AVERAGED = "loss = -np.log(p[range(5), t]).mean()"


def test_a_gradient_that_goes_up_the_loss_is_that_of_no_step_before_its_sign(tmp_path):
    gradient = "g = p.copy(); g[range(5), t] -= 1; g = g / 5"
    assert _trace(tmp_path, AVERAGED, gradient).graph.outputs
    assert not _trace(tmp_path, AVERAGED, gradient + "; g = -g").graph.outputs


@pytest.mark.parametrize("gradient", ["g = 2 * y", "g = 0.5 * y"])
def test_the_norm_of_a_gradient_is_no_loss(tmp_path, gradient):
    """Its own gradient points along that of the loss."""
    trace = _trace(tmp_path, "loss = np.sum(y * y)", gradient + "; norm = np.sqrt(np.sum(g * g))")
    (end,) = trace.graph.outputs.values()
    assert end.primitive is PRIMITIVES["sum"]
    assert f"{trace.data[end]:.3f}" == "9.950"


def test_the_root_of_a_loss_is_none_if_the_gradient_is_that_of_the_loss(tmp_path):
    loss = "loss = np.sum(y * y); root = np.sqrt(loss)"
    (end,) = _trace(tmp_path, loss, "g = 2 * y").graph.outputs.values()
    (other,) = _trace(tmp_path, loss, "g = y / root").graph.outputs.values()
    assert (end.primitive, other.primitive) == (PRIMITIVES["sum"], PRIMITIVES["sqrt"])
