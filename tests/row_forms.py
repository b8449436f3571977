"""What an example of a row is, and the forms that many rows share."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from jets import lift
from row_inputs import DTYPES, LAYOUTS, PAIRS, SHAPES, arrays, filled, given, number_pairs, numbers, pairs, points

from dout.ops import PRIMITIVES, special
from dout.ops.shape import add_at, scatter, setitem, survives
from dout.ops.standin import split_key

special.learn(scipy.special)

# --- examples ---------------------------------------------------------------------------------------------------------


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
VIEWED = [np.s_[0], np.s_[1:], np.s_[::-1], np.s_[-1, ::2], np.s_[..., None, 1], np.s_[:, 1], np.s_[1, 2]]


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


# --- reductions, with all their options -------------------------------------------------------------------------------


def masked():
    """An array, and which of its elements count: masks of its shape and masks that broadcast."""
    for dtype, (shape, mask) in itertools.product(
        [*DTYPES, np.float16], [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((3,), ()), ((), ()), ((0,), (0,))]
    ):
        yield filled(shape, dtype), filled(mask, np.bool_, start=1)
    for layout in LAYOUTS.values():
        yield layout(filled((4, 3), np.float64, start=9)), layout(filled((4, 3), np.bool_))


def counted(rng):
    """Points with a mask that leaves some elements of each row and column."""
    return [*points((3, 4))(rng), MASK | np.eye(3, 4, 1, dtype=bool) | np.eye(3, 4, 2, dtype=bool)]


def reduction(function, method, *, at=(), dtype=True, initial=(), **options):
    """Every way to ask for a reduction; `initial` holds a value where the reduction takes one."""
    at_axes = (points((2, 3)), points((2, 3, 2))) if at else ()
    at_masks = (counted,) if at else ()
    found = one(
        function,
        lambda x: getattr(x, method)(),
        lambda x: function(x, keepdims=True),
        lambda x: function(x, None),
        at=at,
        **options,
    )
    found += one(
        lambda x: getattr(x, method)(axis=0),
        lambda x: function(x, axis=-1, keepdims=True),
        lambda x: function(x, (0, -1)),
        lambda x: function(x, axis=(1,), keepdims=False),
        lambda x: getattr(x, method)(np.int64(1)),
        at=at_axes,
        **options,
    )
    if dtype:
        found += one(lambda x: function(x, dtype="f8"), at=at, **options)
        found += one(lambda x: getattr(x, method)(0, np.float32), at=at_axes, **options)
        found += one(lambda x: function(x, -1, None, None, keepdims=True), at=(), **options)
    for value in initial:
        found += one(lambda x, v=value: function(x, initial=v), at=at, **options)
        found += one(lambda x, v=value: function(x, axis=0, initial=v, keepdims=True), at=at_axes, **options)
    for extra in [{"initial": v} for v in initial] or [{}]:
        found += [
            Example(lambda x, m, e=extra: function(x, where=m, **e), masked, at_masks),
            Example(lambda x, m, e=extra: function(x, axis=0, where=m, **e), masked, at_masks),
            Example(lambda x, m, e=extra: function(x, axis=-1, where=m, keepdims=True, **e), masked, at_masks),
            Example(lambda x, m, e=extra: getattr(x, method)(axis=-1, where=m, **e), masked, at_masks),
        ]
    return found


FULL = (points((2, 3)), points((4,)), points(()))
SEVERAL = (points((2, 3)), points((4,)))  # a deviation needs more than one element
ZEROS = [given(np.array(x)) for x in ([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5], [1.0, 2.0, -0.5]], [0.0, 2.0], [0.0, 0.0])]


def test_of(function, method):
    """np.any and np.all."""
    return reduction(function, method, dtype=False) + one(function, at=ONE)


def place(function, method):
    """np.argmax and np.argmin."""
    found = one(
        function,
        lambda x: getattr(x, method)(),
        lambda x: function(x, axis=0),
        lambda x: function(x, axis=-1, keepdims=True),
        lambda x: function(x, keepdims=True),
        lambda x: getattr(x, method)(axis=1, keepdims=True),
        lambda x: function(x, 0),
        at=(points((2, 3)),),
    )
    return [*found, on(lambda x: function(x, axis=0), np.array([[1.0, 2.0], [1.0, 2.0]]))]


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


def einsums():
    """np.einsum in every form it has a row for."""
    a, b, c, v = grid(2, 3), grid(3, 4) / 7, grid(5, 2, 3) / 3, grid(3) / 2
    for formula, *operands in [
        ("ij,jk->ik", a, b),
        ("ij,jk", a, b),
        ("ij->ji", a),
        ("ij->", a),
        ("ij->i", a),
        ("i,i", v, v),
        ("i,j->ij", v, v),
        ("bij,jk->bik", c, b),
        ("bij,ij->b", c, a),
        ("ij,j,jk->ik", a, v, b),
        ("ij,kl->", a, b),
        (" ij , jk -> k i ", a, b),
        ("ij,ij->ij", a, grid(1, 3)),
        ("ij,j->i", a, grid(1)),
        ("ij,ij->j", grid(2, 1), a),
        ("ij,jk->k", a, grid(3, 0)),
        (",i->i", np.float64(2), v),
    ]:
        yield on(lambda *x, f=formula: np.einsum(f, *x), *operands, exact=lambda *x, f=formula: _einsum(f, *x))
    yield on(lambda x, y: np.einsum("ij,jk->ik", x, y, optimize=True), a, b, exact=lambda x, y: x @ y)
    yield on(lambda x, y: np.einsum("ij,jk->ik", x, y), a.astype("f4"), b)
    yield on(lambda x, y: np.einsum("ij,jk->ik", x, y), a.astype(int), b.astype("f4"))
    yield on(lambda x, y: np.einsum("ij,jk->ik", x, y), a.astype(int).T.copy().T, b.astype(int))


def _einsum(formula, *operands):
    """The sum by its definition: over every letter, one by one."""
    left, arrow, right = formula.replace(" ", "").partition("->")
    terms = left.split(",")
    operands = [np.asarray(o, object) for o in operands]
    letters = sorted(set("".join(terms)))
    if not arrow:
        right = "".join(c for c in letters if left.count(c) == 1)
    size = {c: max(o.shape[t.index(c)] for t, o in zip(terms, operands, strict=True) if c in t) for c in letters}
    size.update({c: 0 for t, o in zip(terms, operands, strict=True) for c, n in zip(t, o.shape, strict=True) if n == 0})
    out = np.full([size[c] for c in right], 0, object)
    for place in itertools.product(*(range(size[c]) for c in letters)):
        at = dict(zip(letters, place, strict=True))
        factors = [
            o[tuple(at[c] if n > 1 else 0 for c, n in zip(t, o.shape, strict=True))]
            for t, o in zip(terms, operands, strict=True)
        ]
        key = tuple(at[c] for c in right)
        out[key] = math.prod(factors) + out[key]
    return out


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


DOTS = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((5, 2, 3), (3, 1)),
    ((2, 3), (4, 3, 2)),
    ((3,), (4, 3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((2,), ()),
]
INNERS = [((2, 3), (4, 3)), ((3,), (3,)), ((2, 2, 3), (3,)), ((2, 3), (2, 1, 3)), ((), (2, 3))]
BOTH_POSITIVE = tuple(points(*shapes, signed=False) for shapes in PAIRS)


def finite():
    """Arrays without the edge values that SciPy's own code turns into an error."""
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        if math.prod(shape):
            yield (np.linspace(-3, 4, math.prod(shape)).astype(dtype).reshape(shape),)


