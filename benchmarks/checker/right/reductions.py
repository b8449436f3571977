"""Layers that make one number of many."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class SumAxis:
    """The sum along one axis."""

    def __init__(self, axis=1):
        self.axis = axis

    def forward(self, x):
        self.shape = x.shape
        return np.sum(x, axis=self.axis)

    def backward(self, dout):
        dx = np.expand_dims(dout, self.axis)
        return np.broadcast_to(dx, self.shape).copy()


class SumBatch:
    """The sum over the batch: backward repeats."""

    def forward(self, x):
        self.n = x.shape[0]
        return np.sum(x, axis=0, keepdims=True)

    def backward(self, dout):
        return np.repeat(dout, self.n, axis=0)


class MeanAll:
    """One mean of everything."""

    def forward(self, x):
        self.x = x
        return x.mean()

    def backward(self, dout):
        return np.ones_like(self.x) * dout / self.x.size


class MeanAxis:
    """The mean of each row, kept as a column."""

    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=1, keepdims=True)

    def backward(self, dout):
        _, d = self.shape
        return np.tile(dout / d, (1, d))


class MaxAxis:
    """The greatest of each row; the first of equals takes the gradient."""

    def forward(self, x):
        self.shape = x.shape
        self.arg = x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dtype=dout.dtype)
        dx[np.arange(self.shape[0]), self.arg] = dout
        return dx


class MaxShared:
    """The greatest of each row; equals share the gradient."""

    def forward(self, x):
        out = x.max(axis=1, keepdims=True)
        self.mask = x == out
        return out

    def backward(self, dout):
        count = self.mask.sum(axis=1, keepdims=True).astype(dout.dtype)
        return self.mask * (dout / count)


class MinAxis:
    """The least along the last axis, by put_along_axis."""

    def forward(self, x):
        self.like = np.zeros_like(x)
        self.arg = np.expand_dims(x.argmin(axis=-1), -1)
        return np.take_along_axis(x, self.arg, axis=-1)

    def backward(self, dout):
        dx = self.like.copy()
        np.put_along_axis(dx, self.arg, dout, axis=-1)
        return dx


class LogSumExp:
    """log of the sum of exponentials of each row."""

    def forward(self, x):
        top = np.max(x, axis=1, keepdims=True)
        e = np.exp(x - top)
        total = np.sum(e, axis=1, keepdims=True)
        self.softmax = e / total
        return top + np.log(total)

    def backward(self, dout):
        return dout * self.softmax


class Norm:
    """The length of each row; a row of zeros has the gradient 0."""

    def forward(self, x):
        self.x = x
        self.norm = np.sqrt(np.sum(x**2, axis=1))
        return self.norm.copy()

    def backward(self, dout):
        safe = np.where(self.norm > 0, self.norm, 1)
        return self.x * (dout / safe)[:, None]


class Variance:
    """The variance of each column."""

    def forward(self, x):
        self.centred = x - x.mean(axis=0)
        return (self.centred**2).mean(axis=0)

    def backward(self, dout):
        n = self.centred.shape[0]
        return 2 * self.centred * dout / n


class Std:
    """The standard deviation of each row, with a stabiliser."""

    def forward(self, x):
        self.centred = x - np.mean(x, axis=1, keepdims=True)
        self.std = np.sqrt(np.mean(self.centred**2, axis=1, keepdims=True) + 1e-8)
        return self.std[:, 0].copy()

    def backward(self, dout):
        d = self.centred.shape[1]
        return dout[:, np.newaxis] * self.centred / (d * self.std)


class WeightedMean:
    """The mean of each row under positive learned weights."""

    def __init__(self, w):
        self.params = [w]
        self.grads = [np.zeros_like(w)]

    def forward(self, x):
        (w,) = self.params
        self.x = x
        self.total = w.sum()
        self.mean = x @ w / self.total
        return self.mean.copy()

    def backward(self, dout):
        (w,) = self.params
        self.grads[0][...] = dout @ (self.x - self.mean[:, None]) / self.total
        return np.outer(dout, w) / self.total


class CumSum:
    """The running sum along a row."""

    def forward(self, x):
        return np.cumsum(x, axis=1)

    def backward(self, dout):
        return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1].copy()


class SquaredSum:
    """Half the sum of squares, weighed: weight decay as a layer."""

    def __init__(self, decay=0.3):
        self.decay = decay

    def forward(self, x):
        self.x = x
        return 0.5 * self.decay * np.sum(x * x)

    def backward(self, dout):
        return self.decay * self.x * dout


class RowDistance:
    """The distance between each row of x and of y."""

    def forward(self, x, y):
        self.diff = x - y
        self.dist = np.sqrt((self.diff * self.diff).sum(axis=1, keepdims=True) + 1e-12)
        return self.dist.reshape(-1).copy()

    def backward(self, dout):
        dx = dout.reshape(-1, 1) * self.diff / self.dist
        return dx, -dx
