"""Where a derived class finds and keeps numbers: of parameters and gradients alike, in rows, and not in functions."""

import re

import numpy as np
import pytest
from scipy import signal

from dout.errors import TargetError
from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.loops.looped_class import derived


class NormalisedByName:
    """Gradients are zeros at first, as beta is: values alone do not tell them apart."""

    def __init__(self, size=4):
        self.grads = {"gamma": np.zeros(size), "beta": np.zeros(size)}
        self.params = {"gamma": np.ones(size), "beta": np.zeros(size)}

    def forward(self, x):
        return self.params["gamma"] * np.tanh(x) + self.params["beta"]


def test_a_parameter_of_zeros_is_not_taken_for_the_gradient_beside_it():
    layer = derived(NormalisedByName).layer(3)
    x, dout = np.linspace(-1, 1, 6).reshape(2, 3), np.arange(6.0).reshape(2, 3)
    layer.forward(x)
    layer.backward(dout)
    assert np.allclose(layer.grads["beta"], dout.sum(axis=0), rtol=1e-15)
    assert np.allclose(layer.grads["gamma"], (dout * np.tanh(x)).sum(axis=0), rtol=1e-14)


class PooledByRows:
    def __init__(self, size, stride=0, padding=0):
        self.size = size if isinstance(size, tuple) else (size, size)
        stride = self.size if stride == 0 else stride
        self.stride = stride if isinstance(stride, tuple) else (stride, stride)
        self.padding = padding if isinstance(padding, tuple) else (padding, padding)

    def forward(self, x):
        (p, q), (kh, kw), (sh, sw) = self.padding, self.size, self.stride
        padded = np.pad(x, [(0, 0), (p, p), (q, q)])
        oh, ow = (padded.shape[1] - kh) // sh + 1, (padded.shape[2] - kw) // sw + 1
        out = np.zeros((len(x), oh, ow))
        for i in range(oh):
            for j in range(ow):
                out[:, i, j] = np.sum(padded[:, i * sh : i * sh + kh, j * sw : j * sw + kw], axis=(1, 2))
        return out


@pytest.mark.long
def test_numbers_that_a_layer_holds_in_a_row_are_read_there():
    layer = derived(PooledByRows).layer((2, 3), stride=(1, 2), padding=(1, 2))
    x = np.random.default_rng(0).normal(size=(2, 5, 6))
    dout = np.random.default_rng(1).normal(size=layer.forward(x).shape)
    right = np.zeros((2, 7, 10))
    for i, j in np.ndindex(dout.shape[1:]):
        right[:, i : i + 2, 2 * j : 2 * j + 3] += dout[:, i, j][:, None, None]
    assert np.allclose(layer.backward(dout), right[:, 1:-1, 2:-2], rtol=1e-13)


class Functions:
    @staticmethod
    def tanh(x):
        return np.tanh(x)

    @staticmethod
    def tanh_backward(x, dout):
        return dout * (1 - np.tanh(x) ** 2)


class Several:
    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def relu(self, x):
        return np.maximum(0, x)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Functions, "is a class of functions: name one of them, Functions.tanh"),
        (Several, "name one of its methods, Several.sigmoid"),
        (Several().relu, "is one method of several"),
    ],
)
def test_a_class_of_functions_is_no_layer(target, said):
    with pytest.raises(TargetError, match=re.escape(said)):
        derived(target)


class HalfKnown:
    """SciPy's correlation is no step of a recording."""

    def __init__(self, b):
        self.b, self.w = b, np.array([1.0, -2.0])

    def forward(self, x):
        return signal.correlate(x, self.w, mode="valid") + self.b


def test_an_input_whose_gradient_is_lost_is_refused():
    with pytest.raises(NotDerivedError, match="follows x, and no gradient leads there"):
        derived(HalfKnown, {"b": np.array([0.5])}, [np.array([0.25, 1.5, 2.75])])
