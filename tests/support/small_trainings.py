"""Three classes that a net of two layers learns in a moment."""

import numpy as np

from dout.layers import Affine, Relu, SoftmaxWithLoss
from dout.train import (
    SGD,
    fit,
)  # fmt: skip

generator = np.random.default_rng(0)
x = generator.standard_normal((120, 4))
t = (x @ generator.standard_normal((4, 3))).argmax(axis=1)


def net(hidden=6):
    rng = np.random.default_rng(1)
    return [
        Affine(rng.standard_normal((4, hidden)), np.zeros(hidden)), Relu(),
        Affine(rng.standard_normal((hidden, 3)), np.zeros(3)),
    ]  # fmt: skip


def trained(layers=None, data=(x, t), **more):
    more = {"loss": SoftmaxWithLoss(), "optimizer": SGD(0.1), "epochs": 3, "batch": 50, "compiled": False, **more}
    layers = net() if layers is None else layers
    return layers, fit(layers, *data, **more)


def arrays(layers):
    return [layers[0].W, layers[0].b, layers[2].W, layers[2].b]
