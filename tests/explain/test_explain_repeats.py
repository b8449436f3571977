"""An explanation is the same each time, also of what draws random numbers."""

import numpy as np

import dout

GENERATOR = np.random.default_rng(0)


class Dropped:
    def __init__(self, ratio=0.5):
        self.ratio = ratio

    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > self.ratio  # noqa: NPY002 - as people draw
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Shaken(Dropped):
    def forward(self, x):
        self.mask = GENERATOR.random(x.shape)
        return x * self.mask


def test_two_explanations_of_what_draws_have_the_same_numbers(tmp_path):
    for layer in (Dropped, Shaken):
        texts = []
        for name in ("one.json", "two.json"):
            dout.explain(layer).save(tmp_path / name)
            texts.append((tmp_path / name).read_text())
        assert texts[0] == texts[1]
