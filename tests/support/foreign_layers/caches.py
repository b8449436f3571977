"""Forward also returns a cache."""

import numpy as np


class CachedLinear:
    def forward(self, x, w, b):
        out = x @ w + b
        cache = (x, w)
        return out, cache

    def backward(self, dout, cache):
        x, w = cache
        dx = dout @ w.T
        dw = x.T @ dout
        db = dout.sum(axis=0)
        return dx, dw, db


class FillsGrads:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.random.randn(n_out)

    def forward(self, x):
        z = x @ self.W + self.b
        return np.tanh(z), z

    def backward(self, x, cache, dout, grads):
        dz = dout * (1 - np.tanh(cache) ** 2)
        grads["W"] = x.T @ dz
        grads["b"] = dz.sum(axis=0)
        return dz @ self.W.T
