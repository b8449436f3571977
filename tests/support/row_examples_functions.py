"""Examples of the rows of module math and of scipy.special."""

import math
import operator

import numpy as np
import scipy.special
from flint import arb
from row_forms import BOTH_POSITIVE, ONE, POSITIVE, Example, by_math, each, finite, in_special, softmax_of, with_axes
from row_inputs import given, pairs, points


def examples():
    """The examples of each row, by its name."""
    return {
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
