"""The example that a class is derived with, and what else its text may look like."""

import importlib

import numpy as np
import pytest

import dout
from dout.explain.loops.looped_class import derived


class WholeImage:
    def __init__(self, in_channels, filter_size, stride):
        self.depth, self.rows, self.columns = in_channels
        self.filter_row, self.filter_col = filter_size
        self.stride = stride
        self.down = int((self.rows - self.filter_row) / self.stride + 1)
        self.right = int((self.columns - self.filter_col) / self.stride + 1)

    def forward(self, x):
        out = np.zeros((x.shape[0], self.depth, self.down, self.right))
        for i in range(self.down):
            for j in range(self.right):
                top, left = i * self.stride, j * self.stride
                out[:, :, i, j] = np.max(
                    x[:, :, top : top + self.filter_row, left : left + self.filter_col], axis=(2, 3)
                )
        return out

    def backward(self, rate, previous, delta):
        raise NotImplementedError


class Strided:
    def __init__(self, image, window, stride):
        self.rows, self.columns = image
        self.filter_row, self.filter_col = window
        self.stride = stride

    def forward(self, x):
        down = (self.rows - self.filter_row) // self.stride + 1
        right = (self.columns - self.filter_col) // self.stride + 1
        out = np.zeros((x.shape[0], down, right))
        for i in range(down):
            for j in range(right):
                top, left = i * self.stride, j * self.stride
                out[:, i, j] = np.max(x[:, top : top + self.filter_row, left : left + self.filter_col], axis=(1, 2))
        return out


IMAGE = np.array([[3.0, 1.0, 0.0, 7.0], [2.0, 5.0, 4.0, 6.0], [9.0, 8.0, 1.5, 0.5], [0.2, 0.1, 0.3, 0.4]])


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("stride", "expected"),
    [
        (1, [[0, 0, 0, 1], [0, 2, 0, 1], [2, 2, 1, 0], [0, 0, 0, 0]]),
        (2, [[0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]),
    ],
)
@pytest.mark.parametrize(("cls", "before"), [(WholeImage, (1,)), (Strided, ())])
def test_windows_of_the_example_are_smaller_than_the_image_and_move_by_the_stride(cls, before, stride, expected):
    layer = derived(cls).layer((*before, 4, 4), (2, 2), stride)
    out = layer.forward(IMAGE.reshape(1, *before, 4, 4))
    np.testing.assert_array_equal(layer.backward(np.ones_like(out)).reshape(4, 4), expected)


class Distance:
    def forward(self, x, target):
        return np.sum((x - target) ** 2)


def test_an_input_may_be_called_target():
    x, target = np.array([1.0, 2.0]), np.array([0.5, 4.0])
    layer = dout.derive(Distance, x=x, target=target).layer()
    layer.forward(x, target)
    np.testing.assert_array_equal(layer.backward()[0], [1.0, -4.0])
    assert "target" in dout.explain(Distance, x=x, target=target).text(short=True)


def test_a_comment_may_stand_left_of_the_code(tmp_path, monkeypatch):
    file = tmp_path / "commented_layer.py"
    text = (
        "import numpy as np\n\n\nclass Exp:\n    def forward(self, x):\n#       x = x + 1\n        return np.exp(x)\n"
    )
    file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    layer = derived(importlib.import_module("commented_layer").Exp).layer()
    layer.forward(np.array([0.0, 1.0]))
    np.testing.assert_allclose(layer.backward(np.array([1.0, 2.0])), [1.0, 2 * np.e], rtol=1e-15)


class ClippedLoss:
    def __init__(self):
        self.eps = 1e-12

    def forward(self, p, t):
        self.p = np.clip(p, self.eps, 1 - self.eps)
        return -np.sum(t * np.log(self.p), axis=1).mean()


def test_what_a_clip_leaves_as_it_is_in_the_example_is_not_taken_for_its_input():
    layer = derived(ClippedLoss).layer()
    p, t = np.array([[0.25, 0.5], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    layer.forward(p, t)
    np.testing.assert_array_equal(layer.backward()[0], [[-2.0, 0.0], [0.0, 0.0]])


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    p = np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True)
    chosen = np.clip(p[np.arange(x.shape[0]), y], 1e-12, 1.0)
    return -np.mean(np.log(chosen))


def test_a_bound_that_only_large_inputs_cross_stays():
    layer = derived(softmax_loss).layer()
    x = np.array([[0.0, 0.0], [100.0, 0.0]])
    layer.forward(x, np.array([0, 1]))
    np.testing.assert_allclose(layer.backward(), [[-0.25, 0.25], [0.0, 0.0]])


def long_switch(x):
    return np.where(np.abs(x) < 100, x**2, 200 * np.abs(x) - 10000)


def test_a_side_of_a_choice_that_only_large_inputs_come_to_stays():
    layer = derived(long_switch).layer()
    layer.forward(np.array([3.0, 300.0, -300.0]))
    np.testing.assert_array_equal(layer.backward(np.ones(3)), [6.0, 200.0, -200.0])


class Tripled:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        return 3 * dout


class Switch:
    def forward(self, x):
        self.on = x > 0
        return np.where(self.on, x, 0)

    def backward(self, dout):
        return np.where(self.on, dout, 0)


class Times:
    def __init__(self, f, g):
        self.f, self.g = f, g

    def forward(self, x):
        return self.f.forward(x) * self.g.forward(x)


@pytest.mark.long
def test_two_layers_that_are_given_are_told_apart():
    layer = derived(Times).layer(Switch(), Tripled())
    x, dout = np.array([[1.0, -2.0, 4.0]]), np.array([[1.0, 2.0, 3.0]])
    layer.forward(x)
    np.testing.assert_array_equal(layer.backward(dout), [[6.0, 0.0, 72.0]])
