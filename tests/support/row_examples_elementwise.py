"""Examples of the rows that work element by element: arithmetic, comparison, logic, powers, waves."""

import operator

import numpy as np
from row_forms import BETWEEN, NEAR_ZERO, ONE, POSITIVE, UNIT, Example, clipped, on, one, one_of_pairs, shares, two
from row_forms_arrays import shifts
from row_inputs import PAIRS, arrays, given, numbers, pairs, points, triples

from dout.ops.elementwise import sigmoid, softplus


def examples():
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
        "sigmoid": one(
            lambda x: np.where(x >= 0, 1, np.exp(-abs(x))) / (1 + np.exp(-abs(x))),
            ours=sigmoid,
            exact=lambda x: 1 / (1 + np.exp(-x)),
        ),
        "softplus": one(
            lambda x: np.logaddexp(0, x),
            ours=softplus,
            exact=lambda x: np.log(1 + np.exp(x)),
        ),
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
    }
