"""Examples of the rows that sum, search, order and multiply matrices."""

import operator

import numpy as np
from row_forms import ONE, Example, all_arrays, on, one, two
from row_forms_arrays import grid
from row_forms_sums import (
    DOTS,
    FULL,
    INNERS,
    REGULAR,
    SEVERAL,
    ZEROS,
    beside,
    counted,
    determinant_of,
    einsums,
    inverse_of,
    masked,
    place,
    reduction,
    regular,
    test_of,
)
from row_inputs import DTYPES, arrays, matrices, pairs, points

from dout.ops import PRIMITIVES


def examples():
    """The examples of each row, by its name."""
    return {
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
        "sum": reduction(np.sum, "sum", at=FULL, initial=(2, -0.5)),
        "dot": two(
            np.dot,
            inputs=lambda: [*matrices(), *(pair for pair in pairs() if () in map(np.shape, pair) and all_arrays(pair))],
            at=tuple(points(*shapes) for shapes in [*DOTS, ((), (2, 3)), ((), ())]),
        )
        + two(lambda x, y: x.dot(y), inputs=matrices, at=tuple(points(*shapes) for shapes in DOTS)),
        "inner": [
            *two(
                np.inner,
                inputs=lambda: [(x, y.swapaxes(-1, -2) if y.ndim > 1 else y) for x, y in matrices()],
                at=tuple(points(*shapes) for shapes in INNERS),
            ),
            on(lambda x: np.inner(x, x), np.linspace(-1, 2, 12).reshape(2, 2, 3)),
        ],
        "einsum": list(einsums()),
        "inv": [Example(np.linalg.inv, regular, REGULAR, exact=inverse_of)],
        "solve": [
            Example(
                np.linalg.solve,
                lambda: [(a, grid(*a.shape[:-2], a.shape[-1], 2, dtype=a.dtype)) for (a,) in regular()],
                tuple(beside(draw, *shape) for draw, shape in zip(REGULAR, [(3,), (2, 2), (3, 2, 2)], strict=True)),
                exact=lambda a, b: np.matmul(inverse_of(a), b),
            ),
            Example(
                np.linalg.solve,
                lambda: [(np.eye(2) * 3, grid(2))],
                (beside(REGULAR[1], 3, 2, 2),),
                exact=lambda a, b: np.matmul(inverse_of(a), b),
            ),
        ],
        "det": [Example(np.linalg.det, regular, REGULAR, exact=determinant_of)],
        "convolve": [
            Example(
                lambda x, y, mode=mode: np.convolve(x, y, mode),
                lambda: [(grid(n, dtype=d), grid(m)) for n, m in ((5, 3), (5, 2), (1, 4), (4, 4)) for d in DTYPES],
                (points((5,), (3,)), points((5,), (2,)), points((2,), (4,)), points((3,), (3,))),
            )
            for mode in ("full", "same", "valid")
        ],
        "mean": reduction(np.mean, "mean", at=FULL),
        "var": reduction(np.var, "var", at=SEVERAL)
        + one(
            lambda x: np.var(x, ddof=1),
            lambda x: x.var(axis=0, ddof=1, keepdims=True),
            lambda x: x.var(0, None, None, 1),
            at=(points((3, 2)),),
        )
        + [Example(lambda x, m: np.var(x, axis=-1, ddof=1, where=m, keepdims=True), masked, (counted,))],
        "std": reduction(np.std, "std", at=SEVERAL)
        + one(lambda x: np.std(x, ddof=1), lambda x: x.std(axis=0, ddof=1, keepdims=True), at=(points((3, 2)),))
        + [Example(lambda x, m: np.std(x, axis=-1, ddof=0.5, where=m), masked, (counted,))],
        "prod": reduction(np.prod, "prod", at=FULL, initial=(2, 1.5))
        + one(np.prod, lambda x: np.prod(x, axis=0), lambda x: x.prod(axis=-1, keepdims=True), at=ZEROS),
        "max": reduction(np.max, "max", at=FULL, dtype=False, initial=(-50, 0.0)) + one(np.amax, at=FULL),
        "min": reduction(np.min, "min", at=FULL, dtype=False, initial=(50, 0.0)) + one(np.amin, at=FULL),
        "any": test_of(np.any, "any"),
        "all": test_of(np.all, "all"),
        "argmax": place(np.argmax, "argmax"),
        "argmin": place(np.argmin, "argmin"),
        "argsort": one(
            np.argsort,
            lambda x: x.argsort(),
            lambda x: np.argsort(x, 0, kind="stable"),
            lambda x: np.argsort(x, axis=None),
            lambda x: x.argsort(axis=-1),
            at=(points((2, 3)),),
        ),
        "nonzero": one(
            lambda x: np.nonzero(x)[0],
            at=(points((2, 3)),),
            inputs=lambda: [i for i in arrays() if i[0].ndim],
            ours=lambda x: PRIMITIVES["nonzero"](x, axis=0),
        ),
        "cumsum": one(
            np.cumsum,
            lambda x: x.cumsum(),
            lambda x: np.cumsum(x, axis=0),
            lambda x: x.cumsum(-1),
            at=(points((2, 3)), points((4,)), points((2, 2, 2))),
        )
        + one(np.cumsum, lambda x: np.cumsum(x, dtype=np.float64), lambda x: x.cumsum(dtype="f4"), at=ONE),
        "cumprod": one(
            np.cumprod,
            lambda x: x.cumprod(),
            lambda x: np.cumprod(x, axis=0),
            lambda x: x.cumprod(-1),
            at=(points((2, 3)), points((4,)), points((2, 2, 2)), *ZEROS),
            inputs=lambda: [i for i in arrays() if i[0].ndim],
        )
        + one(np.cumprod, lambda x: x.cumprod(dtype="f4"), at=ONE),
        "places": [
            Example(
                lambda x: np.digitize(x, [-1.0, 0.0, 1.0]),
                arrays,
                (points((2, 3)),),
                ours=lambda x: PRIMITIVES["places"](
                    x, np.array([-1.0, 0.0, 1.0]), function="digitize", shape=x.shape, dtype=np.dtype(np.intp)
                ),
            )
        ],
    }
