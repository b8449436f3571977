"""Layers with a condition of which ordinary inputs show one side alone: a limit far out, a mode, a size, a flag."""

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


class Halving:
    """Halves until the largest is below 64."""

    def forward(self, x):
        self.factor = 1.0
        while np.max(np.abs(x)) * self.factor > 64:
            self.factor *= 0.5
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


class Linear:
    """With a bias or without."""

    def __init__(self, W, b=None):
        self.W, self.b = W, b
        self.dW, self.db = None, None

    def forward(self, x):
        self.x = x
        out = x @ self.W
        if self.b is not None:
            out = out + self.b
        return out

    def backward(self, dout):
        self.dW = self.x.T @ dout
        if self.b is not None:
            self.db = dout.sum(axis=0)
        return dout @ self.W.T


class AnyLinear:
    """Rows, or steps of rows."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        if self.x.ndim == 3:
            self.dW = np.einsum("ntd,nth->dh", self.x, dout)
        else:
            self.dW = self.x.T @ dout
        return dout @ self.W.T


class Average:
    """The mean over the batch, in blocks where it is large."""

    def forward(self, x):
        self.n = x.shape[0]
        return x.mean(axis=0)

    def backward(self, dout):
        if self.n > 64:
            return np.repeat(dout[None] / self.n, self.n, axis=0)
        return np.ones((self.n, 1)) * dout / self.n


class Blocks:
    """A square whose backward works in blocks of 100 rows."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        if len(dout) <= 100:
            return 2 * self.x * dout
        parts = [2 * self.x[i : i + 100] * dout[i : i + 100] for i in range(0, len(dout), 100)]
        return np.concatenate(parts)


class LongSequence:
    """A running sum, by a loop where there are many steps."""

    def forward(self, x):
        return np.cumsum(x, axis=1)

    def backward(self, dout):
        steps = dout.shape[1]
        if steps < 10:
            return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1]
        dx = np.zeros_like(dout)
        total = 0.0
        for t in reversed(range(steps)):
            total = total + dout[:, t]
            dx[:, t] = total
        return dx


class Recurrent:
    """An elementwise recurrence that forgets in long sequences."""

    def __init__(self, w):
        self.w = w
        self.dw = None

    def forward(self, x):
        self.x, self.h = x, [np.zeros((x.shape[0], x.shape[2]))]
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] + self.w * self.h[-1]))
        return np.stack(self.h[1:], axis=1)

    def backward(self, dout):
        dx, dh = np.zeros_like(self.x), 0.0
        self.dw = np.zeros_like(self.w)
        for t in reversed(range(dout.shape[1])):
            dz = (dout[:, t] + dh) * (1 - self.h[t + 1] ** 2)
            dx[:, t] = dz
            self.dw += np.sum(dz * self.h[t], axis=0)
            dh = dz * self.w if t < 12 else dz * self.w * 1.0
        return dx


class OddPool:
    """Sums of pairs; an odd length has a zero put at its end."""

    def forward(self, x):
        self.length = x.shape[1]
        if self.length % 2:
            x = np.concatenate([x, np.zeros((x.shape[0], 1))], axis=1)
        return x[:, ::2] + x[:, 1::2]

    def backward(self, dout):
        dx = np.repeat(dout, 2, axis=1)
        if self.length % 2:
            dx = dx[:, :-1]
        return dx


class Drop:
    """Every second unit is left out in training, all are halved at test time."""

    def __init__(self):
        self.training = True

    def forward(self, x):
        if self.training:
            self.mask = np.arange(x.shape[1]) % 2
            return x * self.mask
        return x * 0.5

    def backward(self, dout):
        if self.training:
            return dout * self.mask
        return dout * 0.5


class Norm:
    """Batch normalisation, with the numbers of the past at test time."""

    def __init__(self):
        self.training = True
        self.past = 2.0

    def forward(self, x):
        if not self.training:
            return x / self.past
        self.std = np.sqrt(x.var(axis=0) + 0.01)
        self.z = (x - x.mean(axis=0)) / self.std
        return self.z

    def backward(self, dout):
        if not self.training:
            return dout / self.past
        return (dout - dout.mean(axis=0) - self.z * (dout * self.z).mean(axis=0)) / self.std