def shifts():
    """Whole numbers and how far to shift them."""
    for (first, second), dtype in itertools.product(PAIRS, [np.int64, np.bool_]):
        yield filled(first, dtype), filled(second, np.int64, start=9) % 5
    yield filled((2, 3), np.int64), 2
    yield 3, filled((2, 3), np.int64) % 7
    yield filled((2,), np.float64), 1


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


# --- equations --------------------------------------------------------------------------------------------------------

PERMUTED = np.linspace(-1.0, 2.0, 24).reshape(4, 2, 3).transpose(1, 2, 0)


def regular():
    """Matrices that have an inverse, alone and stacked."""
    for dtype, shape in itertools.product([np.float32, np.float64, np.int64], [(2, 2), (3, 3), (2, 2, 2)]):
        n = shape[-1]
        yield (np.broadcast_to(np.eye(n) * 4 + np.arange(n * n).reshape(n, n) % 3, shape).astype(dtype),)


def _square(*shape):
    """Points near which a matrix of this shape has an inverse."""
    return lambda rng: [rng.uniform(-1, 1, size=shape) + 3 * np.eye(shape[-1])]


REGULAR = (_square(3, 3), _square(2, 2), _square(3, 2, 2))


def beside(draw, *shape):
    """The points of `draw`, with an array of this shape beside them."""
    return lambda rng: [*draw(rng), rng.uniform(0.3, 2, size=shape)]


def _minor(x, row, column):
    return np.delete(np.delete(x, row, 0), column, 1)


def _determinant(x):
    if len(x) == 1:
        return x[0, 0]
    return sum((-1) ** k * x[0, k] * _determinant(_minor(x, 0, k)) for k in range(len(x)))


def determinant_of(x):
    """The determinant by its definition, of every matrix."""
    found = np.empty(x.shape[:-2], object)
    for place in np.ndindex(found.shape):
        found[place] = _determinant(x[place])
    return found


def inverse_of(x):
    """The inverse by Cramer's rule, of every matrix."""
    found = np.empty(x.shape, object)
    for place in np.ndindex(x.shape[:-2]):
        matrix = x[place]
        for i, j in np.ndindex(matrix.shape):
            found[(*place, i, j)] = (-1) ** (i + j) * _determinant(_minor(matrix, j, i)) / _determinant(matrix)
    return found
