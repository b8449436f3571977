"""Examples of every row of the table of primitives: plain NumPy expressions, and inputs to try them on.

A new row needs one line in EXAMPLES; `test_primitives.py` checks the rest.
"""

import itertools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.ops import PRIMITIVES
from dout.ops.shape import scatter, setitem, survives
from dout.ops.standin import split_key

# --- inputs -----------------------------------------------------------------------------------------------------------

EDGES = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1e-40, 1e30, -1e300, 0.5, 2.5, -3.5, 700.0]
WHOLE = [0, 1, -1, 7, -7, 3, 2**31, -(2**40), 5, 2]
DTYPES = [np.float32, np.float64, np.int64, np.bool_]
SHAPES = [(), (0,), (1,), (7,), (2, 3), (3, 0, 2)]
PAIRS = [
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((1,), (4,)),
    ((3, 1, 2), (2, 2)),
    ((0,), (1,)),
    ((2, 3), (2, 3)),
]
LAYOUTS = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "stepped": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed": lambda x: x[::-1].copy()[::-1] if x.ndim else x,
    "permuted": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0) if x.ndim else x,
}
NUMBERS = [2, -3, 0, 1.5, -0.5, 1e300, True]


def filled(shape, dtype, start=0):
    """An array that walks through the edge values of its dtype."""
    values = WHOLE if dtype is np.int64 else [False, True, True] if dtype is np.bool_ else EDGES
    size = math.prod(shape)
    with np.errstate(all="ignore"):
        return (
            np.array(list(itertools.islice(itertools.cycle(values), start, start + size))).astype(dtype).reshape(shape)
        )


def arrays(dtypes=DTYPES):
    """Arrays of every dtype, shape and layout, and NumPy's scalars."""
    for dtype, shape, layout in itertools.product(dtypes, SHAPES, LAYOUTS.values()):
        yield (layout(filled(shape, dtype)),)
    yield from ((dtype(value),) for dtype in dtypes for value in (0, 1))
    yield from ((filled((len(EDGES),), dtype),) for dtype in dtypes)


def pairs():
    """Two arrays, an array and a number, two numbers: dtypes, shapes that broadcast, layouts, edge values."""
    for (first, second), a, b in itertools.product(PAIRS, DTYPES, DTYPES):
        yield filled(first, a), filled(second, b, start=3)
    for layout, dtype in itertools.product(LAYOUTS.values(), DTYPES):
        yield layout(filled((4, 3), dtype)), filled((3, 4), dtype, start=5).T
    for dtype in (np.float32, np.float64):
        grid = np.array(EDGES).astype(dtype) if dtype is np.float64 else filled((len(EDGES),), dtype)
        yield grid[:, None], grid
    for number, dtype in itertools.product(NUMBERS, DTYPES):
        yield filled((2, 3), dtype), number
        yield number, filled((2, 3), dtype)
        yield dtype(1), number


def number_pairs():
    """Two plain Python numbers."""
    yield from itertools.product(NUMBERS, NUMBERS)


def numbers():
    """Plain Python numbers."""
    yield from ((number,) for number in [*NUMBERS, math.inf, -math.inf, math.nan, 0.1, 5e-324])


def triples():
    """A condition and two sides."""
    for dtype, (first, second) in itertools.product(DTYPES, PAIRS):
        yield filled(first, np.bool_), filled(second, dtype), filled(first, dtype, start=2)
    yield filled((3,), np.float64), 1, filled((2, 3), np.float32)
    yield filled((2, 3), np.int64).T, filled((3, 2), np.float64), 0.5


def matrices():
    """Two factors of a matrix product: vectors, matrices, stacks, every layout."""
    shapes = [
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((5, 2, 3), (3, 1)),
        ((2, 1, 2, 3), (4, 3, 2)),
    ]
    for (first, second), dtype in itertools.product([*shapes, ((3,), (4, 3, 2)), ((2, 0), (0, 3))], DTYPES):
        yield filled(first, dtype), filled(second, dtype, start=2)
    for layout in LAYOUTS.values():
        yield layout(filled((2, 3), np.float64)), layout(filled((3, 2), np.float64))


def points(*shapes, low=0.3, high=2.0, signed=True):
    """A function that gives float arrays of these shapes, away from zero and from each other, where nothing kinks."""

    def draw(rng):
        values = [rng.uniform(low, high, size=shape) for shape in shapes]
        return [v * rng.choice([-1.0, 1.0], size=v.shape) for v in values] if signed else values

    return draw


def given(*inputs):
    """A function that gives just these inputs."""
    return lambda *_: [np.array(item) if isinstance(item, np.ndarray) else item for item in inputs]


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


