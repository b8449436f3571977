"""Layers with a condition on sizes, modes and flags, of which ordinary inputs show one side alone."""

# ruff: noqa: D102 - forward and backward need no sentence each

import numpy as np


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
