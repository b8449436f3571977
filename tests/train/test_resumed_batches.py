"""Batches that an iterator makes go on where they were, or are refused if they cannot."""

import os
from contextlib import suppress

import numpy as np
import pytest
from stopped_trainings import StopError
from trained_digits import t, x

from dout.errors import CheckpointError
from dout.layers import Affine, SoftmaxWithLoss
from dout.train import fit, he


def drawing_batches(rng):
    def batches():
        for _ in range(4):
            chosen = rng.permutation(len(x))[:20]
            yield x[chosen], t[chosen]

    return batches


def on_batches(batches, folder, epochs, stop=None):
    layers = [Affine(he(6, 3, generator=np.random.default_rng(0)), np.zeros(3))]

    def share(scores, t):
        share.steps += 1
        if share.steps == stop:
            raise StopError
        return 0.0

    share.steps = 0
    with suppress(StopError):
        fit(layers, batches, loss=SoftmaxWithLoss(), epochs=epochs, seed=3, checkpoint=folder, resume=True,
            save_every=1, metrics=[share], compiled=False)  # fmt: skip
    return layers


@pytest.mark.one_in(2)
@pytest.mark.parametrize("stop", [None, 2, 5, 7])
def test_the_generator_of_an_iterator_goes_on(stop, tmp_path):
    whole = on_batches(drawing_batches(np.random.default_rng(8)), tmp_path / "whole", 3)
    on_batches(drawing_batches(np.random.default_rng(8)), tmp_path / "parts", 1 if stop is None else 3, stop)
    parts = on_batches(drawing_batches(np.random.default_rng(99)), tmp_path / "parts", 3)
    assert np.array_equal(parts[0].W, whole[0].W)


def test_batches_that_cannot_be_made_again_are_refused(tmp_path):
    def batches():
        rng = np.random.default_rng(int.from_bytes(os.urandom(4)))
        for _ in range(4):
            chosen = rng.permutation(len(x))[:20]
            yield x[chosen], t[chosen]

    on_batches(batches, tmp_path, 3, 6)
    with pytest.raises(CheckpointError, match="batch 1 of epoch 2 is another one than before the stop: let the data"):
        on_batches(batches, tmp_path, 3)


class Bags:
    """The mean of each bag of vectors, times a matrix."""

    def __init__(self):
        self.W = np.ones((3, 2))

    def forward(self, bags):
        self.means = np.stack([np.asarray(bag).mean(axis=0) for bag in bags])
        return self.means @ self.W

    def backward(self, dout):
        self.dW = self.means.T @ dout


def bags_of(seed, stop=None):
    made = 0

    def batches():
        nonlocal made
        rng = np.random.default_rng(seed)
        for _ in range(4):
            made += 1
            if made == stop:
                raise StopError
            bags = np.empty(2, object)
            bags[:] = [rng.standard_normal((n, 3)) for n in (2, 4)]
            yield bags, np.array([0, 1])

    return batches


def test_batches_of_object_arrays_are_told_apart_by_what_is_in_them(tmp_path):
    how = {"loss": SoftmaxWithLoss(), "epochs": 3, "seed": 0, "compiled": False}
    with pytest.raises(StopError):
        fit(Bags(), bags_of(0, stop=7), checkpoint=tmp_path, save_every=1, **how)
    with pytest.raises(CheckpointError, match="is another one than before the stop"):
        fit(Bags(), bags_of(1), checkpoint=tmp_path, resume=True, **how)
    whole, parts = Bags(), Bags()
    fit(whole, bags_of(0), **how)
    fit(parts, bags_of(0), checkpoint=tmp_path, resume=True, **how)
    assert np.array_equal(parts.W, whole.W)
