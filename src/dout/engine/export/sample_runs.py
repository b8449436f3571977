"""Runs of a layer for a module of its own: at several sizes, with each flag on and off, in each dtype."""

from __future__ import annotations

import dis
import inspect
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from dout.adapt.search.example_search import Example
from dout.adapt.target import Target, passed
from dout.engine.bench.bench_subject import cast, upstream
from dout.engine.export.size_decisions import Decision, watched
from dout.engine.guards.loaded_names import Loaded
from dout.run import attributes_of, copied, douts_taken, objects_in, seed_global
from dout.trace.capture.capture import Capture, capture
from dout.trace.capture.lenient_tracer import TooLongError
from dout.trace.capture.templates import Held, Same, Spot, is_fixed
from dout.trace.session.attribute_swap import Namespace
from dout.trace.session.layer_calls import KINDS

AXES = (1, 2, 3, 4)  # numbers of axes that are looked at
_MOST_FLAGS = 3  # more would be more than eight ways through a method
Recorded = tuple[Capture, tuple[Decision, ...]]
Ready = tuple[Any, Sequence[Any], Mapping[str, Any]]  # a method and its arguments
_FLAT = 2  # axes of arrays that may be a hundred long
_RUNS = 3  # sizes: two to find what depends on them, and one that has to agree


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


@dataclass(frozen=True)
class Way:
    """One way to run a layer: the dtype of its floats, and how its flags stand (arguments of forward, attributes).

    `one_hot`: labels are given as rows of zeros and a one.
    """

    dtype: np.dtype[Any]
    arguments: Mapping[str, bool]
    attributes: Mapping[str, bool]
    one_hot: bool = False


@dataclass(frozen=True, eq=False)
class SampleRun:
    """One recorded run of a method, and what it decided by sizes.

    `attributes` are those that a new layer has; `unread` those with arrays that make no difference to the run.
    """

    capture: Capture
    decided: tuple[Decision, ...]
    attributes: frozenset[str]
    unread: frozenset[str]


