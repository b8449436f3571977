"""Examples of every row of the table of primitives: plain NumPy expressions, and inputs to try them on.

A new row needs one line in `all_examples`; `test_primitives.py` checks the rest.
"""

import functools
import math
import operator

import numpy as np
import scipy.special
from flint import arb
from row_forms import (
    BETWEEN,
    BOTH_POSITIVE,
    DOTS,
    FULL,
    INNERS,
    LIKE,
    MASK,
    NEAR_ZERO,
    ONE,
    PERMUTED,
    POSITIVE,
    REGULAR,
    ROWS,
    SEVERAL,
    UNIT,
    VIEWED,
    ZEROS,
    Example,
    added_at,
    all_arrays,
    beside,
    by_call,
    by_math,
    clipped,
    counted,
    determinant_of,
    each,
    einsums,
    emptied,
    finite,
    grid,
    in_special,
    inverse_of,
    joined,
    made,
    masked,
    moving,
    on,
    one,
    one_of_pairs,
    place,
    reduction,
    regular,
    scattered,
    shares,
    shifts,
    softmax_of,
    surviving,
    taken,
    taken_at,
    test_of,
    two,
    with_axes,
    written,
)
from row_inputs import DTYPES, PAIRS, arrays, given, matrices, numbers, pairs, points, triples

from dout.ops import PRIMITIVES