EXAMPLES = {
    "add": two(np.add, operator.add),
    "subtract": two(np.subtract, operator.sub),
    "multiply": two(np.multiply, operator.mul),
    "divide": two(np.divide, operator.truediv),
    "negative": one(np.negative, operator.neg) + one(operator.neg, at=(), inputs=numbers),
    "positive": one(np.positive, operator.pos) + one(operator.pos, at=(), inputs=numbers),
    "power": two(np.power, at=(points((2, 3), (3,), signed=False), points((2,), (), low=1.1, signed=False))),
    "pow": two(operator.pow, at=(points((2, 3), (3,), signed=False), points((), (), signed=False)))
    + [Example(lambda x, n=n: x**n, arrays, POSITIVE) for n in (0, 1, 2, 0.5, 3, -1, -2.5)]
    + [Example(lambda x, n=n: x**n, arrays, ONE) for n in (0, 2, 3, -1)]
    + [
        on(operator.pow, 2, -1),
        on(operator.pow, 2**62, 3),
        on(lambda x: x**0, np.zeros(2)),
        on(lambda x: x**2, np.zeros(2)),
    ],
    "square": one(np.square),
    "sqrt": one(np.sqrt, at=POSITIVE),
    "exp": one(np.exp),
    "log": one(np.log, at=POSITIVE),
    "absolute": one(np.absolute, abs) + one(abs, at=(), inputs=numbers),
    "math_exp": one(math.exp, inputs=numbers, at=(given(0.7),), ours=PRIMITIVES["math_exp"], exact=np.exp),
    "math_log": one(math.log, inputs=numbers, at=(given(0.7),), ours=PRIMITIVES["math_log"], exact=np.log),
    "math_sqrt": one(math.sqrt, inputs=numbers, at=(given(0.7),), ours=PRIMITIVES["math_sqrt"], exact=np.sqrt),
    "sign": one(np.sign),
    "floor_divide": two(np.floor_divide, operator.floordiv),
    "mod": two(np.remainder, operator.mod),
    "around": one(np.round, np.around, lambda x: x.round(), lambda x: np.round(x, 2), lambda x: x.round(decimals=1)),
    "round": one(round, at=(), inputs=lambda: [(2.5,), (np.float64(2.5),), (np.float32(-0.5),), (7,), (np.int64(7),)])
    + one(
        lambda x: round(x, 1),
        at=(given(0.37),),
        inputs=lambda: [(0.15,), (np.float64(0.15),), (np.float32(0.15),), (7,)],
    ),
    "less": two(np.less, operator.lt),
    "less_equal": two(np.less_equal, operator.le),
    "greater": two(np.greater, operator.gt),
    "greater_equal": two(np.greater_equal, operator.ge),
    "equal": two(np.equal, operator.eq),
    "not_equal": two(np.not_equal, operator.ne),
    "bitwise_and": two(np.bitwise_and, operator.and_, at=()),
    "bitwise_or": two(np.bitwise_or, operator.or_, at=()),
    "bitwise_xor": two(np.bitwise_xor, operator.xor, at=()),
    "logical_and": two(np.logical_and),
    "logical_or": two(np.logical_or),
    "invert": one(np.invert, operator.invert, at=()),
    "logical_not": one(np.logical_not),
    "where": [
        Example(np.where, triples, tuple(lambda rng, s=s: [rng.random(s[0]) < 0.5, *points(*s)(rng)] for s in PAIRS)),
        Example(lambda x, y: np.where(x < y, x, y), pairs),
    ],
    "maximum": two(np.maximum),
    "minimum": two(np.minimum),
    "matmul": two(
        np.matmul,
        operator.matmul,
        inputs=matrices,
        at=tuple(
            points(*s)
            for s in [
                ((2, 3), (3, 4)),
                ((3,), (3,)),
                ((3,), (3, 2)),
                ((2, 3), (3,)),
                ((5, 2, 3), (3, 1)),
                ((2, 1, 2, 3), (4, 3, 2)),
                ((3,), (4, 3, 2)),
                ((4, 2, 3), (3,)),
            ]
        ),
    ),
    "sum": one(np.sum, lambda x: x.sum(), lambda x: np.sum(x, keepdims=True), lambda x: x.sum(dtype="f8"))
    + one(lambda x: x.sum(axis=0), lambda x: np.sum(x, axis=-1, keepdims=True), at=(points((2, 3)), points((2, 3, 2))))
    + one(lambda x: np.sum(x, (0, -1)), lambda x: x.sum(axis=np.int64(1)), at=(points((2, 3)), points((2, 3, 2)))),
    "reshape": one(lambda x: x.reshape(-1), lambda x: np.reshape(x, (1, -1)), lambda x: x.reshape(x.shape, order="F"))
    + [
        on(f, x)
        for x in (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2).T, np.arange(12.0).reshape(2, 6)[:, ::2])
        for f in (
            lambda x: x.reshape(3, 2),
            lambda x: x.reshape((3, -1), order="F"),
            lambda x: np.reshape(x, 6, order="A"),
        )
    ],
    "ravel": one(np.ravel, lambda x: x.ravel(), lambda x: x.ravel("F"), lambda x: np.ravel(x, order="A")),
    "flatten": one(lambda x: x.flatten(), lambda x: x.flatten("F"), lambda x: x.flatten(order="A")),
    "transpose": one(np.transpose, lambda x: x.T, lambda x: x.transpose())
    + [
        on(f, np.arange(24.0).reshape(2, 3, 4))
        for f in (
            lambda x: x.transpose(2, 0, 1),
            lambda x: np.transpose(x, [1, 0, -1]),
            lambda x: x.transpose((-1, 1, 0)),
        )
    ],
    "broadcast_to": [
        on(lambda x: np.broadcast_to(x, (2, 3)), x)
        for x in (np.arange(3.0), np.ones((2, 1)), np.float32(2), np.ones(()))
    ]
    + [on(lambda x: np.broadcast_to(x, 3), np.arange(1.0))],
    "copy": one(lambda x: x.copy(), lambda x: x.copy("F"), lambda x: np.copy(x), lambda x: np.copy(x, order="F"))
    + one(lambda x: x.__copy__(), lambda x: x.__deepcopy__({}), exact=lambda x: x.copy()),
    "astype": one(lambda x: x.astype("f4"), lambda x: x.astype(float), lambda x: x.astype(dtype=np.float64))
    + one(lambda x: x.astype(int), lambda x: x.astype(bool), at=()),
    "getitem": [taken(key) for key in VIEWED]
    + [
        taken(key)
        for key in (MASK, [0, 2, 0], np.s_[:, [1, 1]], (ROWS, np.array([1, 3, 1])), np.s_[ROWS, 1:3], np.s_[True])
    ]
    + [
        taken_at(MASK),
        taken_at(ROWS),
        taken_at(ROWS, np.array([1, 3, 1])),
        taken_at(np.int64(1)),
        taken_at(ROWS[:, None], ROWS),
    ],
    "setitem": [
        *(written(key, np.float64(0.5)) for key in [*VIEWED, MASK, [0, 2], (ROWS, ROWS), np.s_[:, [1, 1]], np.s_[...]]),
        *(written(key, np.arange(4.0)) for key in (np.s_[0], np.s_[1:], ROWS)),
        written(np.s_[0], np.ones((1, 4))),
        written(np.s_[:2, ::2], np.arange(2.0)[:, None]),
        written(MASK, np.arange(6.0)),
        written(ROWS, np.arange(12.0).reshape(3, 4)),
        written((ROWS, ROWS), np.arange(3.0)),
    ],
    "scatter": [
        scattered(np.s_[0], np.arange(4.0)),
        scattered(np.s_[1:, ::-2], np.ones((2, 2))),
        scattered(MASK, np.arange(6.0)),
        scattered((ROWS, ROWS), np.arange(3.0)),
        scattered(ROWS, np.arange(12.0).reshape(3, 4)),
        scattered(np.s_[1, 2], np.float64(2)),
    ],
    "survives": [
        surviving(ROWS),
        surviving((ROWS, ROWS)),
        surviving((ROWS, np.array([0, 1, 2]))),
        surviving(np.s_[:, [1, 1]]),
    ],
    "zeros": made(np.zeros, np.zeros_like),
    "ones": made(np.ones, np.ones_like),
    "empty": [emptied(example) for example in made(np.empty, np.empty_like)],
    "full": [
        *(
            by_call(np.full, lambda x: [(2, 3), x], x, exact=lambda x: np.broadcast_to(x, (2, 3)))
            for x in (np.float64(2), 2.5, 3, np.arange(3.0), np.float32(1))
        ),
        by_call(np.full, lambda x: [3, x, np.float32], np.float64(2), exact=lambda x: np.broadcast_to(x, (3,))),
        by_call(np.full, lambda x: [(2, 2), x, {"order": "F"}], 2.5, exact=lambda x: np.broadcast_to(x, (2, 2))),
        *(
            by_call(
                np.full_like,
                lambda x, like=like: [like, x],
                0.5,
                exact=lambda x, like=like: np.broadcast_to(x, like.shape),
            )
            for like in LIKE
        ),
        *(by_call(np.full_like, lambda x: [x, 2.0], x) for x in LIKE),
    ],
    "array": [
        on(lambda *x: np.array(x), *x, ours=PRIMITIVES["array"])
        for x in [
            (1.5, 2.5),
            (1, 2.5),
            (np.float32(1), np.float32(2)),
            (np.arange(3.0), np.ones(3)),
            (np.ones((2, 2)),),
        ]
    ],
    "asarray": [on(np.asarray, x, ours=PRIMITIVES["asarray"]) for x in (1.5, 3, True, np.float32(2))],
    "item": one(
        lambda x: x.item(),
        inputs=lambda: [(np.ones(s, d),) for s in ((), (1,), (1, 1)) for d in DTYPES],
        at=(points(()), points((1, 1))),
    ),
}
