"""From a layer as a program uses it, an example to judge it on: the same settings, at small and distinct sizes.

What is equal in the use stays equal, what divides another size still does, and numbers stay of their kind: labels,
shares, signs. Where the smaller layer does not run, the use itself is taken, with fewer samples, or as it was.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, product
from typing import Any

import numpy as np

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.interface import optional
from dout.adapt.search.example import Example
from dout.adapt.target import Target
from dout.adapt.trial.trial import Fit, Trials
from dout.check.program.observed_layers import LayerUse
from dout.files import near
from dout.run import copied

_SETTINGS = (bool, int, float, str, tuple)
SAMPLES = 3
EMPTY = inspect.Parameter.empty
SMALL = 6  # a length up to which it stays what it is: a window, a stride, a number of channels
_LEAST = (5, 12)  # what lengths become, at the least: images may shrink to nothing in a layer of many windows
MOST_NUMBERS = 200_000  # of a layer as it was used that are judged


@dataclass(frozen=True, eq=False)
class UsedExample:
    """What to judge, on which example, in words how it comes from the program, and when its backward was called."""

    target: Any
    example: Example
    said: str
    turn: int = -1
    smaller: bool = False  # than in the program: rebuilt at other sizes


def used_example(uses: Sequence[LayerUse]) -> UsedExample | None:
    """The example that the uses of one class give; None where the layer does not run by itself on any of them."""
    found = [one for one in map(_of_use, uses) if one is not None]
    return next((one for one in found if one.smaller), found[0] if found else None)


def _of_use(use: LayerUse) -> UsedExample | None:
    """The example that a use gives; None where the layer does not run on it by itself, forward and backward."""
    best: tuple[Fit, UsedExample | None] = (Fit.FORWARD, None)
    trials = Trials(use.target)
    for target, init, inputs, said in _ways(use):
        given = _passed(Target(target), inputs)
        if given is None:
            continue
        tried = trials.run(partial(Target(target).instance, init), given)
        if tried.fit > best[0]:
            chosen = frozenset({*init, *given}) if said != _WHOLE else frozenset()
            found = Example(init, given, chosen, interface=tried.interface)
            best = tried.fit, UsedExample(target, found, said.format(_place(use)), use.turn, said == _SMALLER)
        if tried.fit == Fit.ALL:
            break
    return best[1]


_SMALLER = "as used in {}, at smaller sizes"
_FEWER = "as used in {}, with fewer samples"
_WHOLE = "as used in {}"


def _place(use: LayerUse) -> str:
    at = use.called_at
    return f"{near(at.file)}:{at.line}" if at is not None else "the program"


def _ways(use: LayerUse) -> Iterator[tuple[Any, Mapping[str, Any], dict[str, Any], str]]:
    """What to build and to give, the smallest first, and in which words."""
    if use.init is not None:
        for least, apart in product(_LEAST, (True, False)):
            sizes = _Sizes(use, least, apart)
            if apart and not (sizes.sides or sizes.rows):
                continue
            init = {name: sizes.setting(item) for name, item in use.init.items()}
            if all(
                array.dtype.kind in "iu" for array in _arrays(use.inputs)
            ):  # data that happen to be whole: try others
                numbers = {name: _as_floats(item) for name, item in use.inputs.items()}
                yield use.target, init, sizes.inputs(numbers), _SMALLER
            yield use.target, init, sizes.inputs(use.inputs), _SMALLER
    fewer = _fewer(use.inputs)
    if use.init is not None and _numbers([use.init, fewer]) <= MOST_NUMBERS:
        yield use.target, use.init, fewer, _FEWER
    if (
        use.layer is not None
        and _numbers([vars(use.layer) if hasattr(use.layer, "__dict__") else {}, fewer]) <= MOST_NUMBERS
    ):
        yield use.layer, {}, fewer, _FEWER
        yield use.layer, {}, use.inputs, _WHOLE


def _as_floats(item: Any) -> Any:
    return item + 0.5 if isinstance(item, np.ndarray) else item


def _passed(target: Target, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The inputs that are named as such; None where the call was to other arguments than forward's.

    A setting at its default is left out, as it was given; so is one that backward takes as well, with a default: both
    must have the same.
    """
    parameters = {p.name: p for p in taken_by(target.forward)}
    if not set(inputs) <= set(parameters):
        return None
    shared = {name for _, back in target.pairs[:1] for name in optional(getattr(target.cls, back))}
    return {
        name: item
        for name, item in inputs.items()
        if parameters[name].default is EMPTY or not (name in shared or _is_default(item, parameters[name].default))
    }


