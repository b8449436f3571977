"""Embedding: rows of a table, picked by their numbers."""

import numpy as np


class Embedding:
    """W[index]: W has shape (V, D), index (N,) holds row numbers, and may hold one twice."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, index):
        self.index = index
        return self.W[index]

    def backward(self, dout):
        """Return None, as row numbers have no gradient, and set self.dW, that of W."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(24).normal
    return {"init": {"W": draw(size=(5, 4))}, "inputs": {"index": np.array([1, 0, 3, 1])}}
