"""What reductions take up an element with: sums that LLVM may spread over vector lanes, and extremes where NaN wins.

A sum grows in short blocks, each in lanes of its own, and the blocks are added to a total that loses next to nothing:
so it is as accurate as NumPy's pairwise sums. The file imports NumPy and Numba only, so that its text can stand in a
module of its own.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic


def _inlined(function: Any, **options: Any) -> Any:
    """A function for kernels alone: compiled without an entrance from Python, which would take as long again."""
    inside = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(error_model="numpy", **inside, **options)(function)


@_inlined
def indices(first: Any, last: Any) -> Any:
    """range(first, last), where LLVM knows that no index is negative.

    Else it would look whether each counts from the end of the array, and the loop would gather its elements one by one.
    """
    return range(np.uint64(first), np.uint64(last))


def _plus(total: Any, x: Any) -> Any:
    return total + x


# The one place where the order of additions is left to LLVM.
plus_f32 = plus_f64 = _inlined(_plus, fastmath={"reassoc"})


def _minus(x: Any, y: Any) -> Any:
    return x - y


# A difference of two rounded numbers. In a kernel a product need not be rounded before something is subtracted from it,
# and what it calls takes that over, unless told otherwise.
minus_f32 = minus_f64 = _inlined(_minus, fastmath=False)


def _extreme(name: str) -> Any:
    """The larger or smaller of two numbers, NaN if either is."""

    def extreme(typing: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = values[0].type
            function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind, kind]))
            return builder.call(function, values)

        return x(x, x), generate

    return intrinsic(extreme)


maximum_f32 = maximum_f64 = _extreme("llvm.maximum")
minimum_f32 = minimum_f64 = _extreme("llvm.minimum")


def _ordered(condition: str) -> Any:
    """The larger or smaller of two numbers where neither is NaN: half the instructions of those above."""

    def ordered(typing: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            flags = ["nnan", "nsz"]  # so that LLVM knows it for a maximum, of which the zeros are equal
            return builder.select(builder.fcmp_ordered(condition, *values, flags=flags), *values, flags=flags)

        return x(x, x), generate

    return intrinsic(ordered)


def _farther(condition: str) -> Any:
    ordered = _ordered(condition)

    def farther(so_far: Any, odd: Any, x: Any) -> Any:
        """The extreme so far and one more number, and whether a NaN was seen."""
        return ordered(so_far, x), odd | (x != x)

    return _inlined(farther)


larger_f32 = larger_f64 = _farther(">")
smaller_f32 = smaller_f64 = _farther("<")


def _known(nan: Any) -> Any:
    def known(extreme: Any, odd: Any) -> Any:
        """The extreme, or NaN where one was seen."""
        return nan if odd else extreme

    return _inlined(known)


known_f32, known_f64 = _known(np.float32(np.nan)), _known(np.nan)


@_inlined
def add_exactly(total: Any, lost: Any, part: Any) -> Any:
    """A total and what rounding has taken from it so far, and one more part.

    Source: A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen" (ZAMM, 1974).
    """
    new = total + part
    large, small = (total, part) if abs(total) >= abs(part) else (part, total)
    return new, lost + ((large - new) + small)


@_inlined
def settled(total: Any, lost: Any) -> Any:
    """The total with what it had lost; an infinite total has lost nothing that could be told."""
    whole = total + lost
    return whole if whole == whole else total
