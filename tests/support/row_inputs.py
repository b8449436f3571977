"""Inputs to try the rows of the table of primitives on: dtypes, shapes, layouts and edge values."""

import itertools
import math

import numpy as np

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
    if dtypes is DTYPES:
        yield from ((filled(shape, np.float16),) for shape in ((), (len(EDGES),), (2, 3)))


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
