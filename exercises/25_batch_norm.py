"""Batch normalization, in training."""

import numpy as np


class BatchNorm:
    """y = gamma · (x − mean) / std + beta: x has shape (N, D), gamma and beta (D,).

    Mean and std = sqrt(variance + 1e-7) are those of a column: they have shape (D,). `normed` is (x − mean) / std.
    """

    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta
        self.dgamma, self.dbeta = None, None

    def forward(self, x):
        centred = x - x.mean(axis=0)
        self.std = np.sqrt((centred**2).mean(axis=0) + 1e-7)
        self.normed = centred / self.std
        return self.gamma * self.normed + self.beta

    def backward(self, dout):
        """Return the gradient of x, and set self.dgamma and self.dbeta."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(25).normal
    return {"init": {"gamma": draw(size=4), "beta": draw(size=4)}, "inputs": {"x": draw(size=(3, 4))}}
