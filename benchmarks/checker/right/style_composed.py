"""Right layers in unusual style: layers of layers, and other homes for parameters, residuals and gradients."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import contextlib
import functools

import numpy as np


class Times:
    """x·y."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class Plus:
    """x + y."""

    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout.copy(), dout.copy()


class OfLayers:
    """(x + y)·x, of two layers."""

    def __init__(self):
        self.add, self.mul = Plus(), Times()

    def forward(self, x, y):
        return self.mul.forward(self.add.forward(x, y), x)

    def backward(self, dout):
        dsum, dx = self.mul.backward(dout)
        dx_too, dy = self.add.backward(dsum)
        return dx + dx_too, dy


class Doubled:
    """x² as Times of x with itself."""

    def __init__(self):
        self.inner = Times()

    def forward(self, x):
        return self.inner.forward(x, x)

    def backward(self, dout):
        return sum(self.inner.backward(dout))


class Sine:
    """sin."""

    def forward(self, x):
        self.slope = np.cos(x)
        return np.sin(x)

    def backward(self, dout):
        return dout * self.slope


class InAList:
    """Three layers in a list, run in turn and back."""

    def __init__(self):
        self.layers = [Sine() for _ in range(3)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in self.layers[::-1]:
            dout = layer.backward(dout)
        return dout


class LazyWeight:
    """A weight whose shape is known only once an input comes."""

    def __init__(self):
        self.W = None

    def forward(self, x):
        if self.W is None:
            d = x.shape[1]
            self.W = np.linspace(-1, 1, d * 2).reshape(d, 2).astype(x.dtype)
        self.x = x
        return x.dot(self.W)

    def backward(self, dout):
        self.dW = self.x.T.dot(dout)
        return dout.dot(self.W.T)


class GradientsInDict:
    """Parameters and gradients in dictionaries by name, filled in a loop."""

    def __init__(self, W, b):
        self.params = {"W": W, "b": b}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        for name, gradient in (("W", self.x.T @ dout), ("b", dout.sum(axis=0))):
            self.grads[name] = gradient
        return dout @ self.params["W"].T


class GradientsAdded:
    """Gradients set to zero in forward and added to in backward."""

    def __init__(self, W):
        self.W = W
        self.dW = np.zeros_like(W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW[...] = 0
        for row, g in zip(self.x, dout, strict=True):
            self.dW += np.outer(row, g)
        return np.vstack([self.W @ g for g in dout])


class Context:
    """A context manager of its own around backward."""

    def forward(self, x):
        self.x = x
        return np.expm1(x)

    @contextlib.contextmanager
    def _kept(self):
        yield self.x

    def backward(self, dout):
        with self._kept() as x:
            return dout * np.exp(x)


def remembers(method):
    """Keep the first argument of a method on its instance."""

    @functools.wraps(method)
    def wrapped(self, x):
        self.seen = x
        return method(self, x)

    return wrapped


class Decorated:
    """A forward whose input is kept by a decorator."""

    @remembers
    def forward(self, x):
        return np.arcsinh(x)

    def backward(self, dout):
        return dout / np.sqrt(1 + self.seen**2)


class TwoOutputs:
    """sin and cos at once; backward is given both."""

    def forward(self, x):
        self.s, self.c = np.sin(x), np.cos(x)
        return self.s.copy(), self.c.copy()

    def backward(self, douts):
        dsin, dcos = douts
        return dsin * self.c - dcos * self.s


class SharedParts:
    """An expression in which a part is used three times."""

    def forward(self, x, y):
        self.x, self.y = x, y
        self.p = p = x * y
        return p * p + np.sin(p) * x

    def backward(self, dout):
        dp = dout * (2 * self.p + np.cos(self.p) * self.x)
        dx = dp * self.y + dout * np.sin(self.p)
        return dx, dp * self.x


class BroadcastBias:
    """A bias with axes of length 1."""

    def __init__(self, b):
        self.b = b

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = dout.sum(axis=(0, 2), keepdims=True)
        return dout.copy()


class GetAttr:
    """Names found through getattr and setattr."""

    def forward(self, x):
        for name, value in zip(("_a", "_b"), (x, x**2), strict=True):
            setattr(self, name, value)
        return self._a * self._b

    def backward(self, dout):
        a, b = (getattr(self, name) for name in ("_a", "_b"))
        return dout * (b + 2 * a * a)


class Vars:
    """Residuals put into __dict__ at once."""

    def forward(self, x):
        self.__dict__.update(x=x, e=np.exp(-x * x))
        return self.e / 2

    def backward(self, dout):
        d = vars(self)
        return -d["x"] * d["e"] * dout
