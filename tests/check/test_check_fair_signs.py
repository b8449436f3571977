"""What of a layer tells how it is judged: float32 inside, names, runs, and training."""

import random

import numpy as np
import pytest
from fair_examples import table
from fair_readings import errors

import dout
from dout.adapt.interface.function_pairs import pair_class

# ------------------------------------------------------------------------------------ what is rounded to float32 inside


class OpenRelu32:
    def forward(self, x):
        self.mask = x > 0
        return np.maximum(x, 0).astype(np.float32)

    def backward(self, dout):
        return dout.astype(np.float32)


class Net32:
    def __init__(self, rng):
        self.W = rng.standard_normal((4, 5)).astype(np.float32)
        self.V = rng.standard_normal((5, 3)).astype(np.float32)

    def forward(self, x):
        self.x = x.astype(np.float32)
        self.h = np.tanh(self.x @ self.W)
        return self.h @ self.V

    def backward(self, dout):
        self.dV = self.h.T @ dout
        dh = dout @ self.V.T
        dz = dh * (1 + self.h**2)
        self.dW = self.x.T @ dz
        return dz @ self.W.T


def test_what_is_rounded_to_float32_has_no_steps():
    for layer in (OpenRelu32, Net32):
        assert {item.severity for item in dout.check(layer).findings if item.code == "D101"} == {"error"}


def test_what_is_rounded_to_float32_is_repaired():
    (cause,) = {item.because for item in dout.check(Net32).findings if item.code == "D101" and item.because}
    assert "`1 + self.h**2` should be `1 - self.h**2`" in cause


class Shares32:
    def forward(self, inputs):
        e = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = e / np.sum(e, axis=1, keepdims=True)


class Loss32:
    """Its backward is handed what its softmax gave, and its cost is rounded to float32."""

    def __init__(self):
        self.activation = Shares32()

    def forward(self, inputs, y_true):
        self.activation.forward(inputs)
        self.output = self.activation.output
        return np.mean(-np.log(self.output[range(len(y_true)), y_true])).astype(np.float32)

    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(y_true)), y_true] -= 1
        self.dinputs = self.dinputs / len(y_true)


def test_what_backward_is_handed_is_told_through_the_rounding_of_float32():
    assert not errors(dout.check(Loss32))


# ------------------------------------------------------------------------------------------- two methods of derivatives


class TwoDerivatives:
    """Its `delta` is right, and its `backward` is what a network calls."""

    def forward(self, x):
        return np.tanh(x)

    def backward(self, x, top_diff):
        return -(1 - np.tanh(x) ** 2) * top_diff

    def delta(self, x):
        return 1 - np.tanh(x) ** 2


def test_a_right_derivative_does_not_speak_for_a_wrong_backward():
    assert errors(dout.check(TwoDerivatives))


# ------------------------------------------------------------------------------------------------ out of training


class OpenDropout:
    """Its backward forgets the mask of training."""

    def __init__(self):
        self.training, self.random = True, np.random.default_rng(0)

    def forward(self, x):
        self.mask = (self.random.random(x.shape) < 0.5) / 0.5 if self.training else np.ones(x.shape)
        return x * self.mask

    def backward(self, dout):
        return dout * 1.0


class ClosedDropout(OpenDropout):
    def backward(self, dout):
        return dout * self.mask


def test_a_layer_that_is_out_of_training_is_judged_in_training_too():
    for cls, wrong in ((OpenDropout, True), (ClosedDropout, False)):
        layer = cls()
        layer.training = False
        found = errors(dout.check(layer, table(3, 4)))
        assert bool(found) is wrong
        assert all("in training" in message for message in found)


# ---------------------------------------------------------------------------------- what names tell, and what runs tell


class OfItsOutput:
    """Backward calls what it is handed as forward does, and is right for the output."""

    def forward(self, x):
        return np.tanh(x)

    def backward(self, x, top):
        return top * (1 - x**2)


class OfRows:
    """Backward forgets the axis that forward sums over; it is handed the input under another name."""

    def forward(self, x):
        return x.sum(axis=1)

    def backward(self, dout, inputs):
        return dout


class Configured:
    """What its backward asks of `cfg` no number has."""

    def __init__(self, n_in, n_out, cfg):
        self.W, self.cfg = np.random.default_rng(0).normal(size=(n_in, n_out)), cfg

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout + self.cfg.decay * self.W
        return dout @ self.W.T


class Guided:
    """A switch of backward alone, which is off."""

    def __init__(self, guided=0):
        self.guided = guided

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        dx = dout * self.mask
        return dx * (dout > 0) if self.guided else dx


class Gain:
    """It computes with its number, and forgets to return that."""

    def __init__(self, gain=3.0):
        self.gain = gain

    def forward(self, x):
        self.y = self.gain * x
        return x

    def backward(self, dout):
        return self.gain * dout


@pytest.mark.parametrize(
    ("layer", "wrong"),
    [(OfItsOutput, False), (OfRows, True), (Configured, False), (Guided, False), (Gain, True)],
)
def test_an_error_is_what_neither_names_nor_runs_explain(layer, wrong):
    assert bool(errors(dout.check(layer))) is wrong


SECRET = random.SystemRandom()  # of the system: it has no state that could be put back


class Tagged:
    def forward(self, x):
        self.x, self.tag = x, SECRET.random()
        return x * x

    def backward(self, dout):
        return dout * self.x


def test_a_generator_of_the_system_hides_no_mistake():
    assert errors(dout.check(Tagged))


def through(z):
    a = np.tanh(z)
    return a, a


def through_backward(da, cache):
    return da * (1 - np.tanh(cache) ** 2)


def test_a_cache_that_forward_returns_is_what_backward_is_handed():
    assert errors(dout.check(pair_class(through, through_backward)))
