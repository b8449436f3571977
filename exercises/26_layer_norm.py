"""Layer normalization: each row by itself."""

import numpy as np


class LayerNorm:
    """y = gamma · (x − mean) / std + beta: x has shape (N, D), gamma and beta (D,).

    Mean and std = sqrt(variance + 1e-7) are those of a row: they have shape (N, 1). `normed` is (x − mean) / std.
    """

    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta
        self.dgamma, self.dbeta = None, None

    def forward(self, x):
        centred = x - x.mean(axis=1, keepdims=True)
        self.std = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-7)
        self.normed = centred / self.std
        return self.gamma * self.normed + self.beta

    def backward(self, dout):
        """Return the gradient of x, and set self.dgamma and self.dbeta."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(26).normal
    return {"init": {"gamma": draw(size=5), "beta": draw(size=5)}, "inputs": {"x": draw(size=(3, 5))}}
