"""What stands for the layer before, where a layer is connected to one: it knows the shape of what it gives."""

from __future__ import annotations

import re
from typing import Any


class Previous:
    """A layer that gives arrays of a shape: whatever is called a shape is that, and whatever is called a size its last.

    >>> before = Previous((4, 6), 6)
    >>> before.out_shape, before.get_output_shape(), before.units
    ((4, 6), (4, 6), 6)
    """

    def __init__(self, shape: tuple[int, ...], dimension: Any) -> None:
        self._shape, self._dimension = shape, dimension

    def __repr__(self) -> str:
        return f"Previous({self._shape}, {self._dimension})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if "shape" in name.lower():
            return _Shape(self._shape)
        if isinstance(self._dimension, int) and _SIZE.search(name):
            return _Size(self._dimension)
        raise AttributeError(f"the layer before has no {name}")


_SIZE = re.compile(r"size|dim|units|num|n_|nodes|neurons|features|out", re.IGNORECASE)


class _Shape(tuple[int, ...]):
    """A shape, read as an attribute or from a method."""

    __slots__ = ()

    def __call__(self, *_: Any) -> tuple[int, ...]:
        return tuple(self)


class _Size(int):
    """A size, read as an attribute or from a method."""

    def __call__(self, *_: Any) -> int:
        return int(self)
