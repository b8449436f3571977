"""Scaled dot-product attention, of one head."""

import numpy as np


class Attention:
    """a @ v, with a = softmax(q @ kᵀ / sqrt(D)) along rows: q has shape (N, D), k (M, D), v (M, E), a (N, M)."""

    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        scores = q @ k.T / np.sqrt(q.shape[1])
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.a = e / e.sum(axis=1, keepdims=True)
        return self.a @ v

    def backward(self, dout):
        """Return the gradients of q, k and v."""
        raise NotImplementedError


def dout_example():
    """Numbers of the right shapes, to try it on."""
    draw = np.random.default_rng(30).normal
    return {"inputs": {"q": draw(size=(3, 4)), "k": draw(size=(5, 4)), "v": draw(size=(5, 2))}}
