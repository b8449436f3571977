"""A step that is compiled is no plain step, and whether it is follows from the operations of the net."""

import numpy as np
import pytest

from dout.layers import Affine, Convolution, Flatten, Relu, SoftmaxWithLoss
from dout.train import SGD, fit
from dout.train.nets import train_step
from dout.train.nets.train_step import TrainStep

pytest.importorskip("numba")
RNG = np.random.default_rng(5)


def small_net():
    return [Affine(RNG.normal(size=(6, 8)), np.zeros(8)), Relu(), Affine(RNG.normal(size=(8, 3)), np.zeros(3))]


def filters():
    """A filter of nine numbers at a hundred places, and four numbers of an affine layer."""
    return [
        Convolution(RNG.normal(size=(2, 1, 3, 3)), np.zeros(2), pad=1),
        Relu(),
        Flatten(),
        Affine(np.ones((200, 2)), np.zeros(2)),
    ]


def is_compiled(step):
    return hasattr(step.call, "plan") and bool(step.call.plan().programs)


def test_a_step_that_is_to_be_compiled_is():
    step = TrainStep(small_net(), SoftmaxWithLoss())
    step.compile(True, keeps_bits=False, samples=None)
    x, t = RNG.normal(size=(20, 6)), RNG.integers(0, 3, 20)
    for _ in range(4):
        step(x, t, "here")
    assert is_compiled(step)


@pytest.mark.parametrize(("samples", "pays"), [(100_000, True), (1000, False)])
def test_a_filter_counts_at_each_place(samples, pays, monkeypatch):
    monkeypatch.setattr(train_step, "_WORTH", 6e8)  # the numbers of the net are 422: six times as many would not do
    step = TrainStep(filters(), SoftmaxWithLoss())
    step.compile(None, keeps_bits=False, samples=samples)
    x, t = RNG.normal(size=(5, 1, 10, 10)), RNG.integers(0, 2, 5)
    for _ in range(4):
        step(x, t, "here")
    assert is_compiled(step) == pays


def test_the_counted_step_is_the_first_one():
    x, t = RNG.normal(size=(50, 1, 10, 10)), RNG.integers(0, 2, 50)
    lost = []
    for compiled in (False, None):
        net = filters()
        net[0].W[...] = np.linspace(-1, 1, 18).reshape(2, 1, 3, 3)
        found = fit(
            net, x, t, loss=SoftmaxWithLoss(), optimizer=SGD(0.1), epochs=3, batch=10, seed=1, compiled=compiled
        )
        lost.append(found["loss"])
    np.testing.assert_allclose(*lost, rtol=1e-10)


class Signs:
    """A layer with an operation that nothing stands for, so that its recording is broken off."""

    def forward(self, x):
        self.signs = np.copysign(1.0, x)
        return x * self.signs

    def backward(self, dout):
        return dout * self.signs


@pytest.mark.parametrize("layer", [Relu(), Signs()], ids=["recorded", "broken off"])
@pytest.mark.parametrize(("looked_at", "pays"), [(10**9, True), (0, False)])
def test_what_evaluates_is_compiled_where_that_pays_however_the_first_recording_ends(layer, looked_at, pays):
    net = [*small_net(), layer]
    step = TrainStep(net, SoftmaxWithLoss())
    step.compile(None, keeps_bits=False, samples=10**9, looked_at=looked_at)
    x, t = RNG.normal(size=(20, 6)), RNG.integers(0, 3, 20)
    for _ in range(3):
        step(x, t, "here")
    assert hasattr(step.look, "plan") == pays
    assert float(step.look(x, t)[0]) == pytest.approx(float(step.loss_of(x, t)[0]), rel=1e-12)
