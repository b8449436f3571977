"""Histograms that are compared: all with the same bins, each bar as the part of its array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 10
_COUNTED = 1_000_000  # numbers; of an array with more, every second or third one is counted, and so on


def histograms(arrays: Sequence[np.ndarray | None]) -> tuple[list[tuple[float, ...]], tuple[float, float]]:
    """The bars of each array from 0 to 1, over the range of them all, and that range; no bars for an array without one.

    >>> bars, (low, high) = histograms([np.array([0.0, 0.0, 12.0]), None, np.array([6.0])])
    >>> bars[0][0], bars[0][-1], bars[1], bars[2][5], low, high
    (1.0, 0.5, (), 1.0, 0.0, 12.0)
    """
    found = [array for array in arrays if array is not None and array.size]
    low, high = (min(a.min() for a in found), max(a.max() for a in found)) if found else (0.0, 0.0)
    return [_bars(array, float(low), float(high)) for array in arrays], (float(low), float(high))


def _bars(array: np.ndarray | None, low: float, high: float) -> tuple[float, ...]:
    return () if array is None or not array.size else bars(array, low, high, BINS)


def bars(array: np.ndarray, low: Any, high: Any, bins: int) -> tuple[float, ...]:
    """How many numbers are in each part of a range, as parts of the most; none where floats do not tell its ends."""
    size = np.max(np.abs(np.asarray([low, high], dtype=np.longdouble))) or np.longdouble(1)

    def scaled(item: Any) -> Any:  # so that the range does not overflow
        return (np.asarray(item, dtype=np.longdouble) / size).astype(np.float64)

    ends = scaled(low), scaled(high)
    if low != high and ends[0] == ends[1]:
        return ()
    counted = np.reshape(array, -1)[:: 1 + array.size // _COUNTED]
    counts = np.histogram(scaled(counted), bins=bins, range=ends)[0]
    return tuple(float(count) for count in counts / counts.max())
