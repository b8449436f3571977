"""What kernels of loops call: sums in NumPy's order, to the last bit, and extremes and their places."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_ROW = 128  # elements that NumPy adds up in eight sums side by side; more are halved
_DEEP = 64  # times, at most
_INSIDE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # kernels alone call these functions


def _inlined(function: Any) -> Any:
    return numba.njit(error_model="numpy", forceinline=True, **_INSIDE)(function)


@_inlined
def row(x: Any, first: Any, count: Any) -> Any:
    """The sum of some elements, in eight sums side by side."""
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


@numba.njit(error_model="numpy", **_INSIDE)  # type: ignore[untyped-decorator]
def in_halves(x: Any, count: Any) -> Any:
    """The sum of more than one row, without recursion, which is not linked; `left` is what first halves came to.

    For each depth `state` has where a part begins, its length, and whether its first half is done: to compile one array
    that is not filled takes half as long as to compile three of zeros.
    """
    left, state = np.empty(_DEEP, x.dtype), np.empty(3 * _DEEP, np.int64)
    state[0], state[_DEEP], state[2 * _DEEP] = 0, count, 0
    total, depth = x[0], 0
    while depth >= 0:
        if state[_DEEP + depth] <= _ROW:
            total = row(x, state[depth], state[_DEEP + depth])
            depth -= 1
            while depth >= 0 and state[2 * _DEEP + depth] == 1:
                total = left[depth] + total
                depth -= 1
            if depth < 0:
                break
            left[depth], state[2 * _DEEP + depth] = total, 1
        half = state[_DEEP + depth] // 2
        half -= half % 8
        done = state[2 * _DEEP + depth]
        state[depth + 1] = state[depth] + half * done
        state[_DEEP + depth + 1] = state[_DEEP + depth] - half if done else half
        depth += 1
        state[2 * _DEEP + depth] = 0
    return total


@_inlined
def summed(x: Any, count: Any) -> Any:
    """The sum of the first elements of a contiguous array."""
    return x.dtype.type(0) + (row(x, 0, count) if count <= _ROW else in_halves(x, count))


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
