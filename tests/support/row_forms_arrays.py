"""Forms of examples for keys, written elements, made, joined and moved arrays."""

import itertools
import math

import numpy as np
from row_forms import Example, on
from row_inputs import DTYPES, LAYOUTS, PAIRS, filled, points

from dout.ops import PRIMITIVES
from dout.ops.operators import split_key
from dout.ops.shape import add_at, scatter, setitem, survives

VIEWED = [np.s_[0], np.s_[1:], np.s_[::-1], np.s_[-1, ::2], np.s_[..., None, 1], np.s_[:, 1], np.s_[1, 2]]


def taken(key, shape=(3, 4)):
    """x[key]."""
    return on(lambda x: x[key], np.arange(math.prod(shape), dtype=float).reshape(shape) + 0.25)


def taken_at(*index, shape=(3, 4)):
    """x[i, j], where the index is traced too."""
    x = np.arange(math.prod(shape), dtype=float).reshape(shape) + 0.25
    return on(lambda x, *index: x[index if len(index) > 1 else index[0]], x, *index)


def written(key, value, shape=(3, 4)):
    """x[key] = value, on a copy."""

    def plain(x, value):
        x = x.copy()
        x[key] = value
        return x

    def ours(x, value):
        template, index = split_key(key)
        return setitem(x, value, *index, key=template, selected=np.empty(shape)[key].shape)

    return on(plain, np.linspace(-1.0, 1.0, math.prod(shape)).reshape(shape), value, ours=ours)


def scattered(key, dout, shape=(3, 4)):
    """Gradients put back where elements came from, one by one."""

    def plain(dout):
        out = np.zeros(shape, dout.dtype) if dout.dtype != object else np.zeros(shape) * np.sum(dout)
        np.add.at(out, key, dout)
        return out

    def ours(dout):
        template, index = split_key(key)
        return scatter(dout, *index, key=template, shape=shape, dtype=dout.dtype)

    return on(plain, dout, ours=ours)


def folded(window, axes, steps, shape):
    """Gradients of windows, each element added where it came from."""
    every = [slice(None)] * len(shape)
    for axis, step in zip(axes, steps, strict=True):
        every[axis] = slice(None, None, step)
    number = np.arange(math.prod(shape)).reshape(shape)
    places = np.lib.stride_tricks.sliding_window_view(number, window, axes)[tuple(every)]

    def plain(dout):
        out = np.zeros(number.size, dout.dtype) if dout.dtype != object else np.zeros(number.size) * np.sum(dout)
        np.add.at(out, places.reshape(-1), dout.reshape(-1))
        return out.reshape(shape)

    def ours(dout):
        return PRIMITIVES["fold"](dout, window=window, axes=axes, steps=steps, shape=shape)

    return on(plain, np.arange(float(places.size)).reshape(places.shape), ours=ours)  # sums without rounding


def surviving(key, shape=(3, 4)):
    """Which of the values written to x[key] are still there afterwards: the last one at each place."""

    def plain(*index):
        place = {}
        numbers = np.arange(math.prod(shape)).reshape(shape)[key]
        for i in np.ndindex(numbers.shape):
            place[numbers[i]] = i
        return np.array([place[numbers[i]] == i for i in np.ndindex(numbers.shape)]).reshape(numbers.shape)

    template, index = split_key(key)
    selected = np.empty(shape)[key].shape
    return on(plain, *map(np.array, index), ours=lambda *i: survives(*i, key=template, shape=shape, selected=selected))


MASK = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, False]])
ROWS = np.array([0, 2, 0])
LIKE = [
    np.zeros((2, 3), np.float32),
    np.ones((3, 2)).T,
    np.ones((2, 3, 4)).transpose(1, 0, 2),
    np.arange(3),
    np.float64(1),
]


def by_call(function, arguments, *inputs, exact=None):
    """A call that reaches no stand-in by NumPy's protocols; a trace answers it because it stands in for the module."""

    def ours(*inputs):
        return inputs[0]._recorder.call(function, *_split(arguments(*inputs)))

    def plain(*inputs):
        args, kwargs = _split(arguments(*inputs))
        return function(*args, **kwargs)

    return on(plain, *inputs, ours=ours, exact=exact)


def _split(arguments):
    return [a for a in arguments if not isinstance(a, dict)], {
        k: v for a in arguments if isinstance(a, dict) for k, v in a.items()
    }


def made(create, like):
    """Arrays out of nothing: np.zeros and np.zeros_like."""
    made = [
        by_call(create, lambda x: [(x.shape[0], 3)], np.ones(2)),
        by_call(create, lambda x: [x.shape, {"dtype": "f4"}], np.ones((2, 3))),
        by_call(create, lambda x: [4, {"dtype": int, "order": "F"}], np.ones(2)),
    ]
    options = [{}, {"dtype": np.float32}, {"order": "C"}, {"order": "F"}]
    return made + [by_call(like, lambda x, o=o: [x, o], x) for x in LIKE for o in options]


def emptied(example):
    """np.empty holds whatever the memory held: only its kind is compared, and the recording has zeros."""
    return Example(lambda *x: np.zeros_like(example.plain(*x)), example.inputs, (), ours=example.ours)


# --- joining and moving -----------------------------------------------------------------------------------------------


def joined(axis, *inputs):
    """np.concatenate, which a trace takes apart before it reaches the row."""
    row = PRIMITIVES["concatenate"]
    return on(lambda *x: np.concatenate(x, axis=axis), *inputs, ours=lambda *x: row(*x, axis=axis % inputs[0].ndim))


def grid(*shape, dtype=float):
    """Different numbers."""
    return (np.arange(math.prod(shape)).reshape(shape) + 1).astype(dtype)


def moving(*functions, shapes=((2, 3), (3,), (2, 2, 2), (1, 4), (3, 0))):
    """Functions of one array that only move its elements: over shapes, dtypes and layouts."""

    def inputs():
        for shape, dtype, layout in itertools.product(shapes, [*DTYPES, np.float16], LAYOUTS.values()):
            yield (layout(filled(shape, dtype)),)

    return [Example(f, inputs, tuple(points(s) for s in shapes)) for f in functions]


def added_at(key, value, shape=(3, 4)):
    """np.add.at(x, key, value), on a copy."""

    def plain(x, value):
        x = x.copy()
        np.add.at(x, key, value)
        return x

    def exact(x, value):
        places = np.arange(x.size).reshape(shape)[key]
        out = list(x.ravel())
        for i, v in zip(places.ravel(), np.broadcast_to(value, places.shape).ravel(), strict=True):
            out[i] = out[i] + v
        return np.array(out, object).reshape(shape)

    def ours(x, value):
        template, index = split_key(key)
        return add_at(x, value, *index, key=template, selected=np.empty(shape)[key].shape)

    return on(plain, np.linspace(-1.0, 1.0, math.prod(shape)).reshape(shape), value, ours=ours, exact=exact)


def shifts():
    """Whole numbers and how far to shift them."""
    for (first, second), dtype in itertools.product(PAIRS, [np.int64, np.bool_]):
        yield filled(first, dtype), filled(second, np.int64, start=9) % 5
    yield filled((2, 3), np.int64), 2
    yield 3, filled((2, 3), np.int64) % 7
    yield filled((2,), np.float64), 1


PERMUTED = np.linspace(-1.0, 2.0, 24).reshape(4, 2, 3).transpose(1, 2, 0)
