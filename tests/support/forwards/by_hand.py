"""Backwards written by hand, as an expert writes them in the book's style: what derived ones are measured against.

Each class has the name of one with a forward alone, and computes the same. It keeps what backward needs and no more,
and backward leaves gradients of parameters in `dW`, `db` and so on. It gives the gradients of all inputs that are
floats, targets too, as a derived one does.
"""

import numpy as np
from scipy.special import erf


class MulLayer:
    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        out = x * y

        return out

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x

        return dx, dy


class Interpolate:
    def forward(self, a, b, t):
        self.t = t
        self.difference = b - a
        return a + t * self.difference

    def backward(self, dout):
        db = dout * self.t
        da = dout - db
        dt = (dout * self.difference).sum(axis=1, keepdims=True)
        return da, db, dt


class DivideLayer:
    def forward(self, x, y):
        self.y = y
        self.out = x / y
        return self.out

    def backward(self, dout):
        dx = dout / self.y
        dy = -(dx * self.out).sum(axis=1, keepdims=True)
        return dx, dy


class Relu:
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


class LeakyRelu:
    def __init__(self, slope=0.01):
        self.slope = slope

    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, self.slope * x)

    def backward(self, dout):
        return np.where(self.mask, dout, self.slope * dout)


class Elu:
    def __init__(self, alpha=1.5):
        self.alpha = alpha

    def forward(self, x):
        self.out = np.where(x > 0, x, self.alpha * (np.exp(x) - 1))
        return self.out

    def backward(self, dout):
        return dout * np.where(self.out > 0, 1, self.out + self.alpha)


class Hardtanh:
    def __init__(self, low=-1.0, high=1.5):
        self.low = low
        self.high = high

    def forward(self, x):
        self.mask = (x > self.low) & (x < self.high)
        return np.clip(x, self.low, self.high)

    def backward(self, dout):
        return dout * self.mask


class Softsign:
    def forward(self, x):
        self.scale = 1 + np.abs(x)
        return x / self.scale

    def backward(self, dout):
        return dout / self.scale**2


class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out

        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out

        return dx


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class Silu:
    def forward(self, x):
        self.x = x
        self.sigmoid = 1 / (1 + np.exp(-x))
        return x * self.sigmoid

    def backward(self, dout):
        return dout * self.sigmoid * (1 + self.x * (1 - self.sigmoid))


class GeluByErf:
    def forward(self, x):
        self.x = x
        self.cdf = 0.5 * (1 + erf(x / np.sqrt(2)))
        return x * self.cdf

    def backward(self, dout):
        pdf = np.exp(-0.5 * self.x * self.x) / np.sqrt(2 * np.pi)
        return dout * (self.cdf + self.x * pdf)


class GeluByTanh:
    def forward(self, x):
        self.x = x
        self.square = x * x
        self.t = np.tanh(np.sqrt(2 / np.pi) * x * (1 + 0.044715 * self.square))
        return 0.5 * x * (1 + self.t)

    def backward(self, dout):
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * self.square)
        return dout * 0.5 * (1 + self.t + self.x * (1 - self.t * self.t) * inner)


class Softplus:
    def forward(self, x):
        self.e = np.exp(x)
        return np.log(1 + self.e)

    def backward(self, dout):
        return dout * self.e / (1 + self.e)


class Mish:
    def forward(self, x):
        self.x = x
        self.e = np.exp(x)
        self.t = np.tanh(np.log(1 + self.e))
        return x * self.t

    def backward(self, dout):
        return dout * (self.t + self.x * (1 - self.t * self.t) * self.e / (1 + self.e))


class Sqrt:
    def forward(self, x):
        self.out = np.sqrt(x)
        return self.out

    def backward(self, dout):
        return dout / (2 * self.out)


class Cube:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        return dout * 3 * self.x * self.x


class MeanOverTime:
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=1)

    def backward(self, dout):
        N, T, D = self.shape
        return np.repeat(dout[:, None, :] / T, T, axis=1)


class Softmax:
    def forward(self, x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.out = e / np.sum(e, axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        dx = self.out * dout
        dx -= self.out * np.sum(dx, axis=1, keepdims=True)
        return dx


class LogSoftmax:
    def forward(self, x):
        z = x - np.max(x, axis=1, keepdims=True)
        self.out = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
        return self.out

    def backward(self, dout):
        return dout - np.exp(self.out) * np.sum(dout, axis=1, keepdims=True)


class Glu:
    def forward(self, x):
        self.a, b = np.split(x, 2, axis=1)
        self.gate = 1 / (1 + np.exp(-b))
        return self.a * self.gate

    def backward(self, dout):
        da = dout * self.gate
        db = da * self.a * (1 - self.gate)
        return np.concatenate([da, db], axis=1)


class MeanSquaredError:
    def forward(self, y, t):
        self.difference = y - t
        return np.mean(self.difference**2)

    def backward(self, dout=1):
        dy = dout * 2 / self.difference.size * self.difference
        return dy, -dy


class BceWithLogits:
    def forward(self, x, t):
        self.x = x
        self.t = t
        return np.mean(np.maximum(x, 0) - x * t + np.log(1 + np.exp(-np.abs(x))))

    def backward(self, dout=1):
        y = 1 / (1 + np.exp(-self.x))
        share = dout / self.t.size
        return share * (y - self.t), -share * self.x


class CrossEntropyOfLabels:
    def forward(self, x, t):
        self.t = t
        z = x - x.max(axis=1, keepdims=True)
        self.log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -self.log_p[np.arange(len(t)), t].mean()

    def backward(self, dout=1):
        dx = np.exp(self.log_p)
        dx[np.arange(len(self.t)), self.t] -= 1
        dx *= dout / len(self.t)
        return dx


class CrossEntropyOfOneHot:
    def forward(self, x, t):
        self.t = t
        z = x - np.max(x, axis=1, keepdims=True)
        e = np.exp(z)
        s = np.sum(e, axis=1, keepdims=True)
        self.y = e / s
        self.log_y = z - np.log(s)
        return -np.sum(t * self.log_y) / len(x)

    def backward(self, dout=1):
        share = dout / len(self.t)
        dx = share * (self.y * self.t.sum(axis=1, keepdims=True) - self.t)
        return dx, -share * self.log_y


class HuberLoss:
    def __init__(self, delta=1.5):
        self.delta = delta

    def forward(self, y, t):
        self.difference = y - t
        r = np.abs(self.difference)
        d = self.delta
        return np.where(r <= d, 0.5 * r**2, d * (r - 0.5 * d)).sum()

    def backward(self, dout=1):
        dy = dout * np.clip(self.difference, -self.delta, self.delta)
        return dy, -dy
