"""A layer in several places, and one array in several layers, have the sum of all gradients."""

import numpy as np
import pytest
from keeping_layers import Dense, Squares, t, x

from dout.errors import TrainingError
from dout.layers import SoftmaxWithLoss
from dout.train import SGD, LayerGraph, fit
from dout.train.nets.train_step import TrainStep

# --- a layer in several places ----------------------------------------------------------------------------------------


class Buffered:
    """Keeps its input, a moving mean and its results in arrays of its own, which it writes into."""

    def __init__(self):
        self.W = np.random.default_rng(2).standard_normal((4, 4)) / 2
        self.kept, self.out, self.dx, self.mean = np.zeros((20, 4)), np.zeros((20, 4)), np.zeros((20, 4)), np.zeros(4)

    def forward(self, x):
        self.kept[...] = x
        self.mean[...] = 0.5 * self.mean + 0.5 * x.mean(axis=0)
        return np.matmul(x, self.W, out=self.out)

    def backward(self, dout):
        self.dW = self.kept.T @ dout
        return np.matmul(dout, self.W.T, out=self.dx)


def test_a_layer_that_writes_into_its_own_arrays_may_stand_in_several_places():
    first, shared, last = Dense(4, 4), Buffered(), Dense()
    step = TrainStep([first, shared, Dense(4, 4), shared, last], SoftmaxWithLoss())
    for _ in range(2):
        step(x, t, "")
    gradient = step.registry.gradients()
    (name,) = [one for one in gradient if gradient[one].shape == (4, 4) and "shared" in one]
    for place in [(0, 0), (2, 1)]:
        losses = []
        for way in (1e-6, -1e-6):
            shared.W[place] += way
            losses.append(step.run(x, t)[0])
            shared.W[place] -= way
        assert gradient[name][place] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5)


def test_the_moving_mean_of_a_layer_in_several_places_is_that_of_all():
    shared = Buffered()
    net = LayerGraph({"a": (shared, "x"), "b": (shared, "a")})
    h = x @ shared.W
    net.forward(x)
    net.backward(np.ones((20, 4)))
    assert shared.mean == pytest.approx(0.25 * x.mean(axis=0) + 0.5 * h.mean(axis=0))


# --- weights that are tied --------------------------------------------------------------------------------------------


class Tied:
    """Two layers of 4 numbers, whose weights are views of one memory."""

    def __init__(self, view):
        self.one, self.two = Dense(4, 4), Dense(4, 4)
        self.two.W = view(self.one.W)

    def forward(self, x):
        return self.two.forward(self.one.forward(x))

    def backward(self, dout):
        return self.one.backward(self.two.backward(dout))


def test_a_transposed_view_is_refused_and_moves_nothing():
    net = Tied(np.transpose)
    before = net.one.W.copy()
    with pytest.raises(TrainingError, match=r"net.two.W and net.one.W are views of the same numbers"):
        fit(net, x, x, loss=Squares())
    assert np.array_equal(net.one.W, before)


def test_a_view_of_the_whole_array_is_that_array():
    same, view = Tied(lambda W: W), Tied(lambda W: W[:])
    for net in (same, view):
        fit(net, x, x, loss=Squares(), optimizer=SGD(0.1), shuffle=False, epochs=3)
    assert np.array_equal(same.one.W, view.one.W)


def test_parts_of_one_array_that_do_not_overlap_are_parameters_of_their_own():
    both = np.random.default_rng(3).standard_normal((4, 8))
    net = Tied(lambda W: both[:, 4:])
    net.one.W = both[:, :4]
    assert len(fit(net, x, x, loss=Squares(), epochs=1))