def _is_default(item: Any, default: Any) -> bool:
    return item is default or (type(item) is type(default) and isinstance(item, _SETTINGS) and item == default)


def _fewer(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with the first samples alone, where several are as long as the first, and it has samples."""
    first = next((x for x in inputs.values() if np.ndim(x) > 1), None)
    if first is None or len(first) <= SAMPLES:
        return dict(inputs)
    return {
        n: x[:SAMPLES] if isinstance(x, np.ndarray) and x.ndim and len(x) == len(first) else x
        for n, x in inputs.items()
    }


def _numbers(items: Sequence[Any]) -> int:
    return sum(_count(item) for item in items)


def _count(item: Any) -> int:
    if isinstance(item, np.ndarray):
        return item.size
    parts = item.values() if isinstance(item, Mapping) else item if isinstance(item, list | tuple) else ()
    return sum(map(_count, parts))


class _Sizes:
    """The lengths of a use and what becomes of each.

    With `apart`, lengths that coincide get different ones: the sides of a square image, samples and classes.
    """

    def __init__(self, use: LayerUse, least: int, apart: bool) -> None:
        self.random = np.random.default_rng(0)
        inputs = list(_arrays(use.inputs))
        parts = {part for array in inputs for part in (array.shape, array.shape[1:]) if len(part) > 1}
        self.shapes = parts & set(_tuples(use.init or {}))
        settings = set(_whole(use.init or {}, self.shapes))
        shapes = [array.shape for array in (*_arrays(use.init or {}), *inputs)]
        self.fixed = {n for n in settings if 1 < n <= SMALL}
        self.of: dict[int, int] = {}
        self.sides: dict[int, int] = {}
        lengths = {n for shape in shapes for n in shape} | {n for n in settings if n > SMALL}
        rows = _rows([array.shape for array in inputs if array.shape not in self.shapes], settings)
        coincides = any(rows in shape[1:] for shape in shapes)
        self.batch = 0 if coincides else rows
        self.small = {*self.fixed, *(n for n in lengths if n <= SMALL and n != self.batch)}
        products = {math.prod(run): run for shape in shapes for run in _runs(shape)}
        wholes = {n for n in lengths if n > SMALL and sum(m > 1 for m in products.get(n, ())) > 1}
        for length in sorted(lengths - wholes):
            self.of[length] = self._smaller(length, max(least, *self.fixed, 0))
            if apart and length not in settings and length != self.batch and length > SMALL:
                self.sides[length] = self._free(length, self.of[length])
        for whole in sorted(wholes):
            self.of[whole] = math.prod(self.of.get(n, n) for n in products[whole])
        self.rows = rows if apart and coincides else 0  # that are many only where they are the first axis
        self.samples = self._free(rows, max(least, *self.fixed, 0)) if rows > SMALL else self._few()

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
        taken = {1, *self.fixed, *self.of.values(), *self.sides.values()}
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
            return self.of.get(item, item) if item > SMALL else item
        if type(item) in (list, tuple) and _is_shape(item, self.shapes):
            return type(item)(self.shape(tuple(item)))
        if isinstance(item, list | tuple) and type(item) in (list, tuple):
            return type(item)(map(self.setting, item))
        if type(item) is dict:
            return {key: self.setting(part) for key, part in item.items()}
        return self.value(item) if isinstance(item, np.ndarray) else item

    def inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs at these sizes; of one sample alone there are several then, with their labels."""
        made = {name: self.value(item) for name, item in given.items()}
        if self.batch != 1:
            return made
        first = next(item for item in given.values() if isinstance(item, np.ndarray))
        for name, item in given.items():
            if (
                isinstance(item, np.ndarray)
                and item.shape[:1] == (1,)
                and (item.shape == first.shape or _is_label(item))
            ):
                made[name] = self._numbers(item, (SAMPLES + 1, *self.shape(item.shape[1:])))
        return made

    def value(self, item: Any) -> Any:
        """An input at these sizes, of numbers of its kind."""
        if isinstance(item, list | tuple) and type(item) in (list, tuple):
            return type(item)(map(self.value, item))
        if type(item) is dict:
            return {key: self.value(part) for key, part in item.items()}
        if not isinstance(item, np.ndarray) or item.dtype.kind not in "fiub" or item.ndim == 0:
            return copied(item)
        return self._numbers(item, self.shape(item.shape))

    def _numbers(self, item: np.ndarray[Any, Any], shape: tuple[int, ...]) -> Any:
        random = self.random
        if item.dtype.kind == "b":
            return random.random(shape) < 0.5
        values = np.unique(item[:: max(1, len(item) // 1000)])
        whole = bool(np.all(values == np.floor(values))) and bool(np.all(np.isfinite(values)))
        if _is_one_hot(item):
            return np.eye(shape[-1])[self._indices(shape[:-1], shape[-1])].astype(item.dtype)
        if whole and (item.dtype.kind in "iu" or len(values) <= 2):
            if values.size and values[0] >= 0:
                return self._indices(shape, self._below(int(values[-1]) + 1)).astype(item.dtype)
            return random.choice(values, shape)
        made = np.round(random.uniform(-2, 2, shape) * 64) / 64 + 1 / 128  # no zeros, no ties with whole numbers
        if values.size and values[0] >= 0:
            made = np.abs(made)
            made = made * 0.375 + 0.125 if values[-1] <= 1 else made
            if item.ndim > 1 and np.allclose(item.sum(-1), 1):
                made = made / made.sum(-1, keepdims=True)
        return made

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


def _is_one_hot(item: np.ndarray[Any, Any]) -> bool:
    """Whether each row has one 1 among zeros."""
    return item.ndim > 1 and bool(np.all((item == 0) | (item == 1))) and bool(np.all(item.sum(-1) == 1))


def _is_label(item: np.ndarray[Any, Any]) -> bool:
    return item.dtype.kind in "iu" or _is_one_hot(item)


def _rows(shapes: Sequence[tuple[int, ...]], settings: set[int]) -> int:
    """How many samples inputs hold: the length of the first, if it has more axes, and is no setting."""
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
    elif type(item) in (list, tuple, dict):
        for part in item.values() if isinstance(item, dict) else item:
            yield from _tuples(part)


def _whole(item: Any, shapes: Container[tuple[Any, ...]]) -> Iterator[int]:
    """The whole numbers in settings, but those that are the shape of an input."""
    if type(item) is int:
        yield item
    elif type(item) in (list, tuple, dict) and not (type(item) is not dict and _is_shape(item, shapes)):
        for part in item.values() if isinstance(item, dict) else item:
            yield from _whole(part, shapes)


def _is_shape(item: Sequence[Any], shapes: Container[tuple[Any, ...]]) -> bool:
    return all(type(part) is int for part in item) and tuple(item) in shapes


def _arrays(item: Any) -> Iterator[np.ndarray[Any, Any]]:
    if isinstance(item, np.ndarray):
        yield item
    elif type(item) in (list, tuple, dict):
        for part in item.values() if isinstance(item, dict) else item:
            yield from _arrays(part)
