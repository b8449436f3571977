"""Numbers that remember how they were made, over balls of 300 bits: the derivative of a forward, exact, in one run.

A `Number` is a ball and, for each number it was made of, the local derivative. NumPy's object arrays of them run a
layer's own forward; one sweep back gives the whole gradient. This is reverse mode on the scalars of the plain program;
it shares nothing with dout's tracer, rows or gradients, nor with the forward-mode jets of the tests.

>>> import numpy as np
>>> x = leaves(np.array([3.0, 2.0]))
>>> [float(g) for g in slopes([np.sum(x * x)], [1.0], list(x))]
[6.0, 4.0]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flint import arb, ctx

ctx.prec = 300

ZERO, ONE = arb(0), arb(1)
_serial = itertools.count()


class Kinks:
    """How many comparisons met equal numbers that need not stay equal."""

    met = 0


class Number:
    """A ball with its makers: pairs of a number and the derivative with respect to it."""

    __slots__ = ("makers", "serial", "value")
    shape, ndim, size = (), 0, 1
    dtype = np.dtype(object)

    def __init__(self, value: arb, makers: tuple[tuple[Number, arb], ...] = ()) -> None:
        self.value = value
        self.makers = makers
        self.serial = next(_serial)

    def __repr__(self) -> str:
        return f"Number({self.value})"

    def __add__(self, other: Any) -> Any:
        return _two(other, lambda o: _made(self.value + o.value, (self, ONE), (o, ONE)))

    def __sub__(self, other: Any) -> Any:
        return _two(other, lambda o: _made(self.value - o.value, (self, ONE), (o, -ONE)))

    def __mul__(self, other: Any) -> Any:
        return _two(other, lambda o: _made(self.value * o.value, (self, o.value), (o, self.value)))

    def __truediv__(self, other: Any) -> Any:
        def divided(o: Number) -> Number:
            out = self.value / o.value
            return _made(out, (self, 1 / o.value), (o, -out / o.value))

        return _two(other, divided)

    def __pow__(self, other: Any) -> Any:
        return _two(other, lambda o: _power(self, o))

    def __floordiv__(self, other: Any) -> Any:
        return _two(other, lambda o: Number((self.value / o.value).floor()))

    def __mod__(self, other: Any) -> Any:
        return _two(other, lambda o: self - o * (self // o))

    def __neg__(self) -> Number:
        return _made(-self.value, (self, -ONE))

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return self * _order(self, NOTHING)

    def __rsub__(self, other: Any) -> Any:
        return _two(other, lambda o: o - self)

    def __rtruediv__(self, other: Any) -> Any:
        return _two(other, lambda o: o / self)

    def __rpow__(self, other: Any) -> Any:
        return _two(other, lambda o: _power(o, self))

    def __rfloordiv__(self, other: Any) -> Any:
        return _two(other, lambda o: o // self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, other: Any) -> Any:
        return _two(other, lambda o: _order(self, o) < 0)

    def __le__(self, other: Any) -> Any:
        return _two(other, lambda o: _order(self, o) <= 0)

    def __gt__(self, other: Any) -> Any:
        return _two(other, lambda o: _order(self, o) > 0)

    def __ge__(self, other: Any) -> Any:
        return _two(other, lambda o: _order(self, o) >= 0)

    def __eq__(self, other: Any) -> Any:
        return _two(other, lambda o: _order(self, o) == 0)

    def __ne__(self, other: Any) -> Any:
        return _two(other, lambda o: _order(self, o) != 0)

    def __bool__(self) -> bool:
        return _order(self, NOTHING) != 0

    __hash__ = object.__hash__

    def copy(self) -> Number:
        """A number does not change, so it is its own copy."""
        return self

    conjugate = __pos__

    def astype(self, dtype: Any, **options: Any) -> Number:
        """Balls have one precision."""
        return self

    def sum(self, *args: Any, **options: Any) -> Number:
        """Of one number."""
        return self

    mean = max = sum

    def reshape(self, *shape: Any) -> Any:
        """An array of one number."""
        return _array(self).reshape(*shape)


class Leaf(Number):
    """A number to differentiate by."""

    __slots__ = ()


def moves(number: Number) -> bool:
    """Whether a number is a leaf or depends on one."""
    return bool(number.makers) or isinstance(number, Leaf)


NOTHING = Number(ZERO)

# Each function that elements answer: its value at the ball x, and its derivative there, where y is that value.
FUNCTIONS: dict[str, tuple[Callable[[arb], arb], Callable[[arb, arb], arb]]] = {
    "exp": (lambda x: x.exp(), lambda x, y: y),
    "expm1": (lambda x: x.expm1(), lambda x, y: y + 1),
    "log": (lambda x: x.log(), lambda x, y: 1 / x),
    "log1p": (lambda x: x.log1p(), lambda x, y: 1 / (1 + x)),
    "sqrt": (lambda x: x.sqrt(), lambda x, y: 1 / (2 * y)),
    "tanh": (lambda x: x.tanh(), lambda x, y: 1 - y * y),
    "sinh": (lambda x: x.sinh(), lambda x, y: x.cosh()),
    "cosh": (lambda x: x.cosh(), lambda x, y: x.sinh()),
    "sin": (lambda x: x.sin(), lambda x, y: x.cos()),
    "cos": (lambda x: x.cos(), lambda x, y: -x.sin()),
    "tan": (lambda x: x.tan(), lambda x, y: 1 + y * y),
    "arctan": (lambda x: x.atan(), lambda x, y: 1 / (1 + x * x)),
    "arcsinh": (lambda x: x.asinh(), lambda x, y: 1 / (1 + x * x).sqrt()),
    "log2": (lambda x: x.log() / arb(2).log(), lambda x, y: 1 / (x * arb(2).log())),
    "cbrt": (lambda x: x.root(3) if x > 0 else -(-x).root(3), lambda x, y: 1 / (3 * y * y)),
    "erf": (lambda x: x.erf(), lambda x, y: 2 / arb.pi().sqrt() * (-x * x).exp()),
    "floor": (lambda x: x.floor(), lambda x, y: ZERO),
    "ceil": (lambda x: x.ceil(), lambda x, y: ZERO),
    "rint": (lambda x: (x + arb(0.5)).floor(), lambda x, y: ZERO),
}


def _function(name: str) -> Callable[[Number], Number]:
    value, derivative = FUNCTIONS[name]

    def method(self: Number) -> Number:
        out = value(self.value)
        return _made(out, (self, derivative(self.value, out)))

    return method


for _name in FUNCTIONS:
    setattr(Number, _name, _function(_name))
Number.__floor__, Number.__ceil__ = Number.floor, Number.ceil  # type: ignore[attr-defined]


def _made(value: arb, *makers: tuple[Number, arb]) -> Number:
    """A number that keeps only makers through which something can flow."""
    return Number(value, tuple((n, d) for n, d in makers if moves(n) and d != 0))


def _two(other: Any, function: Callable[[Number], Any]) -> Any:
    """Arrays are left to NumPy; a plain number is lifted."""
    return NotImplemented if isinstance(other, np.ndarray) and other.ndim else function(lift(other))


def lift(x: Any) -> Number:
    """A number as it is; a plain one as a constant."""
    x = x.item() if isinstance(x, np.ndarray) else x
    if isinstance(x, Number):
        return x
    return Number(arb(int(x)) if isinstance(x, bool | np.bool_ | int | np.integer) else arb(float(x)))


def _power(x: Number, y: Number) -> Number:
    whole = y.value.unique_fmpz() if not moves(y) and y.value.is_exact() else None
    if whole is not None:
        n = int(whole)
        out = x.value**n if n >= 0 else 1 / x.value**-n
        slope = ZERO if n == 0 else n * (x.value ** (n - 1) if n >= 1 else 1 / x.value ** (1 - n))
        return _made(out, (x, slope))
    out = (y.value * x.value.log()).exp() if x.value != 0 else ZERO
    return _made(out, (x, y.value * out / x.value), (y, out * x.value.log()))


def _order(x: Number, y: Number) -> int:
    """-1, 0 or 1 as x is below, at or above y."""
    if x is y:
        return 0
    distance = x.value - y.value
    if distance > 0 or distance < 0:
        return 1 if distance > 0 else -1
    Kinks.met += moves(x) or moves(y)
    return 0


_lift_each = np.frompyfunc(lift, 1, 1)
_top = np.frompyfunc(max, 2, 1)
_erf_each = np.frompyfunc(lambda x: lift(x).erf(), 1, 1)


class ExactArray(np.ndarray):
    """An object array of numbers; plain ones that were written into it count as constants."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "at":
            ufunc.at(inputs[0].view(np.ndarray), inputs[1], *(_plain(i) for i in inputs[2:]))
            return None
        if ufunc is np.logaddexp:
            x, y = inputs
            top = _top(_plain(x), _plain(y))
            return _array(np.log(np.exp(_array(x) - top) + np.exp(_array(y) - top)) + top)
        options.pop("dtype", None)
        inputs = tuple(_bare(item) for item in inputs)
        if out is not None:
            options["out"] = tuple(o.view(np.ndarray) if isinstance(o, ExactArray) else o for o in out)
        result = getattr(ufunc, method)(*inputs, **options)
        if out is not None:
            return out[0]
        return result.view(ExactArray) if isinstance(result, np.ndarray) and result.dtype == object else result

    def astype(self, dtype: Any, **options: Any) -> ExactArray:
        """A copy: balls have one precision."""
        return self.copy()


