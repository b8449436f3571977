"""What an example of a row is, and the forms that many rows share."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from jets import lift
from row_inputs import DTYPES, PAIRS, SHAPES, arrays, filled, given, number_pairs, numbers, pairs, points

from dout.ops import special

special.learn(scipy.special)


@dataclass(frozen=True)
class Example:
    """A plain NumPy expression, the inputs to try it on, and where its derivative is taken.

    `ours` and `exact` say the same where the expression itself cannot run on stand-ins (what people write there does
    not come through NumPy) or on jets (they have no dtype).
    """

    plain: Callable[..., Any]
    inputs: Callable[[], Any] = arrays
    points: tuple[Callable[..., Any], ...] = ()
    ours: Callable[..., Any] | None = None
    exact: Callable[..., Any] | None = None
    twice: bool = True  # whether the second derivative is right there too


ONE = (points((2, 3)), points(()), points((0,)))
TWO = tuple(points(*shapes) for shapes in [*PAIRS, ((), ())])
POSITIVE = (points((2, 3), signed=False), points((), signed=False))


def one(*functions, at=ONE, inputs=arrays, **options):
    """Examples with one array."""
    return [Example(f, inputs, at, **options) for f in functions]


def two(*functions, at=TWO, inputs=pairs, **options):
    """Examples with two arrays; Python's operators (a second function) also between plain numbers."""
    examples = [Example(f, inputs, at, **options) for f in functions]
    return examples + [Example(f, number_pairs) for f in functions[1:] if inputs is pairs]


def on(plain, *inputs, **options):
    """An example with these inputs, the derivative taken at them too."""
    floats = all(getattr(i, "dtype", np.dtype(float)).kind != "O" for i in inputs)
    return Example(plain, lambda: [inputs], (given(*inputs),) if floats else (), **options)


def clipped():
    """An array between two bounds, which may be numbers or arrays, also the wrong way round."""
    for shape, dtype in itertools.product(SHAPES, DTYPES[:3]):
        yield filled(shape, dtype), -1, 2
        yield filled(shape, dtype), 2, -1
        yield filled(shape, dtype), filled(shape, dtype, start=4), np.asarray(3, dtype)
    yield filled((2, 3), np.float32), np.float32(-0.5), 0.7
    yield filled((2, 3), np.float64), filled((3,), np.float64, start=2), filled((2, 1), np.float64, start=5)


BETWEEN = (
    given(np.linspace(-2.1, 2.3, 6).reshape(2, 3), -0.95, 1.05),
    given(np.linspace(-2.1, 2.3, 6), np.linspace(-1.0, 1.5, 6), np.array(2.0)),
    given(np.linspace(-2.1, 2.3, 6), np.array(1.0), np.array(-1.0)),
)
UNIT = (points((2, 3), high=0.9), points((), high=0.9))
NEAR_ZERO = (points((2, 3), high=0.9), points((2, 3), signed=False))


def shares(x, y):
    """log(exp(x) + exp(y)) by its definition."""
    return np.log(np.exp(x) + np.exp(y))


def by_math(function, *places_, exact, inputs=None, count=1):
    """A function of module math: of plain numbers, of NumPy's scalars and of arrays of one element."""

    def ours(*inputs):
        found = [item for item in inputs if hasattr(item, "_recorder")]
        return found[0]._recorder.call(function, inputs, {})

    def others():
        yield from (numbers() if count == 1 else number_pairs())
        for dtype, value in itertools.product(DTYPES, (0, 1)):
            yield (dtype(value),) * count
            yield (np.array(value, dtype),) * count

    at = tuple(given(*(place if isinstance(place, tuple) else (place,))) for place in places_)
    return [Example(function, inputs or others, at, ours=ours, exact=exact)]


def in_special(name, exact, at=ONE, inputs=arrays, **options):
    """A function of scipy.special."""
    function = getattr(scipy.special, name)

    def ours(*x):
        return x[0]._recorder.call(function, x, options)

    return [Example(lambda *x: function(*x, **options), inputs, at, ours=ours, exact=exact)]


BOTH_POSITIVE = tuple(points(*shapes, signed=False) for shapes in PAIRS)


def finite():
    """Arrays without the edge values that SciPy's own code turns into an error."""
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        if math.prod(shape):
            yield (np.linspace(-3, 4, math.prod(shape)).astype(dtype).reshape(shape),)


def with_axes():
    """The same, of one axis or more."""
    return [inputs for inputs in finite() if np.ndim(inputs[0])]


def one_of_pairs(function):
    """An operator between plain numbers."""
    return [Example(function, lambda: [p for p in number_pairs() if abs(p[1]) < 9])]


def all_arrays(pair):
    return all(isinstance(item, np.ndarray) for item in pair)


def each(name):
    return np.frompyfunc(lambda x: getattr(lift(x), name)(), 1, 1)


def softmax_of(x, axis=None):
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)
