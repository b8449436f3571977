"""Layers that average what others sum, losses with the constants that people choose, and what a report says of them."""

import numpy as np


def formula(report):
    """The findings about the formula, by code; that a target has no gradient is no matter here."""
    return {f.code: f for f in report.findings if f.code.startswith("D1") and f.argument != "t"}


class Affine:
    """Right; the others change a gradient of it."""

    def __init__(self):
        generator = np.random.default_rng(1)
        self.W, self.b = generator.normal(size=(4, 2)), generator.normal(size=2)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Averaged(Affine):
    def backward(self, dout):
        n = len(self.x)
        self.dW = self.x.T @ dout / n
        self.db = dout.sum(axis=0) / n
        return dout @ self.W.T


class Columns:
    """Samples are columns."""

    def __init__(self):
        self.W = np.random.default_rng(2).normal(size=(2, 4))

    def forward(self, x):
        self.x = x
        return self.W @ x

    def backward(self, dout):
        self.dW = dout @ self.x.T / self.x.shape[1]
        return self.W.T @ dout


class Decayed(Affine):
    """Weight decay in the layer's own backward."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW += 0.125 * self.W
        return dx
