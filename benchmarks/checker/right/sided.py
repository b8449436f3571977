"""Layers with a condition on numbers, of which ordinary inputs show one side alone: a limit far out, a tie, a sign."""

# ruff: noqa: D102 - forward and backward need no sentence each

import numpy as np


class Relu6:
    """Between 0 and 6."""

    def forward(self, x):
        self.x = x
        return np.clip(x, 0, 6)

    def backward(self, dout):
        return dout * ((self.x > 0) & (self.x < 6))


class WideTanh:
    """A hard tanh, between -20 and 20, by two extrema."""

    def forward(self, x):
        self.x = x
        return np.maximum(np.minimum(x, 20.0), -20.0)

    def backward(self, dout):
        below = self.x < 20.0
        above = self.x > -20.0
        return dout * below * above


class HuberLoss:
    """Squares up to delta, lines beyond."""

    def __init__(self, delta=50.0):
        self.delta = delta

    def forward(self, x, t):
        self.e = x - t
        small = np.abs(self.e) <= self.delta
        return np.sum(np.where(small, 0.5 * self.e**2, self.delta * (np.abs(self.e) - 0.5 * self.delta)))

    def backward(self, dout=1.0):
        small = np.abs(self.e) <= self.delta
        return dout * np.where(small, self.e, self.delta * np.sign(self.e))


class SmoothL1:
    """The loss with beta, by boolean masks."""

    def __init__(self, beta=10.0):
        self.beta = beta

    def forward(self, x):
        self.x = x
        out = 0.5 * x**2 / self.beta
        far = np.abs(x) >= self.beta
        out[far] = np.abs(x[far]) - 0.5 * self.beta
        return out

    def backward(self, dout):
        slope = self.x / self.beta
        far = np.abs(self.x) >= self.beta
        slope[far] = np.sign(self.x[far])
        return dout * slope


class EluByLoop:
    """An element at a time, by Python's own if."""

    def forward(self, x):
        self.x = x
        out = np.zeros_like(x)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, j] = x[i, j] if x[i, j] > 0 else np.exp(x[i, j]) - 1
        return out

    def backward(self, dout):
        dx = np.zeros_like(dout)
        for i in range(dout.shape[0]):
            for j in range(dout.shape[1]):
                dx[i, j] = dout[i, j] if self.x[i, j] > 0 else dout[i, j] * np.exp(self.x[i, j])
        return dx


class LinearSoftplus:
    """A softplus that is a line where x is large."""

    def forward(self, x):
        self.x = x
        return np.where(x > 30, x, np.log1p(np.exp(np.minimum(x, 30))))

    def backward(self, dout):
        slope = 1 / (1 + np.exp(-np.minimum(self.x, 30)))
        return dout * np.where(self.x > 30, 1.0, slope)


class StableSigmoid:
    """By the sign, and flat far out."""

    def forward(self, x):
        e = np.exp(-np.abs(x))
        self.y = np.where(x >= 0, 1 / (1 + e), e / (1 + e))
        return self.y

    def backward(self, dout):
        return dout * self.y * (1 - self.y)


class Square:
    """A square: no condition at all."""

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        dx = 2 * self.x * dout
        return dx


class Scale:
    """A factor that is learned."""

    def __init__(self, g):
        self.g = g
        self.dg = None

    def forward(self, x):
        self.x = x
        return x * self.g

    def backward(self, dout):
        self.dg = np.sum(dout * self.x, axis=0)
        return dout * self.g


class Larger:
    """The larger of two."""

    def forward(self, x, y):
        self.first = x > y
        return np.maximum(x, y)

    def backward(self, dout):
        return dout * self.first, dout * ~self.first


class Smaller:
    """The smaller of two, by a where."""

    def forward(self, x, y):
        self.first = x < y
        return np.where(self.first, x, y)

    def backward(self, dout):
        dx = np.where(self.first, dout, 0)
        dy = np.where(self.first, 0, dout)
        return dx, dy


class Fraction:
    """What is left of whole numbers."""

    def forward(self, x):
        self.x = x
        return x - np.floor(x / 100)

    def backward(self, dout):
        dx = dout * 1.0
        return dx


class Remainder:
    """x % 50."""

    def forward(self, x):
        self.x = x
        return x % 50

    def backward(self, dout):
        turns = np.floor(self.x / 50)
        return np.where(turns == turns, dout, 0)


