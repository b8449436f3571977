"""Right layers in unusual style, by where they keep what backward needs: closures, tuples, stacks, keys."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import collections
import functools
import math
import operator
from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

Saved = namedtuple("Saved", "x slope")


class Kept(NamedTuple):
    """What a forward keeps."""

    x: Any
    y: Any


class StoredLambda:
    """The derivative is stored as a lambda over what forward saw."""

    def forward(self, x):
        self.derivative = lambda g: g * np.cos(x)
        return np.sin(x)

    def backward(self, dout):
        return self.derivative(dout)


class Closures:
    """A list of closures, called in reverse order."""

    def forward(self, x):
        tape = []

        def step(value, slope):
            tape.append(lambda g: g * slope)
            return value

        y = step(x * 3, 3)
        y = step(np.tanh(y), 1 - np.tanh(y) ** 2)
        self.tape = tape
        return step(y**2, 2 * y)

    def backward(self, dout):
        for back in reversed(self.tape):
            dout = back(dout)
        return dout


class ReducedTape:
    """The same by functools.reduce over stored slopes."""

    def forward(self, x):
        y = np.sin(x)
        self.slopes = (np.cos(x), 1 - np.tanh(y) ** 2)
        return np.tanh(y)

    def backward(self, dout):
        return functools.reduce(operator.mul, self.slopes, dout)


class Partial:
    """What backward needs is bound by functools.partial."""

    def forward(self, x, y):
        self.pull = functools.partial(self._pull, x=x, y=y)
        return x * y * y

    @staticmethod
    def _pull(dout, *, x, y):
        return dout * y * y, 2 * dout * x * y

    def backward(self, dout):
        return self.pull(dout)


class NamedTupleCache:
    """Residuals in a named tuple."""

    def forward(self, x):
        self.saved = Saved(x=x, slope=np.where(x > 0, 1, 0.2).astype(x.dtype))
        return x * self.saved.slope * x

    def backward(self, dout):
        x, slope = self.saved
        return 2 * dout * x * slope


class TypedTupleCache:
    """Residuals in a typed named tuple."""

    def forward(self, x, y):
        self.kept = Kept(x, y)
        return x / (1 + y * y)

    def backward(self, dout):
        below = 1 + self.kept.y**2
        return dout / below, -2 * dout * self.kept.x * self.kept.y / below**2


class StackCache:
    """Residuals pushed to a list; backward reads its last."""

    def __init__(self):
        self.stack = []

    def forward(self, x):
        self.stack.clear()
        self.stack.append(x)
        y = x * x
        self.stack.append(y)
        return y * y

    def backward(self, dout):
        x, y = self.stack[0], self.stack[-1]
        return dout * 2 * y * 2 * x


class DequeCache:
    """Residuals in a deque of at most one."""

    def __init__(self):
        self.seen = collections.deque(maxlen=1)

    def forward(self, x):
        self.seen.append(x)
        return np.arctan(x)

    def backward(self, dout):
        (x,) = self.seen
        return dout / (1 + x * x)


class CacheById:
    """Residuals in a dictionary by the id of the layer."""

    def __init__(self):
        self.cache = {}

    def forward(self, x):
        self.cache[id(self)] = np.exp(-x)
        return -self.cache[id(self)]

    def backward(self, dout):
        return dout * self.cache[id(self)]


class CacheByKey:
    """Residuals by tuples as keys."""

    def forward(self, x, y):
        self.memo = {("x", 0): x, ("y", 0): y}
        return np.sqrt(1 + x * x) * y

    def backward(self, dout):
        x, y = (self.memo[key, 0] for key in "xy")
        root = np.sqrt(1 + x * x)
        return dout * y * x / root, dout * root


class TryKeyError:
    """A cache that is asked for forgiveness."""

    def __init__(self):
        self.constants = {}

    def _constant(self, n):
        try:
            return self.constants[n]
        except KeyError:
            return self.constants.setdefault(n, 1 / math.sqrt(n))

    def forward(self, x):
        return x * self._constant(x.shape[1])

    def backward(self, dout):
        return dout * self._constant(dout.shape[1])


class LruConstants:
    """A matrix of constants, cached by its size."""

    @staticmethod
    @functools.lru_cache(maxsize=8)
    def _ramp(n):
        return tuple((i + 1) / n for i in range(n))

    def forward(self, x):
        return x * np.array(self._ramp(x.shape[1]), dtype=x.dtype)

    def backward(self, dout):
        return dout * np.array(self._ramp(dout.shape[1]), dtype=dout.dtype)


class ChainMapCache:
    """Residuals found through a chain of dictionaries."""

    def forward(self, x):
        own = {"x": x}
        self.found = collections.ChainMap(own, {"power": 3})
        return x ** self.found["power"] / 3

    def backward(self, dout):
        return dout * self.found["x"] ** (self.found["power"] - 1)


@dataclass
class DataClass:
    """A layer as a dataclass."""

    W: Any
    b: Any
    cache: dict = field(default_factory=dict, repr=False)

    def forward(self, x):
        self.cache["x"] = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.cache["x"].T @ dout
        self.db = dout.sum(0)
        return dout @ self.W.T
