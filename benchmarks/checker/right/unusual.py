"""Right layers that look wrong: other conventions at a kink, other homes for a residual, gradients that are 0."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import numpy as np


class ReluOneAtZero:
    """ReLU whose gradient at 0 is 1."""

    def forward(self, x):
        self.mask = x >= 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class ReluHalfAtZero:
    """ReLU whose gradient at 0 is a half."""

    def forward(self, x):
        self.slope = 0.5 * (np.sign(x) + 1)
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout * self.slope


class ReluByAbs:
    """ReLU as (x + |x|) / 2."""

    def forward(self, x):
        self.x = x
        return (x + np.abs(x)) / 2

    def backward(self, dout):
        return dout * (1 + np.sign(self.x)) / 2


class MaxLast:
    """The greatest of each row; the last of equals takes the gradient."""

    def forward(self, x):
        self.shape = x.shape
        self.arg = x.shape[1] - 1 - np.argmax(x[:, ::-1], axis=1)
        return x[np.arange(len(x)), self.arg]

    def backward(self, dout):
        dx = np.zeros(self.shape, dtype=dout.dtype)
        dx[np.arange(len(dx)), self.arg] = dout
        return dx


class MaximumShared:
    """The greater of two; a tie is shared in halves."""

    def forward(self, x, y):
        self.share = 0.5 * (np.sign(x - y) + 1)
        return np.maximum(x, y)

    def backward(self, dout):
        return dout * self.share, dout * (1 - self.share)


class Square:
    """x² as a power."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x * dout


class SquareByProduct:
    """x² as a product of x with itself."""

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        dx = dout * self.x
        dx += dout * self.x
        return dx


class Constant:
    """The same whatever x is."""

    def forward(self, x):
        self.x = x
        return np.ones_like(x) * 3

    def backward(self, dout):
        return np.zeros_like(self.x)


class Cancels:
    """x - x: 0, and so is the gradient."""

    def forward(self, x):
        return x - x

    def backward(self, dout):
        return dout - dout


class UnusedInput:
    """The second input takes no part."""

    def forward(self, x, y):
        self.y = y
        return 2 * x

    def backward(self, dout):
        return 2 * dout, np.zeros_like(self.y)


class UnusedParameter:
    """A parameter that takes no part."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = np.zeros_like(self.b)
        return dout @ self.W.T


class Identity:
    """x, as a copy."""

    def forward(self, x):
        return x.copy()

    def backward(self, dout):
        return dout.copy()


class CacheCleared:
    """A dictionary of residuals, emptied at every forward."""

    def __init__(self):
        self.cache = {}

    def forward(self, x):
        self.cache.clear()
        self.cache["slope"] = np.cos(x)
        return np.sin(x)

    def backward(self, dout):
        return dout * self.cache["slope"]


class OwnBuffer:
    """Works in place, on memory of its own."""

    def forward(self, x):
        out = x.copy()
        out *= 2
        out += 1
        out **= 2
        self.base = 2 * x + 1
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx *= self.base
        dx *= 4
        return dx


class Base:
    """A family of layers: forward and backward by two small methods."""

    def forward(self, x):
        self.x = x
        return self.f(x)

    def backward(self, dout):
        return dout * self.df(self.x)


class Inherited(Base):
    """Arctan, with forward and backward from the base class."""

    def f(self, x):
        return np.arctan(x)

    def df(self, x):
        return 1 / (1 + x**2)


class Slots:
    """A layer without a dictionary."""

    __slots__ = ("x",)

    def __init__(self):
        self.x = None

    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        return 3 * self.x**2 * dout


class TupleOfOne:
    """Backward returns a tuple of one gradient."""

    def forward(self, x):
        self.k = 4
        return self.k * x

    def backward(self, dout):
        return (self.k * dout,)


class ListOfTwo:
    """Backward returns a list."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x**2 * y

    def backward(self, dout):
        return [2 * dout * self.x * self.y, dout * self.x**2]


class Log10:
    """The decimal logarithm, by a rounded constant."""

    def forward(self, x):
        self.x = x
        return np.log(x) / 2.302585092994046

    def backward(self, dout):
        return dout / (self.x * 2.302585092994046)


class SignedSquare:
    """x |x|: smooth of first order at 0, though written with a kink."""

    def forward(self, x):
        self.x = x
        return x * np.abs(x)

    def backward(self, dout):
        return dout * 2 * np.abs(self.x)


class SmoothStep:
    """3 t² - 2 t³ between 0 and 1."""

    def forward(self, x):
        self.t = np.clip(x, 0, 1)
        return self.t * self.t * (3 - 2 * self.t)

    def backward(self, dout):
        return dout * 6 * self.t * (1 - self.t)


class Rounded:
    """To whole numbers: flat almost everywhere."""

    def forward(self, x):
        return np.floor(x + 0.5)

    def backward(self, dout):
        return np.zeros_like(dout)


class InversePower:
    """x to the power -2, with a Python int."""

    def forward(self, x):
        self.x = x
        return x**-2.0

    def backward(self, dout):
        return dout * -2.0 * self.x**-3.0


class ZerothPower:
    """x to the power 0."""

    def forward(self, x):
        return x**0

    def backward(self, dout):
        return 0 * dout


class ConvRemainder:
    """A mean of windows whose last columns no window reaches: their gradient is 0."""

    def forward(self, x):
        self.shape = x.shape
        n, d = x.shape
        return x[:, : d // 3 * 3].reshape(n, d // 3, 3).mean(axis=2)

    def backward(self, dout):
        dx = np.zeros(self.shape, dtype=dout.dtype)
        used = self.shape[1] // 3 * 3
        dx[:, :used] = np.repeat(dout / 3, 3, axis=1)
        return dx


class Sort:
    """Each row in order; the gradient finds its way back."""

    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        return np.take_along_axis(x, self.order, axis=1)

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.order, dout, axis=1)
        return dx


class StoredDropout:
    """Dropout whose mask was drawn once, outside."""

    def __init__(self, mask):
        self.mask = mask

    def forward(self, x):
        return x * self.mask / 0.75

    def backward(self, dout):
        return dout * self.mask / 0.75


class BroadcastBias:
    """A parameter of shape (1, D), summed with keepdims."""

    def __init__(self, b):
        self.b = b

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = dout.sum(axis=0, keepdims=True)
        return dout * 1


class OneGain:
    """One number for all, kept as an array of shape (1,)."""

    def __init__(self, g):
        self.g = g

    def forward(self, x):
        self.x = x
        return self.g * x

    def backward(self, dout):
        self.dg = np.array([np.sum(dout * self.x)], dtype=dout.dtype)
        return dout * self.g


class Scalar:
    """Plain numbers: a x + b, without NumPy."""

    def __init__(self, a=3, b=0.5):
        self.a, self.b = a, b

    def forward(self, x):
        return self.a * x + self.b

    def backward(self, dout):
        return self.a * dout


class PlainDiv:
    """Plain numbers: x / y."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, dout):
        return dout / self.y, -dout * self.x / (self.y * self.y)