class Specimen:
    """A layer class with an example of what it is built with and given. `parameters` are those of each method."""

    def __init__(self, cls: type, example: Example, dtypes: Sequence[Any]) -> None:
        self.cls, self.dtypes = cls, [np.dtype(dtype) for dtype in dtypes]
        self.init = dict(example.init)
        self.parameters = {kind: _parameters(getattr(cls, kind)) for kind in KINDS}
        given = {p.name: p.default for p in self.parameters["forward"] if p.default is not p.empty}
        self.inputs = given | dict(example.inputs)
        self.too_long: dict[str, str] = {}  # of methods of which no run can be recorded: why; none is tried again
        self.has_labels = any(one_hot(self.inputs)[name] is not item for name, item in self.inputs.items())

    def ways(self) -> Iterator[Way]:
        """Every way to run it."""
        known = {name: item for name, item in self.inputs.items() if type(item) is bool}
        arguments = [{name: bool(item) for name, item in known.items()}]
        held = {n: item for n, item in attributes_of(self.built(self.dtypes[0])).items() if type(item) is bool}
        if len(known) + len(held) <= _MOST_FLAGS:
            arguments = [dict(zip(known, found, strict=True)) for found in _each(known.values())]
            attributes = [dict(zip(held, found, strict=True)) for found in _each(held.values())]
        else:
            attributes = [dict(held)]
        hot = [False, True] if self.has_labels else [False]
        for dtype, one, other, rows in itertools.product(self.dtypes, arguments, attributes, hot):
            yield Way(dtype, one, other, rows)

    def built(self, dtype: np.dtype[Any], size: SampleSize = SAME) -> Any:
        """A layer of its own, as large as it is to be."""
        seed_global()
        return Target(self.cls).fresh(self.init_of(dtype, size))

    def init_of(self, dtype: np.dtype[Any], size: SampleSize) -> dict[str, Any]:
        """The arguments of the constructor, as large as they are to be."""
        return {name: cast(size.of_argument(item), dtype) for name, item in self.init.items()}

    def given(self, way: Way, size: SampleSize) -> dict[str, Any]:
        """The inputs, as large as they are to be."""
        inputs = {name: size.of_input(item) for name, item in self.inputs.items()}
        inputs = one_hot(inputs) if way.one_hot else inputs
        return {name: cast(item, way.dtype) for name, item in inputs.items()} | dict(way.arguments)

    def sizes(self) -> Iterator[list[SampleSize]]:
        """The sizes of runs: of those in which all lengths are others, and of those in which the batch is another.

        They are not small: a plan may do otherwise with a handful of numbers. Lengths that cannot change stay. Where
        none can, it is one size.
        """
        any_other = False
        for lengths, everywhere in self._free():
            sizes = [_size(self._others(lengths, place), everywhere) for place in range(_RUNS)]
            if all(map(self.runs, sizes)):
                any_other = True
                yield sizes
        if not any_other:
            yield [SAME]

    def trials(self, sizes: Sequence[SampleSize]) -> Iterator[SampleSize]:
        """Small sizes, whose lengths are others where they are in runs of these sizes; then one of them is one."""
        yield SAME
        for everywhere in (True, False):
            lengths = list(sizes[0].everywhere if everywhere else sizes[0].first)
            small = self._others(lengths, least=4)
            for found in (small, *({**small, n: 1} for n in lengths)) if lengths else ():
                yield _size(found, everywhere)

    def _free(self) -> Iterator[tuple[list[int], bool]]:
        """Lengths that can change, everywhere or in the first axis of what forward is given."""
        free = [n for n in self._lengths() if self.runs(SampleSize(self._others([n])))]
        if free:
            yield free, True
        batches = {len(item) for item in self.inputs.values() if isinstance(item, np.ndarray) and item.ndim}
        yield from (([n], False) for n in sorted(batches))

    def _lengths(self) -> list[int]:
        return sorted({n for item in (*self.inputs.values(), *self.init.values()) for n in lengths_in(item)})

    def _others(self, lengths: Sequence[int], place: int = 0, least: int | None = None) -> dict[int, int]:
        """Other lengths for these, in order: primes that nothing else has, the larger, the fewer axes arrays have.

        Each is above its own length and not above all of them: (600, 6, 11) is not to become (601, 607, 613).
        """
        axes = [np.ndim(item) for item in (*self.inputs.values(), *self.init.values())]
        least = least or (100 if max(axes, default=0) <= _FLAT else 10)
        known, found = set(self._lengths()), dict[int, int]()
        for length in lengths:
            begin, last = max(length, least), max(found.values(), default=0)
            others = (n for n in primes(max(begin, last)) if n not in known)
            found[length] = next(itertools.islice(others, place if begin > last else 0, None))
        return found

    def other_axes(self) -> Iterator[SampleSize]:
        """Inputs of other numbers of axes, as far as the layer takes them."""
        yield from (size for size in (SampleSize(axes=axes) for axes in AXES) if self.runs(size))

    def runs(self, size: SampleSize) -> bool:
        """Whether the layer takes this size."""
        try:
            self.plainly(next(self.ways()), size)
        except Exception:
            return False
        return True

    def plainly(self, way: Way, size: SampleSize) -> Any:
        """A layer after one forward and backward, as it is: what is recorded is not its first call."""
        layer, inputs = self.built(way.dtype, size), self.given(way, size)
        first = {name: self.inputs[name] for name in way.arguments}
        out = layer.forward(**(inputs | first))
        layer.backward(*douts_taken(layer.backward, upstream(out)))
        return layer

    def recorded(self, way: Way, sizes: Sequence[SampleSize]) -> Iterator[tuple[str, tuple[SampleRun, ...]]]:
        """Forward and backward of one way, recorded at all sizes; those that raise are left out."""
        forward = self._runs("forward", [partial(self._forward, way, size) for size in sizes])
        if forward is None and "forward" not in self.too_long:
            return
        if forward is not None:
            yield "forward", forward
        number = all(isinstance(run.capture.returned, np.generic | float) for run in forward or ())
        for seed in (1.0, 1) if forward and number else (None,):  # what people give to the backward of a loss
            backward = self._runs("backward", [partial(self._backward, way, size, seed) for size in sizes])
            if backward is not None:
                yield "backward", backward

    def _runs(self, kind: str, all_ready: Sequence[Callable[[], Ready]]) -> tuple[SampleRun, ...] | None:
        """Recorded runs at several sizes; None where one raises: then this is no way in which the layer is used.

        Which code runs, and which attributes do not matter, is found out at the first size, and holds for all.
        """
        if kind in self.too_long:
            return None
        try:
            method, arguments, keywords = all_ready[0]()
            first = capture(method, arguments, keywords)
            runs = [_disturbed(ready, first.codes) for ready in all_ready]
        except TooLongError as error:
            self.too_long[kind] = str(error)
            return None
        except Exception:
            return None
        new = attributes_of(self.built(self.dtypes[0]))
        unread = frozenset(_unused(first, new))
        try:
            if unread and not _alike(runs[0], _disturbed(all_ready[0], first.codes, unread)):
                unread = frozenset()
        except Exception:
            unread = frozenset()
        return tuple(SampleRun(run, decided, frozenset(new), unread) for run, decided in runs)

    def _forward(self, way: Way, size: SampleSize) -> Ready:
        layer = self.plainly(way, size)
        if way.attributes:
            vars(layer).update(way.attributes)
        return layer.forward, *passed(self.parameters["forward"], self.given(way, size))

    def _backward(self, way: Way, size: SampleSize, seed: Any) -> Ready:
        forward, arguments, keywords = self._forward(way, size)
        out, backward = forward(*arguments, **keywords), forward.__self__.backward
        return backward, list(douts_taken(backward, upstream(out) if seed is None else seed)), {}