class Reduced:
    """A sum of squares, or their mean."""

    def __init__(self, reduction="sum"):
        self.reduction = reduction

    def forward(self, x):
        self.x = x
        total = np.sum(x * x)
        return total if self.reduction == "sum" else total / x.size

    def backward(self, dout=1.0):
        if self.reduction == "sum":
            return dout * 2 * self.x
        return dout * 2 * self.x / self.x.size


class Padded:
    """A border of zeros or of the last numbers."""

    def __init__(self, mode="zero"):
        self.mode = mode

    def forward(self, x):
        return np.pad(x, ((0, 0), (1, 1)), mode="constant" if self.mode == "zero" else "edge")

    def backward(self, dout):
        dx = dout[:, 1:-1].copy()
        if self.mode == "edge":
            dx[:, 0] += dout[:, 0]
            dx[:, -1] += dout[:, -1]
        return dx


class Matched:
    """An activation by its name."""

    def __init__(self, kind="tanh"):
        self.kind = kind

    def forward(self, x):
        match self.kind:
            case "tanh":
                self.y = np.tanh(x)
            case "exp":
                self.y = np.exp(x)
        return self.y

    def backward(self, dout):
        match self.kind:
            case "tanh":
                return dout * (1 - self.y**2)
            case "exp":
                return dout * self.y


class LastStep:
    """All steps, or the last."""

    def __init__(self, all_steps=True):
        self.all_steps = all_steps

    def forward(self, x):
        self.shape = x.shape
        return 2 * x if self.all_steps else 2 * x[:, -1]

    def backward(self, dout):
        dx = np.zeros(self.shape)
        if self.all_steps:
            dx += 2 * dout
        else:
            dx[:, -1] = 2 * dout
        return dx


class Weighted:
    """With weights of samples or without, by `or`."""

    def __init__(self, weight=0.0):
        self.weight = weight

    def forward(self, x):
        self.factor = self.weight or 1.0
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


class Strided:
    """Every stride-th number."""

    def __init__(self, stride=1):
        self.stride = stride

    def forward(self, x):
        self.shape = x.shape
        return x[:, :: self.stride]

    def backward(self, dout):
        if self.stride == 1:
            return dout * 1.0
        dx = np.zeros(self.shape)
        dx[:, :: self.stride] = dout
        return dx


class Spread:
    """The standard deviation of each row; a row without any has none."""

    def forward(self, x):
        self.x = x - x.mean(axis=1, keepdims=True)
        self.std = np.sqrt((self.x**2).mean(axis=1, keepdims=True))
        return self.std

    def backward(self, dout):
        return dout * self.x / (self.std * self.x.shape[1])


class Picked:
    """The sum of rows whose first number is below 70, by a comprehension."""

    def forward(self, x):
        self.shape = x.shape
        self.rows = [i for i in range(len(x)) if x[i, 0] < 70]
        return sum((2 * x[i] for i in self.rows), np.zeros(x.shape[1]))

    def backward(self, dout):
        dx = np.zeros(self.shape)
        for i in self.rows:
            dx[i] = 2 * dout
        return dx


class Rescaled:
    """Divides by the largest, where it is above 90: a helper decides."""

    def forward(self, x):
        self.x = x
        return x * _gain(x)

    def backward(self, dout):
        gain = _gain(self.x)
        return dout * gain


def _gain(x):
    """A half for large inputs."""
    if np.abs(x).sum() < 1000:
        return 1.0
    return 0.5


class Budget:
    """Numbers share a budget by Python's own min."""

    def forward(self, x):
        self.share = min(1.0, 80.0 / (1.0 + len(x)))
        return x * self.share

    def backward(self, dout):
        if len(dout) < 80:
            return dout * self.share
        return self.share * dout
