"""The small nodes: one operation each, with one or two inputs."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


def sum_to(gradient, shape):
    """Undo broadcasting: add up what was repeated."""
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient


class MulLayer:
    """x × y, as in "buy apples"."""

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


class AddLayer:
    """x + y."""

    def forward(self, x, y):
        out = x + y
        return out

    def backward(self, dout):
        dx = dout * 1
        dy = dout * 1
        return dx, dy


class SubLayer:
    """x - y."""

    def forward(self, x, y):
        return x - y

    def backward(self, dout):
        return dout.copy(), -dout


class DivLayer:
    """x / y."""

    def forward(self, x, y):
        self.cache = x, y
        return x / y

    def backward(self, dout):
        x, y = self.cache
        dx = dout / y
        dy = -dout * x / y**2
        return dx, dy


class BroadcastMul:
    """x × y with any shapes that broadcast."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        dx = sum_to(dout * self.y, self.x.shape)
        dy = sum_to(dout * self.x, self.y.shape)
        return dx, dy


class BroadcastAdd:
    """x + y with any shapes that broadcast."""

    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return x + y

    def backward(self, dout):
        first, second = self.shapes
        return sum_to(dout, first) * 1, sum_to(dout, second) * 1


class Power:
    """x to a fixed power."""

    def __init__(self, p=3):
        self.p = p

    def forward(self, x):
        self.x = x
        return x**self.p

    def backward(self, dout):
        return dout * self.p * self.x ** (self.p - 1)


class Exp:
    """exp(x)."""

    def forward(self, x):
        self.out = np.exp(x)
        return self.out.copy()

    def backward(self, dout):
        return dout * self.out


class Log:
    """log(x) for positive x."""

    def forward(self, x):
        self.x = x
        return np.log(x)

    def backward(self, dout):
        return dout / self.x


class LogEps:
    """log(x + eps): 0 does no harm."""

    def forward(self, x):
        self.safe = x + 1e-7
        return np.log(self.safe)

    def backward(self, dout):
        return dout / self.safe


class Sqrt:
    """The square root with a stabiliser."""

    def __init__(self, eps=1e-8):
        self.eps = eps

    def forward(self, x):
        self.root = np.sqrt(x + self.eps)
        return self.root.copy()

    def backward(self, dout):
        return dout * 0.5 / self.root


class Reciprocal:
    """1 / x."""

    def forward(self, x):
        y = 1 / x
        self.y2 = y * y
        return y

    def backward(self, dout):
        return -dout * self.y2


class Abs:
    """|x|."""

    def forward(self, x):
        self.sign = np.sign(x)
        return np.abs(x)

    def backward(self, dout):
        return dout * self.sign


class Clip:
    """x between two limits."""

    def __init__(self, low=-0.5, high=0.8):
        self.low = low
        self.high = high

    def forward(self, x):
        self.outside = (x < self.low) | (x > self.high)
        return np.clip(x, self.low, self.high)

    def backward(self, dout):
        dx = np.array(dout)
        dx[self.outside] = 0
        return dx


class Maximum:
    """The greater of two; a tie goes to x."""

    def forward(self, x, y):
        self.first = x >= y
        return np.maximum(x, y)

    def backward(self, dout):
        dx = np.where(self.first, dout, 0)
        dy = np.where(self.first, 0, dout)
        return dx, dy


class Hypot:
    """sqrt(x² + y²), scaled so that no square overflows."""

    def forward(self, x, y):
        scale = np.maximum(np.maximum(np.abs(x), np.abs(y)), 1e-30)
        r = scale * np.sqrt((x / scale) ** 2 + (y / scale) ** 2)
        safe = np.where(r > 0, r, 1)
        self.unit_x = x / safe
        self.unit_y = y / safe
        return r

    def backward(self, dout):
        return dout * self.unit_x, dout * self.unit_y


class LogAddExp:
    """log(exp(x) + exp(y)) without overflow."""

    def forward(self, x, y):
        top = np.maximum(x, y)
        ex, ey = np.exp(x - top), np.exp(y - top)
        self.share = ex / (ex + ey)
        return top + np.log(ex + ey)

    def backward(self, dout):
        return dout * self.share, dout * (1 - self.share)


class ScaleShift:
    """One gamma and one beta for each channel."""

    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta
        self.dgamma = None
        self.dbeta = None

    def forward(self, x):
        self.x = x
        return self.gamma * x + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.x).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        return dout * self.gamma


class Lerp:
    """Between x and y, by a learned share for each channel."""

    def __init__(self, w):
        self.w = w
        self.dw = None

    def forward(self, x, y):
        self.gap = x - y
        return self.w * x + (1 - self.w) * y

    def backward(self, dout):
        self.dw = np.einsum("nd,nd->d", dout, self.gap)
        return dout * self.w, dout * (1 - self.w)
