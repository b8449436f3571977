"""What trains, by a flag, a word or an argument, is exported as it is used, inside a net too, and a note says so."""

import numpy as np
import pytest
from onnx_runs import ran

import dout
from dout.train import Sequential

ROWS = np.random.default_rng(6).normal(size=(6, 4))
USED, TRAINED = ROWS - 0.5, ROWS - ROWS.mean(axis=0)


class ByArgument:
    """It centres a batch by that batch while it trains, and by what it gathered while it is used."""

    def __init__(self):
        self.centre = np.full(4, 0.5)

    def forward(self, x, train_flg=True):
        return x - (x.mean(axis=0) if train_flg else self.centre)

    def backward(self, dout):
        return dout


class ByMode(ByArgument):
    def forward(self, x, train_mode=True):
        return super().forward(x, train_mode)


class ByWord(ByArgument):
    def forward(self, x, mode="train"):
        return super().forward(x, mode == "train")


class ByEvaluation(ByArgument):
    def forward(self, x, eval_mode=False):
        return super().forward(x, not eval_mode)


class ByNecessity(ByArgument):
    def forward(self, x, training):
        return super().forward(x, training)


class ByFlag(ByArgument):
    def __init__(self):
        super().__init__()
        self.train_mode = True

    def forward(self, x):
        return super().forward(x, self.train_mode)


class Drop:
    def __init__(self):
        self.random = np.random.default_rng(0)

    def forward(self, x, train_flg=True):
        return x * (self.random.random(x.shape) > 0.5) * 2 if train_flg else x

    def backward(self, dout):
        return dout


class Outer:
    """A net of the user's own, which knows of no flags."""

    def __init__(self, *parts):
        self.parts = parts

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x


class Handing(Outer):
    """One that hands its own flag on, by place."""

    def forward(self, x, train_flg=True):
        for part in self.parts:
            x = part.forward(x, train_flg)
        return x


ALONE = [ByArgument, ByMode, ByWord, ByEvaluation, ByNecessity, ByFlag]


def is_as_used(target):
    model = dout.export(target, None, ROWS)
    np.testing.assert_allclose(ran(model.content, ROWS)[0], USED, rtol=1e-12)
    assert any("exported as it is used" in note for note in model.notes)
    assert "batch" in model.lines[0]


@pytest.mark.parametrize("cls", ALONE)
def test_a_layer_is_exported_as_it_is_used(cls):
    is_as_used(cls())
    is_as_used(cls().forward)


@pytest.mark.parametrize("cls", [cls for cls in ALONE if cls is not ByNecessity])
def test_a_layer_inside_a_net_is_exported_as_it_is_used(cls):
    layer = cls()
    for net in (Outer(layer), Sequential(layer), [layer]):
        is_as_used(net)
    assert vars(layer).keys() == vars(cls()).keys()
    np.testing.assert_array_equal(layer.forward(ROWS), TRAINED)


def test_a_flag_that_is_handed_on_by_place_stays():
    is_as_used(Handing(ByArgument()))


def test_dropout_inside_a_net_hands_on():
    for net in (Outer(Drop(), ByArgument()), Sequential(Drop(), ByArgument()), [Drop(), ByArgument()]):
        is_as_used(net)


def test_a_flag_that_is_given_is_taken():
    model = dout.export(ByArgument(), None, ROWS, train_flg=True)
    np.testing.assert_allclose(ran(model.content, ROWS)[0], TRAINED, rtol=1e-12, atol=1e-12)


NET = Outer(ByArgument())


def through_its_module(x):
    return NET.forward(x)


def test_a_net_that_a_function_reads_is_exported_as_it_is_used():
    net = ByFlag()
    is_as_used(through_its_module)
    is_as_used(lambda x: net.forward(x))
    assert net.train_mode is True
    np.testing.assert_array_equal(NET.forward(ROWS), TRAINED)
