"""fit, predict and find_rate: the user's data stays as it is, and each number that is trained is the right one."""

import numpy as np
import pytest

from dout.layers import SoftmaxWithLoss
from dout.train import SGD, evaluate, find_rate, fit, predict

rng = np.random.default_rng(0)
x = rng.standard_normal((20, 4))
t = rng.integers(0, 3, 20)


class Dense:
    """Keeps what it was given, and the gradient of that, as many layers do."""

    def __init__(self, inputs=4, outputs=3):
        self.W = np.random.default_rng(1).standard_normal((inputs, outputs))
        self.b = np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db, self.dx = self.x.T @ dout, dout.sum(axis=0), dout @ self.W.T
        return self.dx


class Squares:
    """A loss that keeps its target, and a gradient of that."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return np.mean((y - t) ** 2)

    def backward(self, dout=1.0):
        self.dy = 2 * (self.y - self.t) / self.t.size
        self.dt = -self.dy
        return self.dy


class CutsInPlace:
    """Writes into what it is given."""

    def forward(self, x):
        x[x < 0] = 0
        return x

    def backward(self, dout):
        return dout


# --- the data is the user's -------------------------------------------------------------------------------------------


def test_one_batch_given_again_and_again_is_not_learned():
    mine, targets = x.copy(), rng.standard_normal((20, 3))
    kept = targets.copy()
    for data in ([(mine, targets)], lambda: iter([(mine, targets)])):
        history = fit([Dense()], data, loss=Squares(), optimizer=SGD(0.1), epochs=5, validation=(mine, targets))
        assert history["loss"][-1] < history["loss"][0]
        find_rate([Dense()], data, loss=Squares())
    assert np.array_equal(mine, x)
    assert np.array_equal(targets, kept)


def test_a_kept_batch_is_no_parameter():
    from dout.train.nets.train_step import TrainStep

    step = TrainStep([Dense()], Squares())
    targets = rng.standard_normal((20, 3))
    for _ in range(2):
        step(x, targets, "")
    assert sorted(step.registry.parameters) == ["net.layers[0].W", "net.layers[0].b"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_layer_that_writes_into_its_input_leaves_the_data(shuffle):
    mine, seen = x.copy(), x.copy()
    net = [CutsInPlace(), Dense()]
    fit(net, mine, t, loss=SoftmaxWithLoss(), validation=(seen, t), epochs=1, shuffle=shuffle)
    fit(net, [(mine, t)], loss=SoftmaxWithLoss(), epochs=1)
    predict(net, mine)
    evaluate(net, mine, t, loss=SoftmaxWithLoss())
    assert np.array_equal(mine, x)
    assert np.array_equal(seen, x)


# --- a net that is used is not in training ----------------------------------------------------------------------------


class Noisy:
    """Doubles while it trains; which of these says so is what each case below sets."""

    def __init__(self, **held):
        vars(self).update(held)

    def forward(self, x):
        return x * 2 if self.trains() else x

    def backward(self, dout):
        return dout * 2


def by(trains, **held):
    return type("By", (Noisy,), {"trains": trains})(**held)


class ByArgument(Noisy):
    def forward(self, x, mode="train"):
        if mode not in ("train", "test"):
            raise ValueError(mode)
        return x * 2 if mode == "train" else x


class ByRequiredArgument(Noisy):
    def forward(self, x, train_flg):
        return x * 2 if train_flg else x


class ByMethods(Noisy):
    def __init__(self):
        self._loud = True

    def train(self):
        self._loud = True

    def eval(self):
        self._loud = False

    def forward(self, x):
        return x * 2 if self._loud else x


class ByClass(Noisy):
    training = True

    def trains(self):
        return self.training


class ByPosition:
    """Hands its own flag on by position, as the book's networks do."""

    def __init__(self):
        self.inner = ByRequiredArgument()

    def predict(self, x, train_flg=True):
        return self.inner.forward(x, train_flg)


@pytest.mark.parametrize(
    "layer",
    [
        by(lambda self: self.training, training=True), by(lambda self: self.training, training=1),
        by(lambda self: self.train_mode, train_mode=True), by(lambda self: not self.eval_mode, eval_mode=False),
        by(lambda self: self.mode == "train", mode="train"), ByArgument(), ByRequiredArgument(), ByMethods(), ByClass(),
        ByPosition(),
    ],
)  # fmt: skip
def test_a_net_that_is_used_is_told(layer):
    held = dict(vars(layer))
    net = layer if hasattr(layer, "predict") else [layer]
    assert np.array_equal(predict(net, x), x)
    assert vars(layer) == held  # and it trains again


def test_a_flag_that_the_net_hands_on_by_position_is_its_own_word():
    class Loud(ByPosition):
        def forward(self, x):
            return self.inner.forward(x, True)

        predict = forward

    assert np.array_equal(predict(Loud(), x), 2 * x)
