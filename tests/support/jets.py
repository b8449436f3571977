"""Exact derivatives for the tests: numbers with a slope, over balls of 300 bits, run through plain NumPy.

Nothing here knows dout. A `Jet` is a value and its slope along one direction; a slope may be a jet again, which gives
second derivatives. `JetArray` is an object array: NumPy's own functions call the methods of its elements.

>>> import numpy as np
>>> y = np.sum(jets(np.array([3.0, 2.0]), np.array([1.0, 0.0])) ** 2)
>>> float(y.value), float(y.slope)
(13.0, 6.0)
"""

from __future__ import annotations

import numpy as np
from flint import arb, ctx

ctx.prec = 300

NEAR = 1e-9  # values nearer than this, but not equal, may compare otherwise in float64
ARB_NAMES = {"arctan": "atan", "arcsin": "asin", "arccos": "acos", "arcsinh": "asinh", "arccosh": "acosh",
             "arctanh": "atanh"}  # fmt: skip

# Each function that elements answer, by its derivative at x, where y is the function's value.
DERIVATIVES = {
    "exp": lambda x, y: y,
    "expm1": lambda x, y: y + 1,
    "log": lambda x, y: 1 / x,
    "log1p": lambda x, y: 1 / (1 + x),
    "sqrt": lambda x, y: 1 / (2 * y),
    "sin": lambda x, y: _call("cos", x),
    "cos": lambda x, y: -_call("sin", x),
    "tan": lambda x, y: 1 + y * y,
    "sinh": lambda x, y: _call("cosh", x),
    "cosh": lambda x, y: _call("sinh", x),
    "tanh": lambda x, y: 1 - y * y,
    "arctan": lambda x, y: 1 / (1 + x * x),
    "arcsin": lambda x, y: 1 / _call("sqrt", 1 - x * x),
    "arccos": lambda x, y: -1 / _call("sqrt", 1 - x * x),
    "arcsinh": lambda x, y: 1 / _call("sqrt", 1 + x * x),
    "arccosh": lambda x, y: 1 / _call("sqrt", x * x - 1),
    "arctanh": lambda x, y: 1 / (1 - x * x),
    "erf": lambda x, y: 2 / arb.pi().sqrt() * _call("exp", -x * x),
}


class KinkError(Exception):
    """A comparison of values that are equal or nearly so: there is no derivative, or float64 may decide otherwise."""


