"""Plain against compiled: the same layer or function on the same inputs, at several sizes, call by call in turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.adapt.search.example import as_found
from dout.adapt.search.example_search import Example
from dout.adapt.target import Target, passed
from dout.engine.bench.bench_subject import BenchInputs, Side, cast, given_to
from dout.engine.bench.layer_times import LayerTime, by_layer
from dout.engine.compile.compiled import at_once
from dout.engine.compile.plan import Plan, plan_of
from dout.graph import Shape
from dout.run import flat, quiet

SIZES = (1_000, 64_000, 1_000_000)  # elements of the first array
BUDGET = 0.6  # seconds of calls at each size
ROUNDS = 3, 201  # at least, and at most
SAMPLE = 2e-4  # seconds of calls between two looks at the other side
LONGEST = 3.0  # seconds that a plain call may take

_NUMBERS = (np.ndarray, np.generic, int, float)
Pair = tuple[Side, BenchInputs]  # what is called, with what is given to it


@dataclass(frozen=True, slots=True)
class Part:
    """One call, forward or backward, in seconds. `plainly` says why it runs plainly also when compiled: ratio 1."""

    name: str
    plain: float
    compiled: float
    plainly: str | None = None

    @property
    def ratio(self) -> float:
        """How many times as fast the compiled one is."""
        return self.plain / self.compiled


@dataclass(frozen=True)
class BenchSize:
    """What was measured on inputs of some shapes; `first` is the time of the first calls, which compile.

    Where `differs` says which results do not agree, nothing is measured.
    """

    shapes: Mapping[str, Shape]
    parts: tuple[Part, ...]
    first: float
    rounds: int
    differs: str = ""


@dataclass(frozen=True)
class Bench:
    """A layer or function, plain against compiled; `notes` say what was not measured, and why.

    `layers` are the times of a network by its layers, forward and backward together, at the largest size.
    """

    name: str
    dtype: str
    sizes: tuple[BenchSize, ...]
    notes: tuple[str, ...]
    plan: Plan
    layers: tuple[LayerTime, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all results agreed."""
        return not any(size.differs for size in self.sizes)


def bench(
    target: Any,
    example: Example,
    *,
    elements: Sequence[int] = (),
    dtype: Any = None,
    done: Callable[[], None] = lambda: None,
) -> Bench:
    """Measure a layer class, a layer or a function on an example of its inputs, made larger along one axis.

    `elements` are those of the first array at each size, roughly; without them `SIZES`. `dtype` is that of all floats;
    without it they stay what they are. `done` is called after each size. Raises what the user's code raises.
    """
    token = at_once.set(True)  # each size is measured compiled
    try:
        return _Case(target, example, dtype).measured(elements, done)
    finally:
        at_once.reset(token)


