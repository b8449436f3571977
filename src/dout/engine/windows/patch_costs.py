"""What products of patches cost, in multiplications at full speed, by each of the ways to compute them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dout.graph import Shape

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_FEW = 1 << 17  # multiplications, below which NumPy's calls take longer than they
_VECTOR = 32  # bytes
_ROWS, _TALL = 4, 6  # in whose time a tile of fewer rows is computed; one that is one vector wide
_BEGUN = 4  # turns of a sum, in whose time a tile begins and ends
_CALL = 2000  # multiplications, in whose time the tiles of a line begin
_LINE = 330  # multiplications, in whose time one line of a window is copied, short as lines are
_FETCHED, _COPIED, _ADDED = 8, 14, 24  # multiplications in whose time a number comes from memory, is copied, and added


def reading_pays(
    image: Shape, window: Shape, columns: int, other: float, dtype: Any, *, transposed: bool = False
) -> bool:
    """Whether a product that reads patches in images (N, H, W, C) costs less than another way to the same."""
    return (
        dtype in _FLOATS
        and _many(image, window) * columns >= _FEW
        and _read(image, window, columns, dtype, transposed) < other
    )


def _many(image: Shape, window: Shape) -> int:
    """How many numbers all patches have."""
    places = [n - length + 1 for n, length in zip(image[1:3], window, strict=True)]
    return math.prod((image[0], *places, *window, image[3]))


def _read(image: Shape, window: Shape, columns: int, dtype: np.dtype[Any], transposed: bool) -> float:
    """What a product costs that reads patches line by line: in tiles, of which some rows and columns are not needed."""
    lanes, line = _VECTOR // dtype.itemsize, image[2] - window[1] + 1
    wide = _whole(columns, lanes)
    sums, rows = (line, window[1] * image[3]) if transposed else (window[1] * image[3], line)
    many, computed = _many(image, window), max(rows, _TALL if columns <= lanes else _ROWS)
    return many * wide * computed / rows * (1 + _BEGUN / sums) + _CALL * many / (rows * sums)


def written(image: Shape, window: Shape, columns: int, *, alone: bool) -> float:
    """What it costs where the patches are in memory; if it is `alone`, they are written for it."""
    return _many(image, window) * (columns + _FETCHED + _COPIED * alone)


def written_in_lines(image: Shape, window: Shape, columns: int, *, alone: bool) -> float:
    """The same of patches that go along the images: for them lines of a window are copied as they lie."""
    many = _many(image, window)
    return many * (columns + _FETCHED) + _LINE * many / (window[1] * image[3]) * alone


def arranged(image: Shape, columns: int) -> float:
    """What it costs to bring an image into the order of its patches' product, and the product into another order."""
    return _COPIED * (math.prod(image) + math.prod(image[:3]) * columns)


def folded(sums: int, inner: int) -> float:
    """What so many sums of products cost, which are then added up in windows."""
    return sums * (inner + _FETCHED + _ADDED)


def _whole(length: int, unit: int) -> int:
    """A length rounded up to units."""
    return -(-length // unit) * unit