def _plain(item: Any) -> Any:
    return _lift_each(np.asarray(item, object)) if isinstance(item, np.ndarray | float | int) else item


def _bare(item: Any) -> Any:
    """An array for NumPy's own loops: numbers lifted, indices and masks as they are."""
    if not isinstance(item, ExactArray):
        return item
    return _lift_each(item.view(np.ndarray)) if item.dtype == object else item.view(np.ndarray)


def _array(x: Any) -> ExactArray:
    out = np.empty(np.shape(x), object)
    out[...] = x
    return out.view(ExactArray)


class ExactNumPy:
    """NumPy as a forward sees it when it runs on numbers: what NumPy makes can hold them."""

    def __getattr__(self, name: str) -> Any:
        item = getattr(np, name)
        if isinstance(item, np.ufunc | type) or not callable(item):
            return item
        return lambda *args, **options: _exact(item, args, options)

    @staticmethod
    def logaddexp(x: Any, y: Any) -> Any:
        """Also of a number and an array."""
        return np.logaddexp(_array(x), _array(y))


def _exact(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if function in (np.zeros, np.ones, np.empty, np.full):
        first = 2 if function is np.full else 1
        kind = [*args[first:], options.get("dtype")][0]
        args, options["dtype"] = args[:first], kind if kind in (bool, int) else object
    elif function in (np.array, np.asarray, np.ascontiguousarray, np.zeros_like, np.ones_like, np.empty_like):
        options.pop("dtype", None)
    result = function(*args, **options)
    return result.view(ExactArray) if isinstance(result, np.ndarray) and result.dtype == object else result


def exact_namespace(names: dict[str, Any]) -> None:
    """Let a module's functions run on numbers from now on."""
    for name, value in list(names.items()):
        if value is np:
            names[name] = ExactNumPy()
        elif getattr(value, "__name__", "") == "erf":
            names[name] = lambda x: _array(_erf_each(np.asarray(x, object)))


def leaves(values: Any, shake: np.random.Generator | None = None) -> Any:
    """Numbers to differentiate by; `shake` moves each by about 2**-200, off every kink."""

    def leaf(v: Any) -> Number:
        moved = arb(int(v)) if isinstance(v, int | np.integer) else arb(float(v))
        if shake is not None:
            moved = moved + arb(float(shake.normal())) * arb(2) ** -200 * (abs(moved) if moved != 0 else ONE)
        return Leaf(moved)

    if not isinstance(values, np.ndarray):
        return leaf(values)
    out = np.empty_like(values, object, subok=False)
    for index in np.ndindex(values.shape):
        out[index] = leaf(values[index])
    return out.view(ExactArray)


def slopes(outputs: Sequence[Any], weights: Sequence[Any], by: Sequence[Number]) -> list[arb]:
    """The derivative of ⟨weights, outputs⟩ by each number."""
    found: dict[int, arb] = {}
    waiting: dict[int, Number] = {}
    for out, weight in zip(outputs, weights, strict=True):
        number = lift(out)
        found[number.serial] = found.get(number.serial, ZERO) + arb(float(weight))
        waiting[number.serial] = number
    stack = list(waiting.values())
    while stack:
        for maker, _ in stack.pop().makers:
            if maker.serial not in waiting:
                waiting[maker.serial] = maker
                stack.append(maker)
    for serial in sorted(waiting, reverse=True):
        slope = found.get(serial)
        if slope is not None:
            for maker, local in waiting[serial].makers:
                found[maker.serial] = found.get(maker.serial, ZERO) + slope * local
    return [found.get(number.serial, ZERO) for number in by]
