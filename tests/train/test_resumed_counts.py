"""What a net counts in classes, modules and closures goes on."""

import numpy as np
import pytest
from stopped_trainings import Counting, with_layer
from trained_digits import t, x

from dout.layers import Affine, SoftmaxWithLoss
from dout.train import fit, he

TURNS = 0


def counting_closure():
    turns = 0

    def turned():
        nonlocal turns
        turns += 1
        return turns

    return turned


class CountingAround:
    """It counts in a global of the module, and in a closure."""

    def __init__(self):
        self.turned = counting_closure()

    def forward(self, x):
        global TURNS
        TURNS += 1
        self.scale = 1 + 1 / TURNS + 1 / self.turned()
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale


def start_anew(kind):
    global TURNS
    TURNS, Counting.count = 0, 0
    return kind()


@pytest.mark.parametrize("kind", [Counting, CountingAround])
def test_numbers_in_classes_modules_and_closures_go_on(kind, tmp_path):
    whole = with_layer(start_anew(kind), tmp_path / "whole", 3, 2)
    with_layer(start_anew(kind), tmp_path / "parts", 1, 2)
    parts = with_layer(start_anew(kind), tmp_path / "parts", 3, 2)
    assert np.array_equal(parts[0].W, whole[0].W)


def counting(module, every):
    class Counting(Affine):
        count = 0

        def forward(self, x):
            type(self).count += 1
            return super().forward(x) * (1 + 0.1 * (type(self).count % every))

    Counting.__module__ = module
    return Counting


def test_classes_of_one_name_in_two_modules_count_apart(tmp_path):
    kinds = counting("one", 3), counting("two", 4)

    def through(epochs, **how):
        kinds[0].count, kinds[1].count = 0, 2
        layers = [kinds[0](np.eye(6), np.zeros(6)), kinds[1](he(6, 3, generator=np.random.default_rng(0)), np.zeros(3))]
        fit(layers, x[:, :6], t % 3, loss=SoftmaxWithLoss(), epochs=epochs, batch=7, seed=0, compiled=False, **how)
        return layers[1].W

    whole = through(4, checkpoint=tmp_path / "whole")
    through(2, checkpoint=tmp_path / "parts")
    assert np.array_equal(through(4, checkpoint=tmp_path / "parts", resume=True), whole)
