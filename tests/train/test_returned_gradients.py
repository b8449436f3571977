"""However a backward returns the gradients of its parameters, a run of it tells, and the layer learns."""

import functools
import threading

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import Affine, Relu, SoftmaxWithLoss
from dout.train import SGD, fit, predict

GENERATOR = np.random.default_rng(4)
X, T = GENERATOR.normal(size=(40, 3)), GENERATOR.integers(0, 2, 40)
W1, W2 = GENERATOR.normal(size=(3, 5)), GENERATOR.normal(size=(5, 2))


def trained(net, **how):
    history = fit(net, X, T, loss=SoftmaxWithLoss(), optimizer=SGD(0.3), epochs=3, batch=10, seed=0, **how)
    return history["loss"]


@pytest.fixture(scope="module")
def by_hand():
    """What affine layers learn that leave their gradients in attributes."""
    return trained([Affine(W1.copy(), np.zeros(5)), Relu(), Affine(W2.copy(), np.zeros(2))])


def anonymous(method):
    """A decorator that says nothing of what it decorates."""
    return lambda *given: method(*given)


def counted(method):
    @functools.wraps(method)
    def call(*given):
        return method(*given)

    return call


class Dense:
    def __init__(self, W):
        self.W, self.b = W.copy(), np.zeros(W.shape[1])

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def found(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout.sum(axis=0)


class AsName(Dense):
    def backward(self, dout):
        grads = self.found(dout)
        return grads


class AsList(Dense):
    def backward(self, dout):
        return list(self.found(dout))


class AsDict(Dense):
    def backward(self, dout):
        return dict(zip(("dx", "dW", "db"), self.found(dout), strict=True))


class InputLast(Dense):
    def backward(self, dout):
        dx, dW, db = self.found(dout)
        return dW, db, dx


class DictBeside(Dense):
    def backward(self, dout):
        dx, dW, db = self.found(dout)
        return dx, {"W": dW, "b": db}


class Decorated(Dense):
    @anonymous
    def backward(self, dout):
        dx, dW, db = self.found(dout)
        return dx, dW, db


class DecoratedForward(Dense):
    @counted
    def forward(self, x):
        self.output = super().forward(x)

    @counted
    def backward(self, dout):
        self.dinputs, self.dW, self.db = self.found(dout)


class LeftToo(Dense):
    def backward(self, dout):
        dx, self.dW, self.db = self.found(dout)
        return dx, self.dW, self.db


class WithCache(Dense):
    def forward(self, x):
        return x @ self.W + self.b, x

    def backward(self, dout, cache):
        return dout @ self.W.T, cache.T @ dout, dout.sum(axis=0)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "kind", [AsName, AsList, AsDict, InputLast, DictBeside, Decorated, DecoratedForward, LeftToo, WithCache]
)
def test_gradients_that_backward_returns_are_those_of_the_parameters(kind, compiled, by_hand):
    np.testing.assert_allclose(trained([kind(W1), Relu(), kind(W2)], compiled=compiled), by_hand, rtol=1e-12)


class Net:
    def __init__(self):
        self.W1, self.b1, self.W2, self.b2 = W1.copy(), np.zeros(5), W2.copy(), np.zeros(2)

    def forward(self, x):
        self.x, self.h = x, np.maximum(0, x @ self.W1 + self.b1)
        return self.h @ self.W2 + self.b2

    def backward(self, dout):
        dh = (dout @ self.W2.T) * (self.h > 0)
        return self.x.T @ dh, dh.sum(axis=0), self.h.T @ dout, dout.sum(axis=0)


class NetWithDict(Net):
    def backward(self, dout):
        return dict(zip(("dW1", "db1", "dW2", "db2"), super().backward(dout), strict=True))


class NetWithOutput(Net):
    def forward(self, x):
        self.output = super().forward(x)

    def backward(self, dout):
        self.dW1, self.db1, self.dW2, self.db2 = super().backward(dout)


@pytest.mark.parametrize("kind", [Net, NetWithDict, NetWithOutput])
def test_a_whole_net_may_return_them_too(kind, by_hand):
    net = kind()
    np.testing.assert_allclose(trained(net), by_hand, rtol=1e-12)
    np.testing.assert_allclose(predict(net, X), Net.forward(net, X))


class Whole(Dense):
    """It takes batches of ten alone."""

    def forward(self, x):
        return super().forward(x.reshape(10, 3))

    def backward(self, dout):
        return self.found(dout)


def test_a_layer_that_takes_whole_batches_alone_is_tried_with_one(by_hand):
    np.testing.assert_allclose(trained([Whole(W1), Relu(), Dense2(W2)]), by_hand, rtol=1e-12)


class Dense2(Dense):
    def backward(self, dout):
        return self.found(dout)


NOISE = np.random.default_rng(1)


class Drawing(Dense):
    made = 0

    def forward(self, x):
        Drawing.made += 1
        return super().forward(x + NOISE.normal(size=x.shape))

    def backward(self, dout):
        return self.found(dout)


def test_finding_out_draws_and_counts_nothing():
    NOISE.bit_generator.state = np.random.default_rng(1).bit_generator.state
    Drawing.made = 0
    fit([Drawing(W1[:, :2])], X, T, loss=SoftmaxWithLoss(), epochs=1, batch=10)
    assert Drawing.made == 4
    assert NOISE.normal() == np.random.default_rng(1).normal(size=40 * 3 + 1)[-1]


class LockedPass:
    """It cannot be copied."""

    def __init__(self, W):
        self.W, self.b = W, np.zeros(W.shape[1])
        self.lock = threading.Lock()

    forward_pass, backward_pass = Dense.forward, AsName.backward


class LockedDense(LockedPass):
    """It returns what it makes, so that no copy is needed."""

    forward, found, backward = Dense.forward, Dense.found, LeftToo.backward


def test_a_net_that_cannot_be_copied_says_so_where_a_copy_is_needed(by_hand):
    with pytest.raises(TrainingError, match="how LockedPass is called can only be found out with a copy of the net"):
        trained([LockedPass(W1[:, :2])])
    last = Affine(W2.copy(), np.zeros(2))
    np.testing.assert_allclose(trained([LockedDense(W1.copy()), Relu(), last]), by_hand, rtol=1e-12)
