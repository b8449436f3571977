"""What is chosen for a layer that was given nothing: weights, labels and inputs that fit, and hide no mistake."""

import numpy as np
import pytest

import dout
from dout.adapt import example
from dout.errors import TargetError


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW, self.db = np.dot(self.x.T, dout), np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class WithoutTranspose(Affine):
    def backward(self, dout):
        return np.dot(dout, self.W)


class Transposed(Affine):
    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dout):
        self.dW, self.db = dout.T @ self.x, np.sum(dout, axis=0)
        return dout @ self.W


class Sizes(Affine):
    def __init__(self, input_size, output_size):
        super().__init__(np.ones((input_size, output_size)), np.zeros(output_size))


class CrossEntropy:
    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y))

    def backward(self, dout=1):
        return -dout * self.t / self.y


class SoftmaxWithLoss:
    def forward(self, x, labels):
        powers = np.exp(x)
        self.y, self.t = powers / np.sum(powers, axis=1, keepdims=True), labels
        return -np.mean(np.log(self.y[np.arange(len(labels)), labels]))

    def backward(self, dout=1):
        return dout * (self.y - np.eye(self.y.shape[1])[self.t]) / len(self.t)


class MaxPool:
    def __init__(self, pool_h, pool_w, stride=2):
        self.h, self.w = pool_h, pool_w

    def forward(self, x):
        N, C, H, W = x.shape
        self.x = x.reshape(N, C, H // self.h, self.h, W // self.w, self.w)
        self.shape = x.shape
        return self.x.max(axis=(3, 5))

    def backward(self, dout):
        largest = self.x == self.x.max(axis=(3, 5), keepdims=True)
        return (largest * dout[:, :, :, np.newaxis, :, np.newaxis]).reshape(self.shape)


class Recurrent:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x, h_prev):
        self.x, self.h_prev = x, h_prev
        return x @ self.Wx + h_prev @ self.Wh + self.b

    def backward(self, dout):
        return dout @ self.Wx.T, dout @ self.Wh.T


class Embedding:
    def __init__(self, W):
        self.W = W

    def forward(self, idx):
        return self.W[idx]

    def backward(self, dout):
        return None


class Steps:
    def forward(self, xs):
        _, _, _ = xs.shape
        return np.cumsum(xs, axis=1)

    def backward(self, dout):
        return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1]


class Multiply:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class AnyNumber:
    def forward(self, *xs):
        return sum(xs)

    def backward(self, dout):
        return dout, dout


@pytest.mark.parametrize(
    ("layer", "init", "inputs"),
    [
        (Affine, {"W": (5, 4), "b": (4,)}, {"x": (3, 5)}),
        (Transposed, {"W": (4, 5), "b": (4,)}, {"x": (3, 5)}),
        (Sizes, {"input_size": (), "output_size": ()}, {"x": (2, 3)}),
        (CrossEntropy, {}, {"y": (3, 4), "t": (3, 4)}),
        (SoftmaxWithLoss, {}, {"x": (3, 4), "labels": (3,)}),
        (MaxPool, {"pool_h": (), "pool_w": ()}, {"x": (3, 5, 4, 6)}),
        (Recurrent, {"Wx": (5, 4), "Wh": (4, 4), "b": (4,)}, {"x": (3, 5), "h_prev": (3, 4)}),
        (Embedding, {"W": (5, 4)}, {"idx": (3, 5)}),
        (Steps, {}, {"xs": (3, 4, 5)}),
        (Multiply, {}, {"x": (3, 4), "y": (3, 4)}),
        (AnyNumber, {}, {"xs[0]": (3, 4), "xs[1]": (3, 4)}),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_shapes_fit_each_other(layer, init, inputs):
    found = example(layer, {}, {})
    assert {name: np.shape(value) for name, value in found.init.items()} == init
    assert {name: np.shape(value) for name, value in found.inputs.items()} == inputs
    assert found.chosen == {*init, *inputs}


def test_a_backward_that_raises_is_not_tried_away():
    found = example(WithoutTranspose, {}, {})
    assert (found.init["W"].shape, found.inputs["x"].shape) == ((5, 4), (3, 5))


def test_a_logarithm_gets_what_it_is_defined_for():
    assert np.all(example(CrossEntropy, {}, {}).inputs["y"] > 0)


def test_what_is_given_is_kept():
    b, x = np.zeros(4), np.ones((1, 3))
    found = example(Affine, {"b": b}, {"x": x})
    assert (found.init["b"] is b, found.inputs["x"] is x, found.chosen) == (True, True, {"W"})


def test_trials_change_neither_the_layer_nor_the_random_states():
    layer = Multiply()
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the state users draw from
    example(layer, {}, {})
    assert vars(layer) == {}
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_a_layer_that_is_checked_on_chosen_inputs_is_left_as_it_was():
    layer = Multiply()
    assert dout.check(layer).ok
    assert vars(layer) == {}


@pytest.mark.long
def test_what_cannot_be_guessed_is_named():
    class Wrapper(Affine):
        def __init__(self, net):
            self.net = net

        def forward(self, x):
            return self.net.forward(x)

    with pytest.raises(TargetError, match=r"Wrapper needs net to be built: give --init 'net=…' \(\w+Error"):
        example(Wrapper, {}, {})
