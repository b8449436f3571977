"""Windows, equal maxima, labels among floats, and parameters that a layer holds twice, in derived layers."""

import numpy as np
import pytest
from explained_steps import said

from dout.explain.loops.looped_class import derived

RNG = np.random.default_rng(7)


def array(*shape):
    return RNG.normal(size=shape)


def columns(x, fh, fw, stride, pad):
    """The columns of an image, as the first book makes them."""
    N, C, H, W = x.shape
    out_h, out_w = (H + 2 * pad - fh) // stride + 1, (W + 2 * pad - fw) // stride + 1
    img = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, fh, fw, out_h, out_w), dtype=x.dtype)
    for i in range(fh):
        for j in range(fw):
            col[:, :, i, j, :, :] = img[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * out_h * out_w, -1).reshape(N, out_h, out_w, -1)


class Columns:
    def __init__(self, fh, fw, stride, pad):
        self.fh, self.fw, self.stride, self.pad = fh, fw, stride, pad

    def forward(self, x):
        return columns(x, self.fh, self.fw, self.stride, self.pad)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("target", [Columns, Columns(2, 3, 2, 1)], ids=["class", "instance"])
def test_the_backward_of_im2col_is_a_loop_that_holds_for_other_filters_and_strides(target):
    init = {"fh": 2, "fw": 3, "stride": 2, "pad": 1} if target is Columns else {}
    found = derived(target, init, {"x": array(2, 2, 5, 6)})
    assert "for i in range(self.fh):\n            for j in range(self.fw):" in found.source
    for fh, fw, stride, pad in ((1, 2, 1, 2), (3, 2, 3, 1), (2, 2, 2, 1)):
        layer, x = found.layer(fh, fw, stride, pad), array(2, 3, 7, 6)
        dout = RNG.normal(size=layer.forward(x).shape)
        dx = layer.backward(dout)
        other = RNG.normal(size=x.shape)  # the step is linear, so ⟨dout, f(v)⟩ = ⟨dx, v⟩
        assert np.sum(dout * columns(other, fh, fw, stride, pad)) == pytest.approx(np.sum(dx * other))


class Correlation:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(x, self.W.shape, axis=(1, 2))
        return np.einsum("nhwij,ij->nhw", windows, self.W)


def test_the_backward_of_windows_is_a_loop_that_holds_for_filters_that_are_not_square():
    found = derived(Correlation, {"W": array(3, 3)}, {"x": array(3, 5, 6)})
    assert (found.source.count("for "), found.source.count(" += ")) == (2, 1)
    layer, x = found.layer(array(2, 4)), array(2, 5, 7)
    dout = RNG.normal(size=layer.forward(x).shape)
    dx = layer.backward(dout)
    assert np.sum(dout * layer.forward(x)) == pytest.approx(np.sum(dx * x)) == pytest.approx(np.sum(layer.dW * layer.W))


def test_equal_maxima_share_the_gradient():
    class GlobalMaxPool:
        def forward(self, x):
            return x.max(axis=(1, 2))

    layer = derived(GlobalMaxPool, {}, {"x": array(2, 3, 4)}).layer()
    x = np.zeros((1, 2, 2))
    layer.forward(x)
    assert layer.backward(np.ones(1)).sum() == 1


def test_a_reason_is_said_once_as_a_sentence():
    class LogOfSum:
        def forward(self, x):
            return np.log(np.exp(x) + x**2 + 1)

    made = derived(LogOfSum, {}, {"x": array(3, 4)})
    assert said(made) == [
        "the gradient found for x is not finite at ±1000, and the derivative is: write forward so that it does not "
        "overflow"
    ]


class HeldTwice:
    def __init__(self, W):
        self.W = W
        self.params, self.grads = [self.W], [np.zeros_like(W)]

    def forward(self, x):
        return x @ self.W


def test_the_gradient_of_an_array_that_is_among_params_too_goes_where_the_optimiser_looks():
    layer = derived(HeldTwice, {"W": array(4, 2)}, {"x": array(3, 4)}).layer(array(4, 2))
    x, place = array(3, 4), layer.grads[0]
    layer.backward(np.ones_like(layer.forward(x)))
    assert layer.grads[0] is place
    np.testing.assert_allclose(place, x.T @ np.ones((3, 2)))


class Contrasting:
    def forward(self, x, t):
        return np.where(t == 1, 1 - x, np.maximum(0, x - 0.25)).sum()


def test_labels_among_floats_choose_the_side():
    x, t = np.array([0.5, 0.75, -0.5, 0.125]), np.array([1.0, -1.0, -1.0, 1.0])
    layer = derived(Contrasting, inputs={"x": x, "t": t}).layer()
    layer.forward(x, t)
    found = layer.backward(1.0)
    assert np.array_equal(found[0] if isinstance(found, tuple) else found, [-1, 1, 0, -1])


class OfSlope:
    def __init__(self, slope=1.5, power=2.0):
        self.slope, self.power = slope, power

    def forward(self, x):
        return np.tanh(self.slope * x) ** self.power

    def backward(self, dout):
        self.dslope = 0.0  # to be written


def test_a_number_gets_a_gradient_where_the_class_keeps_one():
    layer, x = derived(OfSlope).layer(), np.array([0.5, -1.0])
    layer.forward(x)
    layer.backward(np.array([1.0, 2.0]))
    y = np.tanh(1.5 * x)
    assert layer.dslope == pytest.approx(np.sum(np.array([1.0, 2.0]) * 2 * y * (1 - y**2) * x), rel=1e-14)
    assert not hasattr(layer, "dpower")