# Made on demand, so that a trace in another test need not look through all these arrays for state.
@functools.cache
def all_examples():
    """The examples of each row, by its name."""
    return {
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
        "sign": one(np.sign),
        "floor_divide": two(np.floor_divide, operator.floordiv),
        "mod": two(np.remainder, operator.mod),
        "around": one(
            np.round, np.around, lambda x: x.round(), lambda x: np.round(x, 2), lambda x: x.round(decimals=1)
        ),
        "round": one(
            round, at=(), inputs=lambda: [(2.5,), (np.float64(2.5),), (np.float32(-0.5),), (7,), (np.int64(7),)]
        )
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
            Example(
                np.where, triples, tuple(lambda rng, s=s: [rng.random(s[0]) < 0.5, *points(*s)(rng)] for s in PAIRS)
            ),
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
        "sum": reduction(np.sum, "sum", at=FULL, initial=(2, -0.5)),
        "reshape": one(
            lambda x: x.reshape(-1), lambda x: np.reshape(x, (1, -1)), lambda x: x.reshape(x.shape, order="F")
        )
        + [
            on(f, x)
            for x in (
                np.arange(6.0).reshape(2, 3),
                np.arange(6.0).reshape(3, 2).T,
                np.arange(12.0).reshape(2, 6)[:, ::2],
            )
            for f in (
                lambda x: x.reshape(3, 2),
                lambda x: x.reshape((3, -1), order="F"),
                lambda x: np.reshape(x, 6, order="A"),
            )
        ],
        "ravel": one(np.ravel, lambda x: x.ravel(), lambda x: x.ravel("F"), lambda x: np.ravel(x, order="A"))
        + one(lambda x: x.ravel("K"), lambda x: np.ravel(x, order="K"), at=())
        + [on(lambda x: x.ravel("K"), PERMUTED, exact=lambda x: x.transpose(2, 0, 1).ravel())],
        "flatten": one(lambda x: x.flatten(), lambda x: x.flatten("F"), lambda x: x.flatten(order="A"))
        + one(lambda x: x.flatten("K"), at=())
        + [on(lambda x: x.flatten("K"), PERMUTED, exact=lambda x: x.transpose(2, 0, 1).ravel())],
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
            *(
                written(key, np.float64(0.5))
                for key in [*VIEWED, MASK, [0, 2], (ROWS, ROWS), np.s_[:, [1, 1]], np.s_[...]]
            ),
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
        "float": [
            Example(
                float,
                lambda: [(2.5,), (3,), (True,), *((d(1),) for d in DTYPES), *((np.ones((), d),) for d in DTYPES)],
                (points(()), given(0.7)),
                ours=PRIMITIVES["float"],
                exact=lambda x: x.item() if hasattr(x, "item") else x,
            )
        ],
        "log1p": one(np.log1p, at=NEAR_ZERO),
        "log2": one(np.log2, at=POSITIVE),
        "log10": one(np.log10, at=POSITIVE),
        "expm1": one(np.expm1),
        "exp2": one(np.exp2),
        "cbrt": one(np.cbrt),
        "reciprocal": one(np.reciprocal),
        "sin": one(np.sin),
        "cos": one(np.cos),
        "tan": one(np.tan, at=UNIT),
        "arcsin": one(np.arcsin, at=UNIT),
        "arccos": one(np.arccos, at=UNIT),
        "arctan": one(np.arctan),
        "sinh": one(np.sinh),
        "cosh": one(np.cosh),
        "tanh": one(np.tanh),
        "arcsinh": one(np.arcsinh),
        "arccosh": one(np.arccosh, at=(points((2, 3), low=1.2, signed=False), points((), low=1.2, signed=False))),
        "arctanh": one(np.arctanh, at=UNIT),
        "hypot": two(np.hypot),
        "arctan2": two(np.arctan2),
        "logaddexp": two(np.logaddexp, exact=shares),
        "floor": one(np.floor),
        "ceil": one(np.ceil),
        "trunc": one(np.trunc),
        "rint": one(np.rint),
        "left_shift": two(np.left_shift, operator.lshift, at=(), inputs=shifts) + one_of_pairs(operator.lshift),
        "right_shift": two(np.right_shift, operator.rshift, at=(), inputs=shifts) + one_of_pairs(operator.rshift),
        "logical_xor": two(np.logical_xor),
        "isnan": one(np.isnan),
        "isinf": one(np.isinf),
        "isfinite": one(np.isfinite),
        "signbit": one(np.signbit),
        "clip": [
            Example(lambda x, low, high: np.clip(x, low, high), clipped, BETWEEN),
            Example(lambda x, low, high: x.clip(low, high), clipped, BETWEEN),
        ],
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
        "concatenate": [
            joined(0, grid(2, 3), grid(1, 3)),
            joined(1, grid(2, 3), grid(2, 1), grid(2, 2)),
            joined(-1, grid(2, 1, 2).T, grid(2, 1, 3)),
            joined(0, grid(3), grid(0), grid(2)),
            joined(0, grid(2, 3), grid(1, 3, dtype=np.float32)),
            joined(0, grid(2, dtype=int), grid(3)),
            joined(0, grid(2, dtype=bool), grid(3, dtype=np.float16)),
            joined(1, np.asfortranarray(grid(2, 3)), np.asfortranarray(grid(2, 2))),
        ],
        "repeat": moving(
            lambda x: np.repeat(x, 2, axis=0), lambda x: x.repeat(3, axis=-1), lambda x: np.repeat(x, 0, 0)
        ),
        "tile": moving(
            lambda x: np.tile(x, 2),
            lambda x: np.tile(x, (2, 1, 3)),
            lambda x: np.tile(x, ()),
            lambda x: np.tile(x, (0, 2)),
            shapes=((2, 3), (3,), (), (2, 1, 2)),
        ),
        "pad": moving(
            lambda x: np.pad(x, 1),
            lambda x: np.pad(x, (1, 2)),
            lambda x: np.pad(x, [(0, 1)], "constant"),
            lambda x: np.pad(x, ((2, 0),) * x.ndim, mode="constant", constant_values=-1),
            lambda x: np.pad(x, 1, constant_values=2.5),
        ),
        "roll": moving(
            lambda x: np.roll(x, 1),
            lambda x: np.roll(x, -2, axis=0),
            lambda x: np.roll(x, (1, 2), axis=(0, -1)),
            lambda x: np.roll(x, 7, -1),
        ),
        "tril": moving(np.tril, lambda x: np.tril(x, 1), lambda x: np.tril(x, k=-1)),
        "triu": moving(np.triu, lambda x: np.triu(x, 1), lambda x: np.triu(x, k=-1)),
        "diag": moving(
            np.diag,
            lambda x: np.diag(x, 1),
            lambda x: np.diag(x, k=-1),
            shapes=((2, 3), (3,), (3, 2), (3, 3), (1, 4), (4, 1), (0,)),
        ),
        "diagonal": [
            *moving(
                np.diagonal,
                lambda x: x.diagonal(1),
                lambda x: np.diagonal(x, -1, 1, 0),
                lambda x: np.diagonal(x, offset=2, axis1=0, axis2=-1),
                shapes=((2, 3), (3, 2), (3, 3), (2, 3, 4), (1, 4), (3, 0)),
            ),
            Example(
                np.diagonal,
                lambda: [(grid(3, 3),), (grid(3, 3).T,), (grid(2, 2, 3),)],
                (points((3, 3)),),
                ours=lambda x: PRIMITIVES["diagonal"](x, offset=0, axis1=0, axis2=1, writeable=True),
            ),
        ],
        "windows": moving(
            lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, -1),
            lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 1), axis=(0, -1)),
            shapes=((2, 3), (4,), (3, 2, 3)),
        )
        + moving(lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)), shapes=((2, 3), (4, 5))),
        "add_at": [
            *(added_at(key, np.float64(0.5)) for key in [*VIEWED, MASK, [0, 2], (ROWS, ROWS), np.s_[:, [1, 1]]]),
            added_at(np.s_[0], np.arange(4.0)),
            added_at(ROWS, np.arange(12.0).reshape(3, 4)),
            added_at(ROWS, np.arange(4.0)),
            added_at((ROWS, ROWS), np.arange(3.0)),
        ],
        **{
            f"math_{f.__name__}": by_math(f, *at, exact=exact)
            for f, at, exact in [
                (math.exp, (0.7, np.array(0.7)), np.exp),
                (math.exp2, (0.7,), np.exp2),
                (math.expm1, (0.7,), np.expm1),
                (math.log1p, (0.7,), np.log1p),
                (math.log2, (0.7,), np.log2),
                (math.log10, (0.7,), np.log10),
                (math.sqrt, (0.7, np.array(0.7)), np.sqrt),
                (math.cbrt, (0.7, -0.7), np.cbrt),
                (math.sin, (0.7, -2.0), np.sin),
                (math.cos, (0.7, -2.0), np.cos),
                (math.tan, (0.7,), np.tan),
                (math.asin, (0.7, -0.2), np.arcsin),
                (math.acos, (0.7, -0.2), np.arccos),
                (math.atan, (0.7,), np.arctan),
                (math.sinh, (0.7,), np.sinh),
                (math.cosh, (0.7,), np.cosh),
                (math.tanh, (0.7,), np.tanh),
                (math.asinh, (0.7,), np.arcsinh),
                (math.acosh, (1.7,), np.arccosh),
                (math.atanh, (0.7,), np.arctanh),
                (math.fabs, (0.7, -0.7), abs),
                (math.erf, (0.7,), each("erf")),
                (math.erfc, (0.7,), each("erfc")),
                (math.degrees, (0.7,), lambda x: x * 180 / arb.pi()),
                (math.radians, (0.7,), lambda x: x * arb.pi() / 180),
                (math.floor, (0.7, -2.3), None),
                (math.ceil, (0.7, -2.3), None),
                (math.trunc, (0.7, -2.3), None),
                (math.isnan, (0.7,), None),
                (math.isinf, (0.7,), None),
                (math.isfinite, (0.7,), None),
            ]
        },
        "math_log": by_math(math.log, 0.7, exact=np.log)
        + by_math(math.log, (0.7, 3.1), (np.array(0.7), 10.5), exact=lambda x, base: np.log(x) / np.log(base), count=2),
        "math_pow": by_math(math.pow, (0.7, 2.5), (1.3, -0.4), exact=operator.pow, count=2),
        "math_atan2": by_math(math.atan2, (0.7, -2.5), (-1.3, 0.4), (0.1, 0.7), exact=np.arctan2, count=2),
        "math_fmod": by_math(math.fmod, (2.7, 0.8), (0.3, 4.0), exact=operator.mod, count=2),
        "math_hypot": by_math(math.hypot, (0.7, -2.5), exact=np.hypot, count=2)
        + by_math(
            math.hypot,
            (0.7, -2.5, 1.5),
            exact=lambda x, y, z: np.sqrt(x * x + y * y + z * z),
            count=3,
            inputs=lambda: [(1, 2.5, 3), (0.0, 0, 0)],
        ),
        "math_fsum": [
            Example(
                lambda *x: math.fsum(x),
                lambda: [(1e300, 1.0, -1e300), (1, 2.5), (0.1,) * 9, (np.float64(2), True)],
                (given(0.5, -1.5, 2.5),),
                ours=lambda *x: x[0]._recorder.call(math.fsum, (list(x),), {}),
                exact=lambda *x: sum(x[1:], start=x[0]),
            ),
        ],
        "special_expit": in_special("expit", lambda x: 1 / (1 + np.exp(-x))),
        "special_logit": in_special(
            "logit", lambda x: np.log(x / (1 - x)), at=(points((2, 3), high=0.9, signed=False),)
        ),
        "special_log_expit": in_special("log_expit", lambda x: -np.log(1 + np.exp(-x))),
        "special_erf": in_special("erf", each("erf")),
        "special_erfc": in_special("erfc", each("erfc")),
        "special_entr": in_special("entr", lambda x: -x * np.log(x), at=POSITIVE),
        "special_xlogy": in_special("xlogy", lambda x, y: x * np.log(y), inputs=pairs, at=BOTH_POSITIVE),
        "special_xlog1py": in_special("xlog1py", lambda x, y: x * np.log1p(y), inputs=pairs, at=BOTH_POSITIVE),
        "special_softmax": in_special("softmax", softmax_of, at=ONE[:2], inputs=finite)
        + in_special("softmax", lambda x: softmax_of(x, -1), at=(points((2, 3)),), inputs=with_axes, axis=-1)
        + in_special(
            "softmax", lambda x: softmax_of(x, (0, 2)), at=(points((2, 3, 2)),), inputs=with_axes, axis=(0, 2)
        ),
        "special_log_softmax": in_special("log_softmax", lambda x: np.log(softmax_of(x)), at=ONE[:2], inputs=finite)
        + in_special("log_softmax", lambda x: np.log(softmax_of(x, 1)), at=(points((2, 3)),), inputs=with_axes, axis=1),
        "special_logsumexp": in_special("logsumexp", lambda x: np.log(np.sum(np.exp(x))), at=ONE[:2], inputs=finite)
        + in_special(
            "logsumexp", lambda x: np.log(np.sum(np.exp(x), 1)), at=(points((2, 3)),), inputs=with_axes, axis=1
        )
        + in_special(
            "logsumexp",
            lambda x: np.log(np.sum(np.exp(x), 0, keepdims=True)),
            at=(points((2, 3)),),
            inputs=with_axes,
            axis=0,
            keepdims=True,
        )
        + [
            Example(
                lambda x, b: scipy.special.logsumexp(x, 1, b),
                lambda: [(x, np.abs(x) / 2) for (x,) in finite() if x.ndim > 1 and x.dtype.kind == "f"],
                (points((2, 3), (2, 3), signed=False), points((2, 3), (3,), signed=False)),
                ours=lambda x, b: x._recorder.call(scipy.special.logsumexp, (x, 1, b), {}),
                exact=lambda x, b: np.log(np.sum(b * np.exp(x), 1)),
            )
        ],
    }
