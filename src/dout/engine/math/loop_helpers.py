"""What kernels of loops call: sums in NumPy's order, to the last bit, and extremes and their places."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_ROW = 128  # elements that NumPy adds up in eight sums side by side; more are halved


def _inlined(function: Any) -> Any:
    return numba.njit(error_model="numpy", forceinline=True)(function)


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def in_pairs(x: Any, first: Any, count: Any) -> Any:
    """The sum of elements in a row, of which halves are added up alone if they are many."""
    if count > _ROW:
        half = count // 2
        half -= half % 8
        return in_pairs(x, first, half) + in_pairs(x, first + half, count - half)
    i, end, one = np.uint64(first), np.uint64(first + count), np.uint64(1)
    total = -x.dtype.type(0)
    if count >= 8:
        a, b, c, d, e, f, g, h = total, total, total, total, total, total, total, total
        last = end - np.uint64(count % 8)
        while i < last:
            a += x[i]
            b += x[i + one]
            c += x[i + np.uint64(2)]
            d += x[i + np.uint64(3)]
            e += x[i + np.uint64(4)]
            f += x[i + np.uint64(5)]
            g += x[i + np.uint64(6)]
            h += x[i + np.uint64(7)]
            i += np.uint64(8)
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    while i < end:
        total += x[i]
        i += one
    return total


def _summed(x: Any, count: Any) -> Any:
    return x.dtype.type(0) + in_pairs(x, 0, count)


# The sum of the first elements of a contiguous array.
summed = _inlined(_summed)


def _averaged(x: Any, count: Any) -> Any:
    return x.dtype.type(summed(x, count) / x.dtype.type(count))


# The mean of the first elements.
averaged = _inlined(_averaged)


def _larger(x: Any, y: Any) -> Any:
    return x if x >= y or x != x else y


# The larger of two numbers, NaN if either is; the first of equal ones.
larger = _inlined(_larger)


def _smaller(x: Any, y: Any) -> Any:
    return x if x <= y or x != x else y


smaller = _inlined(_smaller)


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


def _largest(x: Any, count: Any) -> Any:
    best = x[0]
    for i in range(1, count):
        best = larger(best, x[np.uint64(i)])
    return best


largest = _inlined(_largest)


def _smallest(x: Any, count: Any) -> Any:
    best = x[0]
    for i in range(1, count):
        best = smaller(best, x[np.uint64(i)])
    return best


smallest = _inlined(_smallest)
