"""A net is told when it is used and not trained, in whatever way it says that it trains."""

import numpy as np
import pytest
from keeping_layers import x

from dout.train import predict

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
    assert held.items() <= vars(layer).items()  # and it trains again


def test_a_flag_that_the_net_hands_on_by_position_is_its_own_word():
    class Loud(ByPosition):
        def forward(self, x):
            return self.inner.forward(x, True)

        predict = forward

    assert np.array_equal(predict(Loud(), x), 2 * x)
