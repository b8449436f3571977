"""Numbers and arrays: other ones of the same kind, and whether two are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dout.judge.judged_run import is_label
from dout.run import copied, differs_at, is_float_array

_ROUNDING = {2: 5e-2, 4: 1e-4}  # what the order of summation may do to float16 and float32


def is_number(item: Any) -> bool:
    """Whether this is a number that may have digits after its point, or an array of such."""
    return is_float_array(item) or isinstance(item, float | int | np.floating)


def changed(inputs: Sequence[Any], change: Callable[[Any], Any]) -> tuple[Any, ...]:
    """The inputs with `change` made to every float array and float that is no label; the others in fresh memory."""
    return tuple(
        change(x) if (is_float_array(x) or isinstance(x, float | np.floating)) and not is_label(x) else copied(x)
        for x in inputs
    )


def other(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Other inputs of the same kind: the elements of each array in other places, floats a quarter larger."""
    return tuple(_other(x) for x in inputs)


def opposite(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Inputs of the other sign and of another scale."""
    return changed(inputs, lambda x: -x * (x.dtype.type(1.5) if isinstance(x, np.ndarray) else 1.5))


def _other(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        if is_float_array(x) and not is_label(x):
            return np.roll(x, 1) * x.dtype.type(1.25)
        turned = x.ravel()[::-1].reshape(x.shape).copy()
        return np.roll(x, 1) if np.array_equal(turned, x) else turned
    if isinstance(x, float | np.floating):
        return type(x)(x * 1.25)
    return x + 1 if type(x) is int else copied(x)


def same(one: Any, two: Any, rtol: float = 1e-9) -> bool:
    """Whether two values, or lists of them, are equal up to the order of summation; NaN is equal to NaN."""
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(same(a, b, rtol) for a, b in zip(one, two, strict=True))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key], rtol) for key in one)
    if one is two:
        return True
    try:
        a, b = np.asarray(one), np.asarray(two)
        if a.shape != b.shape:
            return False
        if np.array_equal(a, b):
            return True
        if a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc":
            return a.dtype.kind == b.dtype.kind == "O" or one == two
        size = np.abs(b[np.isfinite(b)]).max(initial=0)
        narrow = [_ROUNDING[x.dtype.itemsize] for x in (a, b) if x.dtype.kind == "f" and x.dtype.itemsize in _ROUNDING]
        if narrow:
            rtol = max(rtol, *narrow)
        return bool(np.allclose(a, b, rtol=rtol, atol=rtol * (0.1 if narrow else 1e-3) * size, equal_nan=True))
    except Exception:
        return type(one) is type(two)  # not numbers: nothing is known of them


def difference(right: Any, got: Any) -> str:
    """How a number differs from the right one, in words: `2 for 1 at [0]`."""
    if np.shape(right) != np.shape(got):
        return "another shape"
    index = differs_at(right, got)
    numbers = f"{few(np.asarray(got)[index])} for {few(np.asarray(right)[index])}"
    return f"{numbers} at {list(index)}" if index else numbers


def shares(one: Any, two: Any) -> bool:
    """Whether two arrays have memory in common."""
    if not (isinstance(one, np.ndarray) and isinstance(two, np.ndarray) and np.may_share_memory(one, two)):
        return False
    try:
        return np.shares_memory(one, two, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def few(value: Any) -> str:
    """A few numbers, as a person writes them.

    >>> few(np.array([[2.0, 0.5]]))
    '[2, 0.5]'
    """
    array = np.asarray(value)
    numbers = ", ".join(f"{number:.4g}" for number in array.ravel()[:4].tolist())
    return (f"[{numbers}{', …' if array.size > 4 else ''}]") if array.ndim else numbers