class Stairs:
    """Slopes from a table, by the whole part of x."""

    def forward(self, x):
        self.slope = 1.0 + (x / 10).astype(int)
        return x * self.slope

    def backward(self, dout):
        return dout * self.slope


class RoundedGain:
    """A gain in whole steps of the first number."""

    def forward(self, x):
        self.gain = np.round(x[:, :1] / 40)
        return x * (2 + self.gain)

    def backward(self, dout):
        return dout * (2 + self.gain)


class SignedSquare:
    """x |x|."""

    def forward(self, x):
        self.x = x
        return x * np.abs(x)

    def backward(self, dout):
        return dout * 2 * np.abs(self.x)


class SignedRoot:
    """The root with its sign."""

    def forward(self, x):
        self.x = x
        return np.sign(x) * np.sqrt(np.abs(x))

    def backward(self, dout):
        return dout * 0.5 / np.sqrt(np.abs(self.x))


class RowMax:
    """The largest of a row, by its place."""

    def forward(self, x):
        self.shape, self.place = x.shape, np.argmax(x, axis=1)
        return np.max(x, axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[np.arange(len(dout)), self.place] = dout
        return dx


class PairPool:
    """The larger of two neighbours."""

    def forward(self, x):
        pairs = x.reshape(x.shape[0], -1, 2)
        self.place = np.argmax(pairs, axis=2)
        return pairs.max(axis=2)

    def backward(self, dout):
        dx = np.stack([dout * (self.place == 0), dout * (self.place == 1)], axis=2)
        return dx.reshape(dout.shape[0], -1)


class Band:
    """Twice as steep in a narrow band."""

    def forward(self, x):
        self.inside = (x > 8.0) & (x < 8.5)
        return np.where(self.inside, 2 * x - 8.0, x)

    def backward(self, dout):
        return dout * np.where(self.inside, 2.0, 1.0)


class FourPieces:
    """Pieces by np.select."""

    def forward(self, x):
        self.x = x
        return np.select([x < -100, x < 0, x < 100], [3 * x, 2 * x, 4 * x], 5 * x)

    def backward(self, dout):
        slope = np.select([self.x < -100, self.x < 0, self.x < 100], [3.0, 2.0, 4.0], 5.0)
        return dout * slope


class TinyIsCut:
    """Numbers next to 0 pass in no way."""

    def forward(self, x):
        self.x = x
        return np.where(np.abs(x) < 1e-3, 0.0, x)

    def backward(self, dout):
        return np.where(np.abs(self.x) < 1e-3, 0.0, dout)


class HugeIsCut:
    """Numbers beyond 1e8 pass in no way."""

    def forward(self, x):
        self.keep = np.abs(x) < 1e8
        return x * self.keep

    def backward(self, dout):
        return dout * self.keep


class MaxMargin:
    """A hinge against the right class."""

    def forward(self, x, t):
        rows = np.arange(len(x))
        margin = x - x[rows, t][:, None] + 40.0
        margin[rows, t] = 0
        self.rows, self.t, self.over = rows, t, margin > 0
        return np.sum(np.maximum(margin, 0))

    def backward(self, dout=1.0):
        dx = self.over * 1.0
        dx[self.rows, self.t] = -np.sum(self.over, axis=1)
        return dout * dx


class IgnoringLoss:
    """A sum of picked scores, without those of label -1."""

    def forward(self, x, t):
        self.shape, self.t = x.shape, t
        self.kept = np.where(t == -1, 0.0, 1.0)
        return np.sum(self.kept * x[np.arange(len(x)), t])

    def backward(self, dout=1.0):
        dx = np.zeros(self.shape)
        dx[np.arange(self.shape[0]), self.t] = dout * self.kept
        return dx


class MeanSwitch:
    """Steeper where the mean is large: Python's if on a value."""

    def forward(self, x):
        self.steep = x.mean() > 20
        if self.steep:
            return 3 * x
        return x * 1.0

    def backward(self, dout):
        if self.steep:
            return 3 * dout
        return dout * 1.0


class ShiftedSoftmax:
    """Shifted only where exp would overflow."""

    def forward(self, x):
        if np.max(x) > 100:
            x = x - np.max(x, axis=1, keepdims=True)
            self.shifted = True
        else:
            self.shifted = False
        e = np.exp(x)
        self.y = e / np.sum(e, axis=1, keepdims=True)
        return self.y

    def backward(self, dout):
        dx = self.y * dout
        total = np.sum(dx, axis=1, keepdims=True)
        if self.shifted:
            return dx - self.y * total
        return dx - self.y * total
