"""Trainings that somebody stops, and a layer that counts in its class."""

import numpy as np
from trained_digits import t, x

from dout.layers import Affine, SoftmaxWithLoss
from dout.train import fit, he


class StopError(BaseException):
    """Somebody pulls the plug."""


class Counting:
    """Its class counts what all its objects do."""

    count = 0

    def forward(self, x):
        type(self).count += 1
        self.scale = 1 + 1 / self.count
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale


def with_layer(layer, folder, epochs, save_every=None):
    layers = [Affine(he(6, 4, generator=np.random.default_rng(0)), np.zeros(4)), layer, Affine(np.eye(4), np.zeros(4))]
    fit(
        layers, x[:50], t[:50], loss=SoftmaxWithLoss(), epochs=epochs, batch=10, seed=3, checkpoint=folder, resume=True,
        save_every=save_every, compiled=False,
    )  # fmt: skip
    return layers
