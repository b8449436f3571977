"""Losses: one number at the end, and the gradient that starts it all."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


def sigmoid(x):
    """1 / (1 + exp(-x)), with exp of negative numbers alone."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


class SigmoidWithLoss:
    """Sigmoid and binary cross entropy, straight from the logits."""

    def __init__(self):
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = sigmoid(x)
        losses = np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))
        return np.mean(losses)

    def backward(self, dout=1):
        dx = (self.y - self.t) * dout / self.y.size
        return dx


class BinaryCrossEntropy:
    """Binary cross entropy of probabilities, with a stabiliser in the logarithms."""

    def forward(self, y, t):
        self.y, self.t = y, t
        self.a = y + 1e-7
        self.b = 1 - y + 1e-7
        return -np.sum(t * np.log(self.a) + (1 - t) * np.log(self.b)) / y.shape[0]

    def backward(self, dout=1):
        dy = (1 - self.t) / self.b - self.t / self.a
        return dout * dy / self.y.shape[0]


class NegativeLogLikelihood:
    """-log of the probability of the label, with a stabiliser."""

    def forward(self, y, t):
        self.t = t
        self.shape = y.shape
        self.picked = y[np.arange(len(t)), t] + 1e-7
        return -np.log(self.picked).mean()

    def backward(self, dout=1):
        n = self.shape[0]
        dy = np.zeros(self.shape, dtype=self.picked.dtype)
        dy[np.arange(n), self.t] = -dout / (self.picked * n)
        return dy


class MeanSquaredError:
    """The mean of the squares."""

    def forward(self, y, t):
        self.diff = y - t
        return np.mean(self.diff**2)

    def backward(self, dout=1):
        return dout * 2 * self.diff / self.diff.size


class SumSquaredError:
    """Half the sum of the squares, of two predictions that both learn."""

    def forward(self, x, y):
        self.diff = x - y
        return 0.5 * np.sum(self.diff * self.diff)

    def backward(self, dout=1):
        dx = dout * self.diff
        return dx, -dx


class MeanAbsoluteError:
    """The mean of the absolute differences."""

    def forward(self, y, t):
        self.diff = y - t
        return np.abs(self.diff).mean()

    def backward(self, dout=1):
        return np.sign(self.diff) * dout / self.diff.size


class Huber:
    """Squares near 0, straight lines far from it."""

    def __init__(self, delta=0.7):
        self.delta = delta

    def forward(self, y, t):
        self.diff = y - t
        size = np.abs(self.diff)
        near = 0.5 * self.diff**2
        far = self.delta * (size - 0.5 * self.delta)
        return np.where(size <= self.delta, near, far).mean()

    def backward(self, dout=1):
        slope = np.clip(self.diff, -self.delta, self.delta)
        return slope * dout / self.diff.shape[0] / self.diff.shape[1]


class LogCosh:
    """log cosh of the difference, without overflow."""

    def forward(self, y, t):
        self.d = y - t
        size = np.abs(self.d)
        return np.sum(size + np.log1p(np.exp(-2 * size)) - 0.6931471805599453)

    def backward(self, dout=1):
        return dout * np.tanh(self.d)


class MulticlassHinge:
    """The margin loss of a support vector machine, summed over the wrong classes."""

    def forward(self, x, t):
        n = x.shape[0]
        rows = np.arange(n)
        margins = np.maximum(0, x - x[rows, t][:, None] + 1)
        margins[rows, t] = 0
        self.margins = margins
        self.t = t
        return margins.sum() / n

    def backward(self, dout=1):
        n = len(self.t)
        dx = (self.margins > 0).astype(self.margins.dtype)
        dx[np.arange(n), self.t] = -dx.sum(axis=1)
        return dx * (dout / n)


class BinaryHinge:
    """max(0, 1 - t x), labels -1 and 1."""

    def forward(self, x, t):
        self.t = t
        margin = 1 - t * x
        self.active = margin > 0
        return np.mean(np.maximum(margin, 0))

    def backward(self, dout=1):
        return np.where(self.active, -self.t, 0) * dout / self.t.size


class KullbackLeibler:
    """sum p log(p / q) for each row, of two distributions that both learn."""

    def forward(self, p, q):
        self.p = p
        self.q = q
        return np.sum(p * (np.log(p) - np.log(q)), axis=1)

    def backward(self, dout):
        d = dout[:, None]
        dp = d * (np.log(self.p) - np.log(self.q) + 1)
        dq = -d * self.p / self.q
        return dp, dq


class PoissonLoss:
    """exp(x) - t x: counts by a log rate."""

    def forward(self, x, t):
        self.rate = np.exp(x)
        self.t = t.astype(x.dtype)
        return np.mean(self.rate - self.t * x)

    def backward(self, dout=1):
        return dout * (self.rate - self.t) / self.t.size


class CosineLoss:
    """1 - cosine of the angle between each row of x and of y."""

    def forward(self, x, y):
        x_norm = np.sqrt((x**2).sum(axis=1, keepdims=True) + 1e-8)
        y_norm = np.sqrt((y**2).sum(axis=1, keepdims=True) + 1e-8)
        u, v = x / x_norm, y / y_norm
        cosine = (u * v).sum(axis=1, keepdims=True)
        self.cache = u, v, x_norm, y_norm, cosine
        return (1 - cosine).mean()

    def backward(self, dout=1):
        u, v, x_norm, y_norm, cosine = self.cache
        d = -dout / cosine.size
        dx = d * (v - cosine * u) / x_norm
        dy = d * (u - cosine * v) / y_norm
        return dx, dy


class FocalLoss:
    """Binary focal loss with gamma 2, from the logits; labels -1 and 1."""

    def forward(self, x, t):
        z = t * x
        self.t = t
        self.p = sigmoid(z)
        self.log_p = np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))
        return -np.sum((1 - self.p) ** 2 * self.log_p)

    def backward(self, dout=1):
        q = 1 - self.p
        dz = 2 * q * self.p * q * self.log_p - q**3
        return dout * self.t * dz


class EmbeddingDotLoss:
    """Binary cross entropy of the products of the rows of two inputs: one step of negative sampling."""

    def forward(self, h, w, t):
        score = np.sum(h * w, axis=1)
        self.h, self.w = h, w
        self.delta = sigmoid(score) - t
        return np.sum(np.logaddexp(0, score) - t * score)

    def backward(self, dout=1):
        delta = dout * self.delta.reshape(-1, 1)
        return delta * self.w, delta * self.h
