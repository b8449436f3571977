"""Small and distinct sizes for a layer as a program uses it, and numbers of the same kind at these sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from dout.check.program.layer_use import LayerUse
from dout.judge.judged_run import is_one_hot
from dout.run import attributes_of, copied

_NESTED = (list, tuple, dict)
SAMPLES = 3
SMALL = 6  # a length up to which it stays what it is: a window, a stride, a number of channels


class UseSizes:
    """The lengths of a use and what becomes of each.

    With `apart`, lengths that coincide get different ones: the sides of a square image, samples and classes, samples
    and hidden units.
    """

    def __init__(self, use: LayerUse, least: int, apart: bool) -> None:
        self.random = np.random.default_rng(0)
        inputs = list(arrays_in(use.inputs))
        parts = {part for array in inputs for part in (array.shape, array.shape[1:]) if len(part) > 1}
        self.shapes = parts & set(_tuples(use.init or {}))
        settings = set(_whole(use.init or {}, self.shapes))
        shapes = [array.shape for array in (*arrays_in(use.init or {}), *inputs)]
        self.of: dict[int, int] = {}
        self.sides: dict[int, int] = {}
        lengths = {n for shape in shapes for n in shape}
        lengths |= {n for n in settings if n > SMALL and _is_length(n, use, lengths)}
        self.fixed = {n for n in settings if n > 1} - {n for n in lengths if n > SMALL}
        windows = max((n for n in self.fixed if n <= SMALL), default=0)
        rows = _rows([array.shape for array in inputs if array.shape not in self.shapes], () if apart else settings)
        coincides = rows in settings or any(rows in shape[1:] for shape in shapes)
        self.batch = 0 if coincides else rows
        self.small = {*self.fixed, *(n for n in lengths if n <= SMALL and n != self.batch)}
        products = {math.prod(run): run for shape in shapes for run in _runs(shape)}
        wholes = {n for n in lengths if n > SMALL and sum(m > 1 for m in products.get(n, ())) > 1}
        for length in sorted(lengths - wholes):
            self.of[length] = self._smaller(length, max(least, windows))
            if apart and length not in settings and length != self.batch and length > SMALL:
                self.sides[length] = self._free(length, self.of[length])
        for whole in sorted(wholes):
            self.of[whole] = math.prod(self.of.get(n, n) for n in products[whole])
        self.rows = rows if apart and coincides else 0  # that are many only where they are the first axis
        self.samples = self._free(rows, max(least, windows)) if rows > SMALL else self._few()

    def _few(self) -> int:
        return next(n for n in count(SAMPLES) if n not in self.small)

    def _smaller(self, length: int, least: int) -> int:
        if length == self.batch > 1:
            return self._few()
        return length if length <= SMALL else self._free(length, least)

    def _free(self, length: int, least: int) -> int:
        """A number above `least` that nothing else has become, and that what divides the length divides."""
        known = [n for n in self.of if SMALL < n < length and n != self.batch]
        divisors = [n for n in self.fixed if length % n == 0] + [self.of[n] for n in known if length % n == 0]
        taken = {1, self._few(), *self.fixed, *self.of.values(), *self.sides.values()}
        step = math.lcm(1, *divisors)
        return next((n for n in range(step, length, step) if n > least and n not in taken), length)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """What becomes of an array's shape."""
        pairs = zip(shape, (0, *shape), strict=False)
        found = [self.sides.get(n, self.of[n]) if n == before else self.of[n] for n, before in pairs]
        if 1 < self.rows == next(iter(shape), 0):
            found[:2] = [self.samples, *(self.of[n] for n in shape[1:2])]
        return tuple(found)

    def setting(self, item: Any) -> Any:
        """A constructor's argument at these sizes."""
        if type(item) is int:
            return item if item in self.fixed else self.of.get(item, item)
        if _is_shape(item, self.shapes):
            return type(item)(self.shape(tuple(item)))
        if type(item) in _NESTED:
            return _with_each(item, self.setting)
        return self.value(item, distinct=True) if isinstance(item, np.ndarray) else item

    def inputs(self, given: Mapping[str, Any], several: bool = True) -> dict[str, Any]:
        """Inputs at these sizes; of one sample alone there are `several` then, with their labels.

        Floats are data, also if they are whole by chance, where another input has the labels as whole numbers.
        """
        has_labels = any(array.dtype.kind in "iu" for array in arrays_in(given))
        is_data = {n: has_labels and isinstance(x, np.ndarray) and x.dtype.kind == "f" for n, x in given.items()}
        made = {n: self.value(x, data=is_data[n] or not place) for place, (n, x) in enumerate(given.items())}
        arrays = {name: item for name, item in given.items() if isinstance(item, np.ndarray)}
        first = next(iter(arrays.values()), None)
        if first is None or self.batch != 1 or not several:
            return made
        for name, item in arrays.items():
            if item.shape[:1] == (1,) and (item.shape == first.shape or _is_label(item)):
                made[name] = self._numbers(item, (SAMPLES + 1, *self.shape(item.shape[1:])), data=item is first)
        return made

    def value(self, item: Any, data: bool = False, distinct: bool = False) -> Any:
        """An input at these sizes, of numbers of its kind."""
        if type(item) in _NESTED:
            return _with_each(item, self.value)
        if not isinstance(item, np.ndarray) or item.dtype.kind not in "fiub" or item.ndim == 0:
            return copied(item)
        return self._numbers(item, self.shape(item.shape), data, distinct)

    def _numbers(
        self, item: np.ndarray[Any, Any], shape: tuple[int, ...], data: bool = False, distinct: bool = False
    ) -> Any:
        """Numbers of an array's kind. Whole ones are labels, unless they are the first input's `data`.

        Those of a setting that are all `distinct` stay so, as those of a permutation: they are places.
        """
        if item.dtype.kind == "b":
            return self.random.random(shape) < 0.5
        is_line = item.ndim == 1 and item.size > 2 and not data  # the label of one sample
        if is_one_hot(item[None] if is_line else item):
            return np.eye(shape[-1])[self._indices(shape[:-1], shape[-1])].astype(item.dtype)
        values = np.unique(item[:: max(1, len(item) // 1000)])
        whole = bool(np.all(values == np.floor(values))) and bool(np.all(np.isfinite(values)))
        if whole and values.size and (item.dtype.kind in "iu" or len(values) <= 2 or not data):
            return self._whole_numbers(item, values, shape, distinct)
        return self._floats(item, values, shape)

    def _whole_numbers(
        self, item: np.ndarray[Any, Any], values: np.ndarray[Any, Any], shape: tuple[int, ...], distinct: bool
    ) -> Any:
        """Labels or places, below what they are below."""
        if values[0] < 0:
            return self.random.choice(values, shape)
        below = self._below(int(values[-1]) + 1)
        if is_permutation(item):
            return self.random.permutation(math.prod(shape)).reshape(shape)
        if distinct and np.unique(item).size == item.size > 1 and math.prod(shape) <= below:
            return self.random.permutation(below)[: math.prod(shape)].reshape(shape)
        made = self._indices(shape, below)
        return made.astype(item.dtype) if item.dtype.kind == "f" and len(values) <= 2 else made

    def _floats(self, item: np.ndarray[Any, Any], values: np.ndarray[Any, Any], shape: tuple[int, ...]) -> Any:
        """Numbers with a sign as theirs, shares where they are; no zeros, no ties with whole numbers."""
        made = np.round(self.random.uniform(-2, 2, shape) * 64) / 64 + 1 / 128
        if values.size and values[0] >= 0:
            made = np.abs(made)
            made = made * 0.375 + 0.125 if values[-1] <= 1 else made
            if item.ndim > 1 and np.allclose(item.sum(-1), 1):
                made = made / made.sum(-1, keepdims=True)
        return made.astype(item.dtype) if item.dtype.kind == "f" else made

    def _indices(self, shape: tuple[int, ...], below: int) -> Any:
        """Whole numbers up to `below`, the last among them; one comes twice where there are three."""
        number = math.prod(shape)
        found = (below - 1 - 2 * np.arange(number)) % below if below % 2 else (below - 1 - np.arange(number)) % below
        found[2:][-1:] = found[:1]
        return found.reshape(shape)

    def _below(self, below: int) -> int:
        """How many values whole numbers have at these sizes: as many as the length that they go up to."""
        length = next((n for n in sorted(self.of) if n >= below and n != self.batch), None)
        return min(below, self.of[length]) if length is not None else below


def is_permutation(item: np.ndarray[Any, Any]) -> bool:
    """Whether whole numbers are all from 0 up to their number, each once."""
    return item.ndim == 1 and item.size > 2 and bool(np.array_equal(np.sort(item), np.arange(item.size)))


def _is_label(item: np.ndarray[Any, Any]) -> bool:
    return item.dtype.kind in "iu" or is_one_hot(item)


def _rows(shapes: Sequence[tuple[int, ...]], settings: Container[int]) -> int:
    """How many samples inputs hold: the length of the first, if it has more axes, and is none of these settings."""
    first = shapes[0] if shapes else ()
    return first[0] if len(first) > 1 and first[0] not in settings else 0


def _runs(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The axes of a shape that may be flattened into one: all that lie side by side."""
    for start in range(len(shape)):
        yield from (shape[start:end] for end in range(start + 2, len(shape) + 1))


def _tuples(item: Any) -> Iterator[tuple[int, ...]]:
    """The tuples and lists of whole numbers in settings."""
    if type(item) in (list, tuple) and item and all(type(part) is int for part in item):
        yield tuple(item)
    else:
        for part in _parts(item):
            yield from _tuples(part)


def _whole(item: Any, shapes: Container[tuple[Any, ...]]) -> Iterator[int]:
    """The whole numbers in settings, but those that are the shape of an input."""
    if type(item) is int:
        yield item
    elif type(item) is dict or not _is_shape(item, shapes):
        for part in _parts(item):
            yield from _whole(part, shapes)


def _is_shape(item: Any, shapes: Container[tuple[Any, ...]]) -> bool:
    return type(item) in (list, tuple) and all(type(part) is int for part in item) and tuple(item) in shapes


def _parts(item: Any) -> Iterable[Any]:
    """What stands in a list, tuple or dict; nothing of another item."""
    if type(item) not in _NESTED:
        return ()
    return item.values() if type(item) is dict else item


def _with_each(item: Any, change: Callable[[Any], Any]) -> Any:
    """A list, tuple or dict with each part changed."""
    if type(item) is dict:
        return {key: change(part) for key, part in item.items()}
    return type(item)(map(change, item))


def arrays_in(item: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays in an item, also in its lists and dicts."""
    if isinstance(item, np.ndarray):
        yield item
    else:
        for part in _parts(item):
            yield from arrays_in(part)


def _is_length(number: int, use: LayerUse, lengths: Container[int]) -> bool:
    """Whether a setting is the length of an array: of one that is given, or that the layer holds."""
    if number in lengths or use.layer is None:
        return True
    held = attributes_of(use.layer)
    nested = [attributes_of(item) for item in held.values() if hasattr(item, "__dict__") and not callable(item)]
    arrays = [array for part in (held, *nested) for array in arrays_in(dict(part))]
    return not arrays or any(number in array.shape for array in arrays)
