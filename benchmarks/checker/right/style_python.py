"""Right layers in unusual style, by what they use of Python: comprehensions, generators, loops, recursion."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import functools
import itertools
import math
import operator

import numpy as np

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


class Walrus:
    """Sigmoid, its parts named where they are used."""

    def forward(self, x):
        return np.where(x >= 0, 1, (e := np.exp(-np.abs(x)))) / (1 + self.keep(e))

    def keep(self, e):
        self.e = e
        return e

    def backward(self, dout):
        return dout * (e := self.e) / (one := 1 + e) / one


class Enumerated:
    """A weighted sum of columns, by enumerate."""

    def forward(self, x):
        self.x = x
        total = 0
        for i, column in enumerate(x.T, start=1):
            total = total + column**i
        return total

    def backward(self, dout):
        columns = [i * column ** (i - 1) * dout for i, column in enumerate(self.x.T, start=1)]
        return np.stack(columns, axis=1)


class Zipped:
    """Row by row with zip."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return np.array([a @ b for a, b in zip(x, y, strict=True)])

    def backward(self, dout):
        pairs = [(g * b, g * a) for g, a, b in zip(dout, self.x, self.y, strict=True)]
        dx, dy = map(np.array, zip(*pairs, strict=True))
        return dx, dy


class Generated:
    """Parts from a generator, consumed by sum."""

    def forward(self, x):
        self.x = x
        return sum(part for part in self._parts(x))

    def _parts(self, x):
        for power in (1, 2, 3):
            yield x**power

    def backward(self, dout):
        return sum(n * self.x ** (n - 1) * dout for n in range(1, 4))


class Polynomial:
    """Horner's scheme in a for loop, and its derivative by the same."""

    coefficients = (0.5, -1.0, 2.0, 0.25)

    @classmethod
    def horner(cls, x, coefficients):
        value = np.zeros_like(x)
        for c in coefficients:
            value = value * x + c
        return value

    def forward(self, x):
        self.x = x
        return self.horner(x, self.coefficients)

    def backward(self, dout):
        n = len(self.coefficients) - 1
        return dout * self.horner(self.x, [(n - i) * c for i, c in enumerate(self.coefficients[:-1])])


class WhileLoop:
    """Newton's method for the square root of 1 + x², five steps of it."""

    def forward(self, x):
        self.x = x
        self.roots, k = [1 + x * x], 0
        while k < 5:
            root = self.roots[-1]
            self.roots.append((root + (1 + x * x) / root) / 2)
            k += 1
        return self.roots[-1] * 1

    def backward(self, dout):
        inside, droot, k = np.zeros_like(dout), dout, 5
        while k > 0:
            k -= 1
            root = self.roots[k]
            inside = inside + droot / root / 2
            droot = droot * (1 - (1 + self.x**2) / root**2) / 2
        return (inside + droot) * 2 * self.x


class Recursive:
    """The product of all columns, by halves."""

    def _product(self, columns):
        if len(columns) == 1:
            return columns[0]
        half = len(columns) // 2
        return self._product(columns[:half]) * self._product(columns[half:])

    def forward(self, x):
        self.x = x
        return self._product(list(x.T))

    def backward(self, dout):
        columns = list(self.x.T)
        others = [self._product(columns[:i] + columns[i + 1 :]) for i in range(len(columns))]
        return np.stack([dout * other for other in others], 1)


class Accumulated:
    """Running products by itertools.accumulate."""

    def forward(self, x):
        self.x = x
        self.runs = list(itertools.accumulate(x.T, operator.mul))
        return np.stack(self.runs, axis=-1)

    def backward(self, dout):
        dx, carried = np.zeros_like(self.x), 0
        for j in reversed(range(self.x.shape[1])):
            carried = carried + dout[:, j]
            dx[:, j] = carried * (self.runs[j - 1] if j else 1)
            carried = carried * self.x[:, j]
        return dx


class Pairwise:
    """Differences of neighbours by itertools.pairwise."""

    def forward(self, x):
        return np.stack([b - a for a, b in itertools.pairwise(x.T)], axis=1)

    def backward(self, dout):
        dx = [0] * (dout.shape[1] + 1)
        for i, g in enumerate(dout.T):
            dx[i], dx[i + 1] = dx[i] - g, dx[i + 1] + g
        return np.stack(dx, axis=1)


class Dispatched:
    """One of several functions, from a dictionary of lambdas."""

    table = {"square": (lambda v: v * v, lambda v: 2 * v), "cube": (lambda v: v**3, lambda v: 3 * v**2)}  # noqa: RUF012

    def __init__(self, kind="cube"):
        self.kind = kind

    def forward(self, x):
        self.x = x
        return self.table[self.kind][0](x)

    def backward(self, dout):
        return dout * self.table[self.kind][1](self.x)


class Operators:
    """Everything by the operator module."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return operator.sub(operator.mul(x, y), operator.pow(y, 2))

    def backward(self, dout):
        dx = operator.mul(dout, self.y)
        dy = operator.mul(dout, operator.sub(self.x, operator.mul(2, self.y)))
        return dx, dy


class MathConstants:
    """The error function's integrand, with constants from math."""

    def forward(self, x):
        self.x = x
        return TWO_OVER_ROOT_PI * np.exp(-(x**2)) * math.e

    def backward(self, dout):
        return dout * TWO_OVER_ROOT_PI * math.e * np.exp(-math.pow(1, 2) * self.x**2) * -2 * self.x


class ScalarMath:
    """Number by number, with math in backward."""

    def forward(self, x):
        self.x = x
        return np.exp(np.sin(x))

    def backward(self, dout):
        dx = np.empty_like(dout)
        for index, g in np.ndenumerate(dout):
            v = float(self.x[index])
            dx[index] = g * (math.exp(math.sin(v)) * math.cos(v))
        return dx


class EarlyReturn:
    """The identity at scale 1, a product at others."""

    def __init__(self, scale=0.5):
        self.scale = scale

    def forward(self, x):
        if self.scale == 1:
            return x.copy()
        return x * self.scale

    def backward(self, dout):
        if self.scale != 1:
            return dout * self.scale
        return dout.copy()


class Starred:
    """The sum of any number of inputs."""

    def forward(self, x, y):
        return self._sum(x, y)

    def _sum(self, *terms):
        self.count = len(terms)
        return functools.reduce(np.add, terms) / self.count

    def backward(self, dout):
        return tuple(dout / self.count for _ in range(self.count))
