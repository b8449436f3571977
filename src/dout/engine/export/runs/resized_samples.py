"""Examples of other sizes: the arguments of a layer, with other lengths of their axes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.run import copied


@dataclass(frozen=True)
class SampleSize:
    """Which lengths of an example are others: `everywhere`, and in the `first` axis of what forward is given.

    With `axes`, what forward is given has so many.
    """

    everywhere: Mapping[int, int] = field(default_factory=dict)
    first: Mapping[int, int] = field(default_factory=dict)
    axes: int | None = None

    def of_input(self, item: Any) -> Any:
        """An input, as large as it is to be; what is no array stays."""
        if not isinstance(item, np.ndarray):
            return copied(item)
        item = self.of_argument(item)
        if item.ndim and len(item) in self.first:
            item = _longer(item, 0, self.first[len(item)])
        while self.axes is not None and item.ndim > self.axes:
            item = item[..., 0]
        while self.axes is not None and item.ndim < self.axes:
            item = np.repeat(item[..., np.newaxis], item.ndim + 1, axis=-1)
        return np.ascontiguousarray(item)

    def of_argument(self, item: Any) -> Any:
        """An argument of the constructor, where lengths are also given as numbers."""
        if isinstance(item, np.ndarray):
            for axis, length in enumerate(item.shape):
                if length in self.everywhere:
                    item = _longer(item, axis, self.everywhere[length])
            return item.copy()
        if isinstance(item, tuple | list) and all(type(part) is int for part in item):
            return type(item)(self.everywhere.get(part, part) for part in item)
        return self.everywhere.get(item, item) if type(item) is int else copied(item)


SAME = SampleSize()


def _longer(item: Any, axis: int, length: int) -> Any:
    """An array of another length along an axis: rows of its own, in random order."""
    rows = np.random.default_rng(0).integers(item.shape[axis], size=length)
    return np.take(item, rows, axis)


def lengths_in(item: Any) -> set[int]:
    """Numbers that may be lengths of arrays."""
    if isinstance(item, np.ndarray):
        return {n for n in item.shape if n > 1}
    parts = item if isinstance(item, tuple | list) else (item,)
    return {part for part in parts if part > 1} if all(type(part) is int for part in parts) else set()


def one_hot(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, where labels of the rows of another input are rows of zeros and a one."""
    scores = next(
        (i for i in inputs.values() if isinstance(i, np.ndarray) and i.ndim == 2 and i.dtype.kind == "f"), None
    )

    def rows(item: Any) -> Any:
        if (
            scores is None
            or not isinstance(item, np.ndarray)
            or item.dtype.kind != "i"
            or item.shape != scores.shape[:1]
        ):
            return item
        known = item.min(initial=0) >= 0 and item.max(initial=0) < scores.shape[1]
        return np.eye(scores.shape[1])[item] if known else item

    return {name: rows(item) for name, item in inputs.items()}


def primes(above: int) -> Iterator[int]:
    """The primes above a number."""
    return (n for n in itertools.count(above + 1) if all(n % k for k in range(2, int(n**0.5) + 1)))
