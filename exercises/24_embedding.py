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