class Jet:
    """A number and its slope along one direction; both are balls, or jets again."""

    __slots__ = ("slope", "value")

    def __init__(self, value, slope=0):
        self.value = value
        self.slope = slope

    def __repr__(self):
        return f"Jet({self.value}, {self.slope})"

    def __add__(self, other):
        return _with(other, lambda o: Jet(self.value + o.value, self.slope + o.slope))

    def __mul__(self, other):
        return _with(other, lambda o: Jet(self.value * o.value, self.slope * o.value + self.value * o.slope))

    def __truediv__(self, other):
        def divided(o):
            out = self.value / o.value
            return Jet(out, (self.slope - out * o.slope) / o.value)

        return _with(other, divided)

    def __floordiv__(self, other):
        return _with(other, lambda o: Jet(_whole(base(self) / base(o))))

    def __mod__(self, other):
        return _with(other, lambda o: self - o * (self // o))

    def __pow__(self, other):
        return _with(other, lambda o: _power(self, o))

    def __neg__(self):
        return Jet(-self.value, -self.slope)

    def __pos__(self):
        return self

    def __abs__(self):
        return self * _order(self, 0)

    def __sub__(self, other):
        return _with(other, lambda o: self + -o)

    def __rsub__(self, other):
        return _with(other, lambda o: o + -self)

    def __rtruediv__(self, other):
        return _with(other, lambda o: o / self)

    def __rfloordiv__(self, other):
        return _with(other, lambda o: o // self)

    def __rmod__(self, other):
        return _with(other, lambda o: o % self)

    def __rpow__(self, other):
        return _with(other, lambda o: _power(o, self))

    __radd__ = __add__
    __rmul__ = __mul__

    def log2(self):
        return self.log() / arb(2).log()

    def log10(self):
        return self.log() / arb(10).log()

    def exp2(self):
        return (self * arb(2).log()).exp()

    def cbrt(self):
        root = (_times(self, _order(self, 0)).log() / 3).exp()
        return _times(root, _order(self, 0))

    def erfc(self):
        return 1 - self.erf()

    def hypot(self, other):
        return (self * self + other * other).sqrt()

    def arctan2(self, other):
        other = lift(other)
        if abs(base(other)) > abs(base(self)):
            turn = 0 if base(other) > 0 else arb.pi() if base(self) > 0 else -arb.pi()
            return (self / other).arctan() + turn
        turn = arb.pi() / 2 if base(self) > 0 else -arb.pi() / 2
        return turn - (other / self).arctan()

    def conjugate(self):
        return self

    def floor(self):
        return self // 1

    def ceil(self):
        return -(-self // 1)

    def __bool__(self):
        return _order(self, 0) != 0

    def __lt__(self, other):
        return _with(other, lambda o: _order(self, o) < 0)

    def __le__(self, other):
        return _with(other, lambda o: _order(self, o) <= 0)

    def __gt__(self, other):
        return _with(other, lambda o: _order(self, o) > 0)

    def __ge__(self, other):
        return _with(other, lambda o: _order(self, o) >= 0)

    def __eq__(self, other):
        return _with(other, lambda o: _order(self, o) == 0)

    def __ne__(self, other):
        return _with(other, lambda o: _order(self, o) != 0)

    __hash__ = object.__hash__


def _times(x, sign):
    """A jet with its sign, or with the other one."""
    return x if sign > 0 else -x


def _method(name):
    def method(self):
        out = _call(name, self.value)
        return Jet(out, DERIVATIVES[name](self.value, out) * self.slope)

    return method


for _name in DERIVATIVES:
    setattr(Jet, _name, _method(_name))


def _call(name, x):
    return getattr(x, name)() if isinstance(x, Jet) else getattr(arb(x), ARB_NAMES.get(name, name))()


def _with(other, function):
    """Arrays are left to NumPy; plain numbers have no slope."""
    return NotImplemented if isinstance(other, np.ndarray) else function(lift(other))


def lift(x):
    """A jet as it is; a plain number as a jet that does not move."""
    x = x.item() if isinstance(x, np.ndarray) else x
    if isinstance(x, Jet):
        return x
    return Jet(x if isinstance(x, arb) else arb(int(x)) if isinstance(x, bool | np.bool_ | np.integer) else arb(x))


def base(x):
    """The number itself, below all slopes."""
    while isinstance(x, Jet):
        x = x.value
    return arb(x)


def _is_zero(x):
    return _is_zero(x.value) and _is_zero(x.slope) if isinstance(x, Jet) else arb(x) == 0


def _order(x, y):
    """-1, 0 or 1 as x is below, equal to or above y; KinkError where a small step might change it."""
    difference = lift(x) + -lift(y)
    if _is_zero(difference):
        return 0
    distance = base(difference)
    if not abs(distance) > NEAR:
        raise KinkError(f"{x} and {y}")
    return 1 if distance > 0 else -1


def _whole(ball):
    whole = ball.floor().unique_fmpz()
    if whole is None or not abs(ball - (ball + arb(0.5)).floor()) > NEAR:
        raise KinkError(f"a whole quotient at {ball}")
    return arb(whole)


def _power(x, y):
    if not _is_zero(y.slope):
        return (y * x.log()).exp()
    exponent = base(y)
    whole = exponent.unique_fmpz() if exponent.is_exact() else None
    if whole is None:
        return (y * x.log()).exp()
    out = lift(1)
    for _ in range(abs(int(whole))):
        out = out * x
    return out if whole >= 0 else 1 / out


_lift_each = np.frompyfunc(lift, 1, 1)


def _lifted(item):
    return _lift_each(np.asarray(item)) if isinstance(item, JetArray) else item


class JetArray(np.ndarray):
    """An object array of jets; plain numbers that were written into it count as jets that do not move."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method == "at":
            ufunc.at(inputs[0].view(np.ndarray), inputs[1], *map(_lifted, inputs[2:]))
            return None
        inputs = [_lifted(item) for item in inputs]
        kwargs.pop("dtype", None)  # balls have no precision to lose
        if method == "reduce" and "where" in kwargs and ufunc in (np.add, np.multiply):
            kwargs.setdefault("initial", ufunc.identity)  # objects have no identity of their own
        if out is not None:
            kwargs["out"] = tuple(o.view(np.ndarray) if isinstance(o, JetArray) else o for o in out)
        result = getattr(ufunc, method)(*inputs, **kwargs)
        if out is not None:
            return out[0]
        is_array = isinstance(result, np.ndarray) and result.dtype == object
        return result.view(JetArray) if is_array else result

    def astype(self, dtype, **options):
        """A copy, whatever the dtype."""
        return self.copy()

    def item(self):
        """The only element."""
        return lift(np.asarray(self).item())


def jets(values, slopes):
    """Numbers with slopes: a JetArray for an array, one jet for one number. Values and slopes may be jets already."""
    each = np.frompyfunc(lambda v, s: Jet(v if isinstance(v, Jet) else arb(v), s), 2, 1)
    result = each(np.asarray(values, object), np.asarray(slopes, object))
    if not isinstance(values, np.ndarray | np.generic):
        return result
    out = np.empty_like(values, object, subok=False)  # in the same memory order
    out[...] = result
    return out.view(JetArray)


def slope_along(weights, outputs):
    """⟨weights, slopes of outputs⟩: one number, exact."""
    elements = _lift_each(np.asarray(outputs, object))
    parts = np.frompyfunc(lambda w, o: arb(float(w)) * o.slope, 2, 1)(np.asarray(weights, object), elements)
    return sum(np.ravel(parts), start=arb(0))


class ExactNumPy:
    """NumPy whose object arrays are JetArrays: what a program sees as `np` when it runs on jets."""

    def __getattr__(self, name):
        item = getattr(np, name)
        if isinstance(item, np.ufunc):
            return item
        return _as_jets(item) if callable(item) and not isinstance(item, type) else item


def _as_jets(function):
    def call(*args, **kwargs):
        if function in (np.zeros, np.ones, np.empty, np.full):
            kwargs["dtype"] = object
        result = function(*args, **kwargs)
        return result.view(JetArray) if isinstance(result, np.ndarray) and result.dtype == object else result

    return call
