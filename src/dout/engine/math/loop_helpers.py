"""What kernels of loops call: sums in NumPy's order, to the last bit, and extremes and their places."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from dout.engine.math.pairwise_sum import pairwise_sum

_INSIDE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # kernels alone call these functions


def _inlined(function: Any) -> Any:
    return numba.njit(error_model="numpy", forceinline=True, **_INSIDE)(function)


@intrinsic  # type: ignore[untyped-decorator]
def summed(typing: Any, x: Any, count: Any) -> Any:
    """The sum of the first elements of a contiguous array, which `pairwise_sum` adds up."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = make_array(x)(context, builder, values[0])
        kind = context.get_value_type(x.dtype)
        return builder.fadd(kind(0.0), builder.call(pairwise_sum(builder.module, kind), [array.data, values[1]]))

    return x.dtype(x, numba.int64), generate


@_inlined
def added(x: Any, count: Any) -> Any:
    """The sum of the first elements of an array of whole numbers."""
    total = 0
    for i in range(count):
        total += x[np.uint64(i)]
    return total


@_inlined
def averaged(x: Any, count: Any) -> Any:
    """The mean of the first elements."""
    return x.dtype.type(summed(x, count) / x.dtype.type(count))


@_inlined
def larger(x: Any, y: Any) -> Any:
    """The larger of two numbers, NaN if either is; the first of equal ones."""
    return x if x >= y or x != x else y


@_inlined
def smaller(x: Any, y: Any) -> Any:
    """The smaller of two numbers, as `larger`."""
    return x if x <= y or x != x else y


def _first_of(better: Any) -> Any:
    def place(x: Any, count: Any) -> Any:
        best = 0
        for i in range(1, count):
            if x[best] != x[best]:
                break
            if better(x[i], x[best]) or x[i] != x[i]:
                best = i
        return best

    return _inlined(place)


# Where the largest of the first elements stands, the first NaN if there is one.
largest_at = _first_of(_inlined(lambda x, y: x > y))
smallest_at = _first_of(_inlined(lambda x, y: x < y))


@_inlined
def largest(x: Any, count: Any) -> Any:
    """The largest of the first elements."""
    best = x[0]
    for i in range(1, count):
        best = larger(best, x[np.uint64(i)])
    return best


@_inlined
def smallest(x: Any, count: Any) -> Any:
    """The smallest of the first elements."""
    best = x[0]
    for i in range(1, count):
        best = smaller(best, x[np.uint64(i)])
    return best
