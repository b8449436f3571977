"""Forms of examples for reductions, products of matrices and equations."""

import itertools
import math

import numpy as np
from row_forms import ONE, Example, on, one
from row_forms_arrays import MASK, grid
from row_inputs import DTYPES, LAYOUTS, filled, given, points


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
