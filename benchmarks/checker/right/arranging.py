"""Layers that move, pick, join and drop."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class Flatten:
    """Everything but the batch in one row."""

    def __init__(self):
        self.shape = None

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1).copy()

    def backward(self, dout):
        return dout.reshape(self.shape).copy()


class Permute:
    """The axes in another order."""

    def __init__(self, order=(0, 2, 3, 1)):
        self.order = order

    def forward(self, x):
        return np.ascontiguousarray(x.transpose(self.order)) * 1

    def backward(self, dout):
        return dout.transpose(np.argsort(self.order)) * 1


class Concat:
    """Two inputs side by side."""

    def forward(self, x, y):
        self.split = x.shape[1]
        return np.hstack((x, y))

    def backward(self, dout):
        dx = dout[:, : self.split].copy()
        dy = dout[:, self.split :].copy()
        return dx, dy


class Stack:
    """Two inputs on a new axis."""

    def forward(self, x, y):
        return np.stack([x, y], axis=1)

    def backward(self, dout):
        return dout[:, 0].copy(), dout[:, 1].copy()


class Shift:
    """The difference of neighbours along a row."""

    def forward(self, x):
        self.shape = x.shape
        return x[:, 1:] - x[:, :-1]

    def backward(self, dout):
        dx = np.zeros(self.shape, dtype=dout.dtype)
        dx[:, 1:] += dout
        dx[:, :-1] -= dout
        return dx


class Reverse:
    """A row from right to left."""

    def forward(self, x):
        return x[:, ::-1].copy()

    def backward(self, dout):
        return np.flip(dout, axis=1).copy()


class Embedding:
    """Rows of W by number; a row used twice gets both gradients."""

    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        out = W[idx]
        return out

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)


class EmbeddingByLoop:
    """Rows of W by number, added up one by one."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, idx):
        self.idx = idx
        return np.take(self.W, idx, axis=0)

    def backward(self, dout):
        dW = np.zeros_like(self.W)
        for row, word in enumerate(self.idx):
            dW[word] += dout[row]
        self.dW = dW


class EmbeddingDot:
    """The product of h with the row of each target word."""

    def __init__(self, W):
        self.W = W
        self.cache = None

    def forward(self, h, idx):
        target = self.W[idx]
        out = np.sum(target * h, axis=1)
        self.cache = (h, target, idx)
        return out

    def backward(self, dout):
        h, target, idx = self.cache
        dout = dout.reshape(dout.shape[0], 1)
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, idx, dout * h)
        dh = dout * target
        return dh


class PositionalBias:
    """A learned vector for each step of a sequence."""

    def __init__(self, P):
        self.P = P
        self.dP = np.zeros_like(P)

    def forward(self, x):
        self.steps = x.shape[1]
        return x + self.P[: self.steps]

    def backward(self, dout):
        self.dP.fill(0)
        self.dP[: self.steps] = dout.sum(axis=0)
        return dout.copy()


class Dropout:
    """Some of x, the rest 0; the generator has a seed."""

    def __init__(self, ratio=0.4, seed=3):
        self.ratio = ratio
        self.rng = np.random.default_rng(seed)
        self.mask = None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = self.rng.random(x.shape) > self.ratio
            return x * self.mask
        return x * (1.0 - self.ratio)

    def backward(self, dout):
        return dout * self.mask


class InvertedDropout:
    """Some of x, enlarged so that the mean stays."""

    def __init__(self, keep=0.7, seed=5):
        self.keep = keep
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        kept = self.rng.random(x.shape) < self.keep
        self.scale = kept.astype(x.dtype) / self.keep
        return x * self.scale

    def backward(self, dout):
        dx = dout * self.scale
        return dx


class SpatialDropout:
    """Whole channels fall out."""

    def __init__(self, ratio=0.3, seed=11):
        self.ratio = ratio
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        drawn = self.rng.uniform(size=x.shape[:2])
        self.kept = (drawn >= self.ratio)[:, :, None, None]
        return np.where(self.kept, x / (1 - self.ratio), 0)

    def backward(self, dout):
        return np.where(self.kept, dout / (1 - self.ratio), 0)


class MultiplicativeNoise:
    """x times numbers drawn around 1."""

    def __init__(self, sigma=0.2, seed=7):
        self.sigma = sigma
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        noise = self.rng.normal(1.0, self.sigma, x.shape)
        self.noise = noise.astype(x.dtype)
        return x * self.noise

    def backward(self, dout):
        return dout * self.noise