class _Case:
    def __init__(self, target: Any, example: Example, dtype: Any) -> None:
        named = Target(target)
        self.target, self.name = target, named.name
        function = named.is_function
        self.layer, self.inputs = (target, []) if function else as_found(named, example)
        self.named: dict[str, Any] = {}
        parameters = named.inputs(None if function else example.interface)
        if function or self.layer is target:
            self.inputs, self.named = passed(parameters, dict(example.inputs))
        self.inputs = [cast(item, dtype) for item in self.inputs]
        self.named = {key: cast(item, dtype) for key, item in self.named.items()}
        self.names = [p.name for p in parameters]
        self.init = {key: cast(item, dtype) for key, item in example.init.items()}
        self.fast: Side
        self.axis: int | None = None
        self.notes: list[str] = []

    def measured(self, elements: Sequence[int], done: Callable[[], None]) -> Bench:
        with quiet():
            first = Target(self.layer).fresh(self.init)
            self.fast = Side(first, fast=True)
        sizes: list[BenchSize] = []
        last: tuple[int, float] | None = None  # the length before, and the time of a plain call there
        for length in self._lengths(first, elements):
            expected = last[1] * length / last[0] if last is not None else 0.0
            if expected > LONGEST:
                self.notes.append(f"length {length} was left out: plainly a call would take {expected:.0f} s")
            else:
                sizes.append(self._size(length, first))
                last = length, sum(part.plain for part in sizes[-1].parts)
            done()
        layers = self._by_layer(last[0], first) if last is not None and not sizes[-1].differs else ()
        floats = [item.dtype.name for item in self._arrays() if item.dtype.kind == "f"]
        return Bench(self.name, (floats or ["no floats"])[0], tuple(sizes), tuple(self.notes), self._plan(), layers)

    def _by_layer(self, length: int, first: Any) -> tuple[LayerTime, ...]:
        layers, why = by_layer(first, given_to(first, *self._scaled(length, self.axis)))
        if why:
            self.notes.append(f"compiled, there is no time by layer: {why}")
        return layers

    def _plan(self) -> Plan:
        return plan_of(*(call.compiled for call in self.fast.calls))  # type: ignore[attr-defined]

    # --- sizes --------------------------------------------------------------------------------------------------------

    def _arrays(self) -> list[Any]:
        return [i for i in (*self.inputs, *self.named.values()) if isinstance(i, np.ndarray) and i.ndim and i.size]

    @quiet()
    def _lengths(self, first: Any, elements: Sequence[int]) -> list[int]:
        """How long the inputs are to be; also finds the axis that can grow."""
        arrays = self._arrays()
        if not arrays:
            return [1]
        shape, size = arrays[0].shape, arrays[0].size
        self.axis = next((axis for axis in range(len(shape)) if self._runs(first, axis)), None)
        if self.axis is None:
            self.notes.append("no other length of the inputs was taken: give --input for another size")
            return [1]
        length = shape[self.axis]
        own = [length] if not elements and size > SIZES[0] else []
        wanted = [n for n in elements or SIZES if elements or n > size]
        return sorted({*own, *(max(1, round(n * length / size)) for n in wanted)})

    def _runs(self, first: Any, axis: int) -> bool:
        """Whether twice the length along an axis is taken."""
        try:
            longer = self._scaled(2 * self._arrays()[0].shape[axis], axis)
            Side(first).results(given_to(first, *longer).copied())
        except Exception:
            return False
        return True

    def _scaled(self, length: int, axis: int | None) -> tuple[list[Any], dict[str, Any]]:
        """The inputs, of another length along an axis: rows of theirs in random order, the same rows of all of them."""
        if axis is None or length == (now := self._arrays()[0].shape[axis]):
            return self.inputs, self.named
        rows = np.random.default_rng(0).integers(now, size=length)

        def longer(item: Any) -> Any:
            grows = isinstance(item, np.ndarray) and item.ndim > axis and item.shape[axis] == now
            return np.take(item, rows, axis) if grows else item

        return [longer(i) for i in self.inputs], {key: longer(i) for key, i in self.named.items()}

    # --- one size -----------------------------------------------------------------------------------------------------

    @quiet()  # a difference is told with the results
    def _size(self, length: int, first: Any) -> BenchSize:
        inputs, named = self._scaled(length, self.axis)
        shapes = {n: np.shape(i) for n, i in [*zip(self.names, inputs, strict=False), *named.items()]}
        straight = given_to(first, inputs, named)
        turned = given_to(first, [_turned(i) for i in inputs], {key: _turned(i) for key, i in named.items()})
        plain = Side(first)
        self.fast.renew()
        expected = [plain.results(given.copied()) for given in (straight, turned)]
        start = time.perf_counter()
        got = [self.fast.results(straight.copied())]
        took = time.perf_counter() - start
        got.append(self.fast.results(turned.copied()))
        differs = next(filter(None, map(_difference, expected, got, [plain.kinds] * 2)), "")
        if differs:
            return BenchSize(shapes, (), took, 0, differs)
        medians, rounds = _paired((plain, straight.copied()), (self.fast, straight.copied()))
        why = [(call.compiled.why_not or [None])[-1] for call in self.fast.calls]  # type: ignore[attr-defined]
        parts = [
            Part(kind, one, one if reason is not None else other, reason)
            for kind, (one, other), reason in zip(plain.kinds, medians, why, strict=True)
        ]
        return BenchSize(shapes, tuple(parts), took, rounds)


def _paired(*pairs: Pair) -> tuple[list[tuple[float, float]], int]:
    """The medians of the calls of two sides that take turns, and how often they did."""

    def run(which: int, loops: int) -> list[float]:
        side, given = pairs[which]
        return side.run(given, loops)

    once = run(0, 1), run(1, 1)  # both, for a layer may learn at each call
    loops = max(1, min(1000, int(SAMPLE / max(sum(once[0]), 1e-9))))
    times: list[tuple[list[float], list[float]]] = []
    collecting = gc.isenabled()
    gc.disable()  # as timeit does
    try:
        start = time.perf_counter()
        while len(times) < ROUNDS[0] or (time.perf_counter() - start < BUDGET and len(times) < ROUNDS[1]):
            found = {which: run(which, loops) for which in ((1, 0) if len(times) % 2 else (0, 1))}
            times.append((found[0], found[1]))
    finally:
        if collecting:
            gc.enable()
    count = len(pairs[0][0].kinds)
    return [
        (statistics.median(one[k] for one, _ in times), statistics.median(other[k] for _, other in times))
        for k in range(count)
    ], len(times)


def _turned(item: Any) -> Any:
    """The same numbers in another order: a side that still computes with the old ones then differs."""
    return np.flip(item, 0).copy() if isinstance(item, np.ndarray) and item.ndim else item


def _difference(expected: Sequence[Any], got: Sequence[Any], kinds: Sequence[str]) -> str:
    """Which of the results of two sides do not agree; "" where all do, up to half of their digits."""
    for kind, one, other in zip(kinds, expected, got, strict=True):
        numbers = ([item for item in flat(side) if isinstance(item, _NUMBERS)] for side in (one, other))
        ours, theirs = (list(map(np.asarray, side)) for side in numbers)
        if len(ours) != len(theirs):
            return f"{kind} gives {len(ours)} results plainly, and {len(theirs)} compiled"
        for a, b in zip(ours, theirs, strict=True):
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"{kind} gives {a.dtype} {a.shape} plainly, and {b.dtype} {b.shape} compiled"
            if not _close(a, b):
                return f"{kind} does not give the same numbers compiled"
    return ""


def _close(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    if one.dtype.kind not in "fc":
        return bool(np.array_equal(one, other))
    finite = one[np.isfinite(one)]
    scale = float(np.max(np.abs(finite), initial=0))
    return bool(np.allclose(one, other, rtol=0, atol=scale * np.sqrt(np.finfo(one.dtype).eps), equal_nan=True))
