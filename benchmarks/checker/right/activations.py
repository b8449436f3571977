"""Activations with a bend: what ReLU became."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class Relu:
    """max(x, 0), with a boolean mask."""

    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class ReluByMaximum:
    """max(x, 0), with the mask multiplied."""

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout * (self.x > 0)


class LeakyRelu:
    """A small slope where x is negative."""

    def __init__(self, alpha=0.1):
        self.alpha = alpha
        self.mask = None

    def forward(self, x):
        self.mask = x < 0
        return np.where(self.mask, self.alpha * x, x)

    def backward(self, dout):
        dx = np.where(self.mask, self.alpha * dout, dout)
        return dx


class Prelu:
    """A slope of its own for each channel, learned."""

    def __init__(self, alpha):
        self.alpha = alpha
        self.dalpha = None

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0) + self.alpha * np.minimum(x, 0)

    def backward(self, dout):
        x = self.x
        self.dalpha = np.sum(dout * np.minimum(x, 0), axis=0)
        return dout * np.where(x > 0, 1, self.alpha)


class Elu:
    """exp(x) - 1 where x is negative."""

    def __init__(self, alpha=1.5):
        self.alpha = alpha

    def forward(self, x):
        low = self.alpha * np.expm1(np.minimum(x, 0))
        self.slope = np.where(x > 0, 1, low + self.alpha)
        return np.where(x > 0, x, low)

    def backward(self, dout):
        return dout * self.slope


class Selu:
    """The self-normalising unit, by loop over the two branches."""

    ALPHA = 1.6732632423543772
    SCALE = 1.0507009873554805

    def forward(self, x):
        self.positive = x > 0
        self.exp = np.exp(np.minimum(x, 0))
        out = self.SCALE * self.ALPHA * np.expm1(np.minimum(x, 0))
        out[self.positive] = self.SCALE * x[self.positive]
        return out

    def backward(self, dout):
        dx = self.SCALE * self.ALPHA * self.exp * dout
        dx[self.positive] = self.SCALE * dout[self.positive]
        return dx


class HardSigmoid:
    """A straight line between 0 and 1."""

    def forward(self, x):
        line = 0.2 * x + 0.5
        self.inside = (line > 0) & (line < 1)
        return np.clip(line, 0, 1)

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[self.inside] = 0.2 * dout[self.inside]
        return dx


class HardTanh:
    """x between -1 and 1, and the nearer end elsewhere."""

    def forward(self, x):
        self.mask = (x < -1) | (x > 1)
        return np.minimum(np.maximum(x, -1), 1)

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class HardSwish:
    """x times a hard sigmoid, as small networks use it."""

    def forward(self, x):
        self.x = x
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, dout):
        x = self.x
        gate = np.clip(x + 3, 0, 6) / 6
        inside = (x > -3) & (x < 3)
        dx = dout * gate + dout * inside * x / 6
        return dx


class Relu6:
    """ReLU with a ceiling."""

    def forward(self, x):
        self.open = np.logical_and(x > 0, x < 6)
        return np.clip(x, 0, 6)

    def backward(self, dout):
        return np.where(self.open, dout, 0)


class Softsign:
    """x / (1 + |x|)."""

    def forward(self, x):
        self.scale = 1 / (1 + np.abs(x))
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale * self.scale


class SoftShrink:
    """Pulls everything towards 0 by a threshold."""

    def __init__(self, threshold=0.5):
        self.threshold = threshold

    def forward(self, x):
        self.kept = np.abs(x) > self.threshold
        return np.sign(x) * np.maximum(np.abs(x) - self.threshold, 0)

    def backward(self, dout):
        return dout * self.kept


class Maxout:
    """The greater half: channels are compared in pairs."""

    def forward(self, x):
        half = x.shape[1] // 2
        self.first = x[:, :half] >= x[:, half:]
        return np.where(self.first, x[:, :half], x[:, half:])

    def backward(self, dout):
        left = np.where(self.first, dout, 0)
        right = np.where(self.first, 0, dout)
        return np.concatenate([left, right], axis=1)