def _size(found: Mapping[int, int], everywhere: bool) -> SampleSize:
    return SampleSize(everywhere=found) if everywhere else SampleSize(first=found)


def _disturbed(ready: Callable[[], Ready], codes: Collection[CodeType], without: Collection[str] = ()) -> Recorded:
    """A run with other numbers in attributes than the run of this code had before, and nothing in some of them."""
    method, arguments, keywords = ready()
    _disturb(method.__self__, codes)
    for item in objects_in(method.__self__):
        vars(item).update((name, None) for name in without if name in vars(item))
    with watched() as decided:
        run = capture(method, arguments, keywords)
    return run, tuple(decided)


def _unused(run: Capture, new: Mapping[str, Any]) -> Iterator[str]:
    """The attributes that a run does not compute with, and in which a new layer has nothing yet."""
    used = {i for node in run.graph.nodes for i in node.inputs} | set(run.graph.outputs.values()) | run.looked
    objects = {id(item) for item in objects_in(run.root)}
    found: dict[str, bool] = {}  # whether nothing that is called so matters
    for spot in run.spots:
        key, before = spot.place.key, spot.before
        if id(spot.holder) in objects and isinstance(key, str) and key in vars(spot.holder):
            idle = isinstance(before, Held) and before.node not in used
            idle = idle or (isinstance(before, Same) and is_fixed(before.item)) or before is None
            old = spot.holder is run.root and new.get(key) is not None
            found[key] = found.get(key, True) and idle and not old
    yield from (key for key, idle in found.items() if idle)


def _alike(one: Recorded, other: Recorded) -> bool:
    """Whether two runs did the same, and decided the same."""
    return _done(one[0]) == _done(other[0]) and one[1] == other[1]


def _done(run: Capture) -> list[Any]:
    """What a run did: its steps, and what it left."""
    steps = [(node.primitive, node.shape, node.dtype) for node in run.graph.nodes if node.inputs]
    left = [(spot.place.key, _left(spot.after)) for spot in run.spots if spot.after is not None]
    return [steps, list(run.graph.outputs), sorted(left, key=repr)]


def _left(template: Any) -> Any:
    fixed = isinstance(template, Same) and is_fixed(template.item)
    return repr(template.item) if fixed else type(template)


def _disturb(layer: Any, codes: Collection[CodeType]) -> None:
    """Change attributes that the code does not read, numbers that it reads and sets, and put copies of arrays.

    So what is set to what it was shows as set: the size of the batch, a flag, a dtype.
    """
    loaded = Loaded(codes)
    stored = {step.argval for code in codes for step in dis.get_instructions(code) if step.opname == "STORE_ATTR"}
    for item in objects_in(layer):
        for name, value in list(vars(item).items()):
            if type(value) is np.ndarray and name in stored and name not in loaded:
                vars(item)[name] = value.copy()
            elif not is_fixed(value):
                continue
            elif name not in loaded:
                vars(item)[name] = f"not the {name}"
            elif name in stored and type(value) in (int, float):
                vars(item)[name] = value + 1


def shows(spot: Spot, layer: Any) -> bool:
    """Whether a run shows that it puts something into a place, as `_disturb` has put something else there before.

    A method of a module of its own sets no slot, and nothing of a class.
    """
    if isinstance(spot.holder, type):
        return spot.holder not in type(layer).__mro__ or hasattr(type(getattr(spot.before, "item", None)), "__set__")
    own = isinstance(spot.place.put, partial) and spot.place.put.args[0] is getattr(spot.holder, "__dict__", None)
    fixed = isinstance(spot.before, Held) or (isinstance(spot.before, Same) and is_fixed(spot.before.item))
    return own and fixed and not isinstance(spot.holder, Namespace | ModuleType | FunctionType)


def _each(flags: Any) -> Iterator[tuple[bool, ...]]:
    """All ways in which flags can stand, the one in which they do first."""
    return itertools.product(*((flag, not flag) for flag in flags))


def _parameters(function: Any) -> list[inspect.Parameter]:
    """The parameters of a method after `self`."""
    return list(inspect.signature(function).parameters.values())[1:]


# --- other sizes -----------------------------------------------------------------------------------------------------


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
