"""Attributes that a call sets before it reads them: what they held before is no condition of its program."""

import numpy as np
import pytest

import dout


class Layer:
    """Keeps its input, and the shape of that, for its backward."""

    def __init__(self):
        self.W, self.x, self.given_shape, self.dW = np.full((3, 2), 0.5), None, None, None

    def forward(self, x):
        self.given_shape = x.shape
        self.x = x.reshape(len(x), -1)
        return np.dot(self.x, self.W)

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        return np.dot(dout, self.W.T).reshape(self.given_shape)


class Network:
    """Reads what its layer has found when all else is done."""

    def __init__(self):
        self.layers = [Layer()]

    def gradient(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        for layer in reversed(self.layers):
            x = layer.backward(np.tanh(x))
        return self.layers[0].dW


def inputs(length, seed):
    return np.random.default_rng(seed).normal(size=(length, 3, 1))


def test_the_second_call_runs_the_program_of_the_first():
    net, plain = Network(), Network()
    gradient = dout.compile(net.gradient)
    for seed in range(3):
        np.testing.assert_allclose(gradient(inputs(4, seed)), plain.gradient(inputs(4, seed)), rtol=1e-13)
        np.testing.assert_array_equal(net.layers[0].x, plain.layers[0].x)
        assert len(gradient.plan().programs) == 1


def test_a_size_that_comes_back_finds_its_program():
    gradient, plain = dout.compile(Network().gradient), Network()
    for length in (4, 6, 4, 6, 4):
        np.testing.assert_allclose(gradient(inputs(length, 0)), plain.gradient(inputs(length, 0)), rtol=1e-13)
    assert len(gradient.plan().programs) == 2


class ReadsFirst(Network):
    """Looks at what the call before has found."""

    def gradient(self, x):
        before = self.layers[0].dW
        found = super().gradient(x)
        return found if before is None else found + before


class ReadsInTheLoop(Network):
    """Reads after each layer, and so at the second turn before the last one has been set."""

    def gradient(self, x):
        total = 0.0
        for _ in range(2):
            for layer in self.layers:
                total = total + (layer.backward(layer.forward(x)).sum() if layer.dW is None else layer.dW.sum())
                layer.backward(layer.forward(x))
        return np.asarray(total) + x.sum()


class ReadsInAHelper(Network):
    """Reads in a function that is called before and after."""

    def found(self):
        return 0.0 if self.layers[0].dW is None else self.layers[0].dW.sum()

    def gradient(self, x):
        before = self.found()
        for layer in self.layers:
            layer.backward(layer.forward(x))
        return x * self.found() + before


class ReadsUnderWay(Network):
    """A layer whose forward asks for its gradient on the way."""

    class Asking(Layer):
        def scale(self):
            return 1.0 if self.dW is None else 2.0

        def forward(self, x):
            return super().forward(x) * self.scale()

    def __init__(self):
        self.layers = [self.Asking()]


@pytest.mark.parametrize("kind", [ReadsFirst, ReadsInTheLoop, ReadsInAHelper, ReadsUnderWay])
def test_what_is_read_before_it_is_set_stays_a_condition(kind):
    fast, plain = dout.compile(kind().gradient), kind()
    for seed in range(4):
        np.testing.assert_allclose(fast(inputs(4, seed)), plain.gradient(inputs(4, seed)), rtol=1e-13)
