"""Smooth activations, each written so that no exponential overflows."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np
from scipy.special import erf


def sigmoid(x):
    """1 / (1 + exp(-x)), with exp of negative numbers alone."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


class Sigmoid:
    """The logistic curve; keeps a copy of what it returns."""

    def __init__(self):
        self.out = None

    def forward(self, x):
        out = sigmoid(x)
        self.out = out.copy()
        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class SigmoidByMask:
    """The logistic curve, each half by its own formula."""

    def forward(self, x):
        positive = x >= 0
        y = np.empty_like(x)
        y[positive] = 1 / (1 + np.exp(-x[positive]))
        e = np.exp(x[~positive])
        y[~positive] = e / (1 + e)
        self.slope = y * (1 - y)
        return y

    def backward(self, dout):
        return dout * self.slope


class Tanh:
    """tanh, with its slope kept."""

    def forward(self, x):
        out = np.tanh(x)
        self.slope = 1 - out**2
        return out

    def backward(self, dout):
        return dout * self.slope


class ScaledTanh:
    """LeCun's 1.7159 tanh(2x / 3)."""

    def forward(self, x):
        self.t = np.tanh(2 * x / 3)
        return 1.7159 * self.t

    def backward(self, dout):
        return dout * 1.7159 * (1 - self.t * self.t) * 2 / 3


class Softplus:
    """log(1 + exp(x)) without overflow."""

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, dout):
        return dout * sigmoid(self.x)


class SoftplusBeta:
    """log(1 + exp(beta x)) / beta, by logaddexp."""

    def __init__(self, beta=2.0):
        self.beta = beta

    def forward(self, x):
        self.gate = sigmoid(self.beta * x)
        return np.logaddexp(0, self.beta * x) / self.beta

    def backward(self, dout):
        return dout * self.gate


class LogSigmoid:
    """log sigmoid(x) = min(x, 0) - log(1 + exp(-|x|))."""

    def forward(self, x):
        self.x = x
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def backward(self, dout):
        return dout * sigmoid(-self.x)


class Swish:
    """x sigmoid(x)."""

    def forward(self, x):
        y = sigmoid(x)
        self.cache = (x, y)
        return x * y

    def backward(self, dout):
        x, y = self.cache
        return dout * (y + x * y * (1 - y))


class SwishBeta:
    """x sigmoid(beta x) with one learned beta."""

    def __init__(self, beta):
        self.beta = beta
        self.dbeta = np.zeros_like(beta)

    def forward(self, x):
        self.x = x
        self.gate = sigmoid(self.beta * x)
        return x * self.gate

    def backward(self, dout):
        slope = self.gate * (1 - self.gate)
        self.dbeta[...] = np.sum(dout * self.x * self.x * slope)
        return dout * (self.gate + self.x * self.beta * slope)


class Mish:
    """x tanh(softplus(x))."""

    def forward(self, x):
        self.x = x
        self.t = np.tanh(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))
        return x * self.t

    def backward(self, dout):
        slope = (1 - self.t**2) * sigmoid(self.x)
        dx = dout * (self.t + self.x * slope)
        return dx


class GeluErf:
    """x times the normal distribution's share below x."""

    def forward(self, x):
        self.x = x
        self.share = 0.5 * (1 + erf(x * 0.7071067811865476))
        return x * self.share

    def backward(self, dout):
        density = 0.3989422804014327 * np.exp(-0.5 * self.x**2)
        return dout * (self.share + self.x * density)


class GeluTanh:
    """The approximation that GPT-2 made known."""

    def forward(self, x):
        inner = 0.7978845608 * (x + 0.044715 * x**3)
        self.x = x
        self.tanh = np.tanh(inner)
        return 0.5 * x * (1 + self.tanh)

    def backward(self, dout):
        x, t = self.x, self.tanh
        dinner = 0.7978845608 * (1 + 3 * 0.044715 * x**2)
        dx = 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * dinner
        return dout * dx


class Gaussian:
    """exp(-x² / 2)."""

    def forward(self, x):
        self.x = x
        self.y = np.exp(-(x**2) / 2)
        return self.y.copy()

    def backward(self, dout):
        return -self.x * self.y * dout


class Glu:
    """One half of the channels, gated by the other half."""

    def forward(self, x):
        a, b = np.split(x, 2, axis=1)
        self.a = a
        self.gate = sigmoid(b)
        return a * self.gate

    def backward(self, dout):
        da = dout * self.gate
        db = dout * self.a * self.gate * (1 - self.gate)
        return np.concatenate((da, db), axis=1)
