"""Arrays that are proposed as inputs: plain numbers, probabilities, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from dout.adapt import source
from dout.run import upstream

_DOUTS = (1.5, -0.5, 0.75, 2.5, -1.25, 0.25, -2.25, 1.75, -0.75, 3.5, 0.5, -1.75)  # an array of so many prints whole

_MOST_KEPT = 4096  # numbers of an array that are drawn once


def numbers(shape: tuple[int, ...], name: str = "") -> Any:
    """Numbers for an array of this shape: no two alike, none of them 0; the name decides their order.

    >>> numbers((2, 2))
    array([[ 0.75,  0.25],
           [-0.25, -0.75]])
    """
    draw = _order if (size := prod(shape)) <= _MOST_KEPT else _order.__wrapped__
    order = draw(size, name)
    scale = 2.0 ** max(1, int(np.ceil(np.log2(size or 1))) - 1)
    return ((order - size // 2 + 0.5) / scale).reshape(shape)[()]


@lru_cache(maxsize=512)
def _order(size: int, name: str) -> np.ndarray[Any, Any]:
    return np.random.default_rng([*name.encode(), 3]).permutation(size)


def upstream_of(shape: tuple[int, ...]) -> Any:
    """Numbers for an upstream gradient, few of them easy to read: no sum of a row or a column hides a mistake.

    >>> upstream_of((2, 2))
    array([[ 1.5 , -0.5 ],
           [ 0.75,  2.5 ]])
    """
    few = np.array(_DOUTS[: int(np.prod(shape))])
    return few.reshape(shape)[()] if few.size == np.prod(shape) else upstream([np.zeros(shape)])[0]


def array_of(shape: tuple[int, ...], name: str) -> Any:
    """An array of this shape, or a number."""
    return numbers(shape, name) * 2 if shape else np.float64(0.75)


def between(shape: tuple[int, ...], name: str) -> Any:
    """Numbers between 0 and 1, as probabilities are; a number alone is 0.375."""
    return probabilities(shape, name) if shape else np.float64(0.375)


def probabilities(shape: tuple[int, ...], name: str) -> Any:
    """Numbers between 0 and 1 whose sum along the last axis is 1, where there is more than one axis."""
    made = numbers(shape, name) * 0.375 + 0.5
    return made / made.sum(-1, keepdims=True) if np.ndim(made) > 1 else made


def one_hot(shape: tuple[int, ...]) -> Any:
    """Rows with one 1, as labels are where each class has a column; one column alone has a 1 in every other row."""
    if shape[-1] == 1:
        return 1.0 - np.arange(shape[0])[:, None] % 2
    return np.eye(shape[-1])[np.arange(shape[0]) * 2 % shape[-1]]


def whole_numbers(shape: tuple[int, ...], below: int) -> Any:
    """Whole numbers from 0 up to `below`, as labels or indices; of three and more, one comes twice."""
    found = np.arange(int(np.prod(shape))) % max(1, below)
    found[2:][-1:] = found[:1]
    return found.reshape(shape)


def single(inputs: Mapping[str, Any], numbers: bool) -> Iterator[dict[str, Any]]:
    """Inputs of which only one sample is left, with its axis and without; with `numbers` then one number of each."""
    first: Any = next(iter(inputs.values()), None)
    if np.ndim(first) > 1:
        along = [name for name, x in inputs.items() if np.ndim(x) and len(x) == len(first)]
        yield {name: x[:1] if name in along else x for name, x in inputs.items()}
        yield {name: x[0] if name in along else x for name, x in inputs.items()}
    if numbers and np.ndim(first):
        yield {name: array_of((), name) if np.asarray(x).dtype.kind == "f" else x for name, x in inputs.items()}


def labels_for(name: str, like: Any, function: Any, owner: type | None) -> list[Any]:
    """Labels that go with scores: whole numbers, with the last class among them, and rows with one 1.

    Where the source picks a row of the scores for each column, the classes are rows, and labels may be one, too.
    Last, a 0 or 1 a sample: what a network makes of an array may have fewer classes than the array has columns.
    """
    shape = np.shape(like)
    if not shape:
        return []
    of_columns = len(shape) == 2 and source.picks_rows(function, name, owner)
    classes, rows = (shape[0], shape[1:]) if of_columns else (shape[-1], shape[:-1])
    whole: Any = (
        ((classes - 1 - 2 * np.arange(int(np.prod(rows)))) % classes).reshape(rows) if rows else np.int64(classes - 1)
    )
    either = np.arange(shape[0]) % 2
    return (
        [whole, np.eye(classes)[:, whole], whole[None], either]
        if of_columns
        else [whole, np.eye(classes)[whole], either]
    )


def is_input(item: Any) -> bool:
    """Whether a forward's argument is data, and no setting: an array, a float, a list of such."""
    return isinstance(item, np.ndarray | np.generic | list | tuple) or type(item) is float


def stands_for_array(item: Any) -> bool:
    """Whether this is an object of somebody's graph that holds an array: `Variable(data)`."""
    return not isinstance(item, np.ndarray | np.generic) and isinstance(getattr(item, "data", None), np.ndarray)
