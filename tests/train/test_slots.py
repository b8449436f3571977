"""Objects with `__slots__` are trained, kept and looked at as those with a dict."""

import numpy as np
import pytest

import dout
from dout.errors import TrainingError, WrongLayersError
from dout.layers import Relu, SoftmaxWithLoss
from dout.run import attributes_of
from dout.train import SGD, fit, predict

GENERATOR = np.random.default_rng(0)
X, T = GENERATOR.normal(size=(40, 3)), GENERATOR.integers(0, 2, 40)
W1, W2 = GENERATOR.normal(size=(3, 4)), GENERATOR.normal(size=(4, 2))


class Dense:
    def __init__(self, W):
        self.W, self.b, self.training = W.copy(), np.zeros(W.shape[1]), True

    def forward(self, x):
        self.x = x
        return (x @ self.W + self.b) * (1.0 if self.training else 2.0)

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Slotted:
    __slots__ = ("W", "b", "dW", "db", "training", "x")
    __init__, forward, backward = Dense.__init__, Dense.forward, Dense.backward


class BelowSlots(Slotted):
    """Its own attributes stand in a dict, and the others in slots."""

    def forward(self, x):
        self.seen = len(x)
        return super().forward(x)


class Net:
    __slots__ = ("parts",)

    def __init__(self, kind):
        self.parts = [kind(W1), Relu(), kind(W2)]

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x

    def backward(self, dout):
        for part in reversed(self.parts):
            dout = part.backward(dout)
        return dout


def trained(net, epochs=3, **how):
    how = {"loss": SoftmaxWithLoss(), "optimizer": SGD(0.3), "batch": 10, "seed": 0, **how}
    return fit(net, X, T, epochs=epochs, **how)["loss"]


@pytest.mark.parametrize("how", [{"compiled": False}, {"compiled": True}, {"check": True}])
@pytest.mark.parametrize("kind", [Slotted, BelowSlots])
def test_a_layer_with_slots_learns_the_same_bits(kind, how):
    nets = [kind(W1), Relu(), kind(W2)], [Dense(W1), Relu(), Dense(W2)]
    assert trained(nets[0], **how) == trained(nets[1], **how)
    assert np.array_equal(nets[0][0].W, nets[1][0].W)


def test_a_net_with_slots_learns_the_same_bits():
    assert trained(Net(Slotted)) == trained(Net(Dense))


def test_a_flag_in_a_slot_is_turned_off_in_an_evaluation():
    layer = Slotted(W1)
    assert np.array_equal(predict([layer], X), 2 * (X @ W1))
    assert layer.training is True


def test_a_training_goes_on_with_the_same_bits(tmp_path):
    whole, parts = ([Slotted(W1), Relu(), Slotted(W2)] for _ in range(2))
    trained(whole)
    trained(parts, epochs=1, checkpoint=tmp_path)
    parts = [Slotted(W1 * 0), Relu(), Slotted(W2 * 0)]
    trained(parts, checkpoint=tmp_path, resume=True)
    assert np.array_equal(parts[0].W, whole[0].W)


class Wrong(Slotted):
    __slots__ = ()

    def backward(self, dout):
        return -super().backward(dout)


def test_its_backward_is_checked_and_the_class_is_as_it_was():
    own = Wrong.backward
    with pytest.raises(WrongLayersError, match="Wrong"):
        trained([Slotted(W1), Wrong(W2)], check=True)
    assert Wrong.backward is own
    assert "forward" not in vars(Wrong)
    assert vars(Slotted)["forward"] is Dense.forward


def test_it_is_named_as_the_first_that_shows_nan():
    broken = X.copy()
    broken[3] = np.nan
    with pytest.raises(TrainingError, match=r"first layer that shows it is Slotted \(net.layers\[0\]\)"):
        fit([Slotted(W1), Slotted(W2)], broken, T, loss=SoftmaxWithLoss())


def test_its_parameters_are_judged_by_a_check():
    report = dout.check(Slotted(W1), X[:5])
    assert report.ok
    assert {verdict.argument for verdict in report.verdicts} == {"x", "W", "b"}


class PassedSlots:
    __slots__ = Slotted.__slots__
    __init__, forward_pass, backward_pass = Dense.__init__, Dense.forward, Dense.backward


def test_slots_and_another_manner_at_once_are_refused_by_name():
    with pytest.raises(TrainingError, match="PassedSlots keeps its attributes in __slots__"):
        trained([PassedSlots(W1[:, :2])])


def test_what_is_written_into_the_attributes_of_an_object_with_slots_reaches_it():
    layer = BelowSlots(W1)
    held = attributes_of(layer)
    assert held.keys() == {"W", "b", "training"}
    held["x"], held["seen"] = 1, 2
    assert (layer.x, layer.seen) == (1, 2)
    assert held.pop("x") == 1
    assert not hasattr(layer, "x")
    del held["seen"]
    assert not hasattr(layer, "seen")
    held.update(x=3, seen=4)
    held.clear()
    assert not attributes_of(layer)
