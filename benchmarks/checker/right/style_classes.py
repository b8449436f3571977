"""Right layers in unusual style, by how their classes are built: inheritance, mixins, properties, slots."""

# ruff: noqa: D102 - forward and backward are the book's, and need no sentence each

import abc
import functools

import numpy as np


class Slots:
    """A layer with slots."""

    __slots__ = ("scale", "x")

    def __init__(self, scale=1.5):
        self.scale = scale

    def forward(self, x):
        self.x = x
        return np.sin(self.scale * x)

    def backward(self, dout):
        return dout * np.cos(self.scale * self.x) * self.scale


class CallForwards:
    """A layer that is called, with forward behind it."""

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        self.x = x
        return x * np.abs(x)

    def backward(self, dout):
        return 2 * dout * np.abs(self.x)


class Properties:
    """The slope is a property over what forward kept."""

    def forward(self, x):
        self._x = x
        return np.log1p(x * x)

    @property
    def slope(self):
        return 2 * self._x / (1 + self._x**2)

    def backward(self, dout):
        return self.slope * dout


class CachedProperty:
    """A constant computed once, as a cached property."""

    def __init__(self, temperature=3):
        self.temperature = temperature

    @functools.cached_property
    def rate(self):
        return 1 / (1 + self.temperature)

    def forward(self, x):
        self.x = x
        return x**2 * self.rate

    def backward(self, dout):
        return 2 * dout * self.x * self.rate


class Mangled:
    """Everything under names with two underscores."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.__x = x
        return self.__times(x)

    def __times(self, x):
        return x @ self.W

    def backward(self, dout):
        self.dW = self.__x.T @ dout
        return dout @ self.W.T


class Abstract(abc.ABC):
    """What every activation has."""

    def forward(self, x):
        self.x = x
        return self.value(x)

    def backward(self, dout):
        return dout * self.slope(self.x)

    @abc.abstractmethod
    def value(self, x):
        """The function."""

    @abc.abstractmethod
    def slope(self, x):
        """Its derivative."""


class FromAbstract(Abstract):
    """The function of an abstract base."""

    def value(self, x):
        return x / np.sqrt(1 + x * x)

    def slope(self, x):
        return (1 + x * x) ** -1.5


class Superclass:
    """Scales by 2."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


class CallsSuper(Superclass):
    """Scales by 2 by its base, then squares."""

    def forward(self, x):
        self.doubled = super().forward(x)
        return self.doubled**2

    def backward(self, dout):
        return super().backward(2 * self.doubled * dout)


class KeepsInput:
    """A mixin that keeps the input."""

    def keep(self, x):
        self.kept = x
        return x


class AppliesSlope:
    """A mixin with a backward."""

    def backward(self, dout):
        return dout * self.slope()


class OfMixins(KeepsInput, AppliesSlope):
    """A layer put together from two mixins."""

    def forward(self, x):
        return np.cos(self.keep(x))

    def slope(self):
        return -np.sin(self.kept)


class Cooperative(KeepsInput):
    """super() along the order of bases, with keyword arguments."""

    def __init__(self, *, factor=0.25, **rest):
        super().__init__(**rest)
        self.factor = factor

    def forward(self, x):
        return self.factor * super().keep(x) ** 4

    def backward(self, dout):
        return dout * 4 * self.factor * self.kept**3


class StaticMethods:
    """Both formulas as static methods."""

    @staticmethod
    def f(x):
        return x * np.exp(-x * x)

    @staticmethod
    def df(x):
        return (1 - 2 * x * x) * np.exp(-x * x)

    def forward(self, x):
        self.x = x
        return self.f(x)

    def backward(self, dout):
        return dout * self.df(self.x)


class ClassMethods:
    """A constant of the class, used by class methods."""

    width = 2.0

    @classmethod
    def _scaled(cls, x):
        return x / cls.width

    def forward(self, x):
        self.s = self._scaled(x)
        return np.tanh(self.s)

    def backward(self, dout):
        return self._scaled(dout * (1 - np.tanh(self.s) ** 2))


class BackwardCallsForward:
    """exp, whose backward runs the forward's helper again."""

    def _exp(self, x):
        return np.exp(x / 2)

    def forward(self, x):
        self.x = x
        return self._exp(x)

    def backward(self, dout):
        return dout * self._exp(self.x) / 2


class DefaultArguments:
    """A forward with a default that is not given."""

    def forward(self, x, power=3):
        self.x, self.power = x, power
        return x**power

    def backward(self, dout):
        return dout * self.power * self.x ** (self.power - 1)


class KeywordOnly:
    """Helpers with arguments by keyword alone."""

    def _mix(self, *, a, b, share=0.25):
        return share * a + (1 - share) * b

    def forward(self, x, y):
        return self._mix(a=x, b=y)

    def backward(self, dout):
        zero = np.zeros_like(dout)
        return self._mix(a=dout, b=zero), self._mix(a=zero, b=dout)
