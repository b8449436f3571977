"""A layer at one point, run plainly over and over: its memory is put back, its gradients are compared."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject, axis_with
from dout.clock import count
from dout.grad import backpropagate
from dout.graph import Node, evaluate
from dout.judge.judging_points import generic, upstream
from dout.judge.outcomes import Point
from dout.run import (
    HeldMemory,
    central_difference,
    copied,
    deep_copy,
    flat,
    one_or_all,
    quiet,
    run_backward,
    size_of,
    weighed,
)
from dout.trace.model.user_source import loops_of
from dout.trace.record.record import record
from dout.trace.record.trace import Trace
from dout.trace.session.pairing import pairs

CLOSE = {8: 1e-7, 4: 1e-3, 2: 3e-2}
_MOST_SEEDS = 8
_MOST_USES = 120  # of values in forward, of which each is looked at
CLOSE_WITH_STABILISER = 1e-4  # log(y + 1e-7) is meant as log(y)

KIND_ALONE: ContextVar[bool] = ContextVar("kind_alone", default=False)
"""Whether only the kind of a mistake in backward is asked for, as of an answer to an exercise: forward is given, and no
repair is shown. Then what the numbers tell comes first, and no repair of forward, line that runs, derived backward or
smaller input is looked for."""


@dataclass(eq=False)
class Stand:
    """A layer at one point: `make` gives it anew with this point's parameters, `expected` are the right gradients.

    `outputs` and `got` are what the layer returns as it is; `natural` are the sizes of gradients if nothing cancels.
    """

    subject: Subject
    inputs: tuple[Any, ...]
    douts: tuple[Any, ...]
    parameters: Mapping[str, Any]
    wanted: dict[str, int | None]  # the gradients by name, with their places in what backward returns
    close: float
    expected: dict[str, Any] = field(default_factory=dict)
    natural: dict[str, float] = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)
    got: dict[str, Any] = field(default_factory=dict)
    examination: Examination | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of gradients with axes of 1 more, or less
    shortened: bool = False  # with a row less than the examples
    negated: frozenset[str] = frozenset()  # gradients that lack a sign, and a length that may be a convention: it stays
    seed: int = 0  # of what the layer draws

    @classmethod
    def at(
        cls, subject: Subject, examination: Examination, point: Point, a_row_less: bool = False, seed: int = 0
    ) -> Stand:
        """The stand at a point. Raises what the layer raises there, and ValueError where there is no row less."""
        order = {node: i for i, node in reversed(list(enumerate(examination.call.inputs)))}
        seek = {j.name: None if j.parameter else order[j.node] for j in examination.judged}
        inputs = inputs_at(subject, examination, point)
        parameters = {j.name: point[j.node] for j in examination.judged if j.parameter and j.node in point}
        rounded = (np.dtype(n.dtype).itemsize for n in examination.trace.graph.nodes if n.kind == "f")
        close = CLOSE.get(min(rounded, default=8), CLOSE[8])
        if examination.without_stabilisers:
            close = max(close, CLOSE_WITH_STABILISER)
        douts = tuple(point[d] for d in examination.seeds.values())
        stand = cls(subject, inputs, douts, parameters, seek, close, seed=seed)
        if a_row_less:
            rows = next((len(i) for i in inputs if isinstance(i, np.ndarray) and i.ndim), 0)
            stand.inputs, stand.shortened = shorter(inputs, 0, rows - 1), True
            if rows < 2 or stand.inputs is inputs:
                raise ValueError("one row is the least")
        stand.shapes = {j.name: j.node.shape for j in examination.judged if j.only_axes_of_one and not a_row_less}
        runner = stand.after_forward(lambda layer: None)
        stand.douts = stand.upstream(runner.outputs)
        stand.outputs, stand.got = runner.outputs, runner.gradients()
        stand.examination = found = Examination(stand.recorded())
        stand.expected = expected_of(found)
        stand.natural = {j.name: natural_size(found, j.node) for j in found.judged}
        if not stand.expected.keys() >= seek.keys():
            raise ValueError("other gradients are judged there")
        return stand

    @property
    def has_loop(self) -> bool:
        """Whether there is a loop in the code of backward that computes."""
        nodes = self.examination.trace.backward if self.examination is not None else ()
        lines = {(node.where.file, node.where.line) for node in nodes if node.where}
        loops = [(file, loop) for file in {file for file, _ in lines} for loop in loops_of(file)]
        return any((file, line) in lines for file, loop in loops for line in loop)

    def make(self) -> Any:
        """A copy of the layer with this point's parameters."""
        layer = self.subject.again()
        for name, value in self.parameters.items():
            array = _held(layer, name)
            if isinstance(array, np.ndarray) and array.shape == np.shape(value):
                array[...] = value
        return layer

    def recorded(self, prepare: Callable[[Any], None] | None = None) -> Trace:
        """Record the layer here, after `prepare` has changed it."""
        layer, douts = self.make(), self.douts
        if prepare is not None:
            prepare(layer)
            douts = self.upstream(self.after_forward(prepare).outputs)
        with quiet(self.seed):
            return record(layer, *deep_copy(self.inputs), dout=deep_copy(one_or_all(douts)))

    def upstream(self, outputs: Iterable[Any]) -> tuple[Any, ...]:
        """What backward is given: the point's own, or one of the shape that an output has come to have."""
        other = np.random.default_rng(6)

        def fitting(dout: Any, shape: tuple[int, ...]) -> Any:
            if np.shape(dout) == shape:
                return copy.copy(dout)
            return (other.normal(size=shape) if np.any(np.not_equal(dout, 1)) else np.ones(shape))[()]

        return tuple(fitting(dout, np.shape(output)) for dout, output in zip(self.douts, outputs, strict=True))

    def after_forward(self, prepare: Callable[[Any], None]) -> BackwardRuns:
        """The layer when its forward has run, ready to run its backward over and over."""
        count(self.subject.seconds / 2)
        layer = self.make()
        prepare(layer)
        before = _attributes(layer)
        inputs = deep_copy(self.inputs)
        with quiet(self.seed):
            outputs = [*map(copied, flat(layer.forward(*inputs)))]  # backward may write into them
        return BackwardRuns(self, layer, before, outputs, HeldMemory(layer, *inputs))

    def wrong(self, gradients: Mapping[str, Any], times: float = 1.0, scaled: Collection[str] = ()) -> frozenset[str]:
        """The names of the gradients that are not the expected ones, or not so many `times` these, if `scaled`."""
        right = {name: times * item if name in scaled else item for name, item in self.expected.items()}
        return frozenset(
            n for n, e in right.items() if not near(gradients.get(n), e, self.close, self.natural.get(n, 0.0))
        )

    def fits(self, gradients: Mapping[str, Any], prepare: Callable[[Any], None]) -> bool:
        """Whether gradients are those of a changed forward, along one direction, by differences of it."""
        if any(np.shape(gradients[name]) != np.shape(right) for name, right in self.expected.items()):
            return False
        generator, arrays = np.random.default_rng(5), self._arrays(self.make(), self.inputs)
        ways = {name: generator.normal(size=array.shape) * size_of(array) for name, array in arrays.items()}
        products = [way * gradients[name] for name, way in ways.items()]
        slope, size = sum(float(np.sum(p)) for p in products), sum(float(np.sum(np.abs(p))) for p in products)
        measured: float = central_difference(partial(self._moved, prepare, ways), 1e-5)
        return abs(measured - slope) <= 1e-6 * size

    def _moved(self, prepare: Callable[[Any], None], ways: Mapping[str, Any], step: float) -> float:
        """The output, weighed with dout, a step in some direction from here."""
        layer, inputs = self.make(), deep_copy(self.inputs)
        prepare(layer)
        for name, array in self._arrays(layer, inputs).items():
            array += step * ways[name]
        with quiet(self.seed):
            outputs = list(flat(layer.forward(*inputs)))
        return float(weighed(outputs, self.upstream(outputs)))

    def _arrays(self, layer: Any, inputs: tuple[Any, ...]) -> dict[str, Any]:
        """The arrays that the gradients are for, by name."""
        given = list(flat(inputs))
        found = {n: _held(layer, n) if at is None else given[at] for n, at in self.wanted.items()}
        return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}

    def shares_of(self, name: str) -> Iterator[tuple[str, Any]]:
        """What comes to a gradient through each use of a value that is used several times; in a word, the use."""
        if self.examination is None or len(self.examination.gradients.on) > _MOST_USES:
            return
        examination, trace = self.examination, self.examination.trace
        on, nodes = examination.gradients.on, {j.node for j in examination.judged if j.name == name}
        uses = Counter(user.inputs[argument] for user, argument in on)
        shares: dict[tuple[Node, int], Node] = {}
        for edge, gradient in on.items():
            value = edge[0].inputs[edge[1]]
            found = backpropagate({value: gradient}, until=nodes).of if uses[value] > 1 else {}
            shares.update((edge, item) for node, item in found.items() if node in nodes)
        values = values_of(examination, shares.values())
        for (user, argument), share in shares.items():
            line = f" (line {user.where.line})" if user.where and user.inputs[argument] not in nodes else ""
            yield f"`{trace.names.get(user) or user.primitive}`{line}", values[share]


@dataclass(eq=False)
class BackwardRuns:
    """Runs one layer's backward over and over, each time from the memory that its forward left."""

    stand: Stand
    layer: Any
    before: dict[str, Any]
    outputs: list[Any]
    memory: HeldMemory
    given: tuple[Any, ...] = ()

    def gradients(self) -> dict[str, Any]:
        """Run backward and return the gradients by name. Raises what the layer raises."""
        count(self.stand.subject.seconds / 2)
        self.memory.put_back()
        self.given = self.stand.upstream(self.outputs)
        returned = run_backward(self.layer, self.given)
        items = returned if type(returned) in (list, tuple) else (returned,)
        kept = {}
        if None in self.stand.wanted.values():
            kept = {pair.name: pair.gradient for pair in pairs(self.before, vars(self.layer))}
        places = self.stand.wanted.items()
        gradients = {name: kept.get(name) for name, at in places if at is None}
        gradients |= {name: items[at] for name, at in places if at is not None and at < len(items)}
        for name, shape in self.stand.shapes.items():
            gradient: Any = gradients.get(name)
            if gradient is not None and np.size(gradient) == math.prod(shape):
                gradients[name] = np.reshape(gradient, shape)
        return gradients

    def overwrote(self) -> bool:
        """Whether backward wrote into the upstream gradients that it was given last."""
        return not all(map(np.array_equal, self.given, self.stand.upstream(self.outputs)))


def natural_size(examination: Examination, node: Node) -> float:
    """The size of a gradient of what a recorded layer returns, by a value, where nothing cancels."""
    data = examination.trace.data
    output = sum(float(np.sum(np.abs(np.multiply(data[o], data[d])))) for o, d in examination.seeds.items())
    return output / size_of(data[node])


def near(got: Any, expected: Any, close: float, natural: float = 0.0) -> bool:
    """Whether two gradients are the same, beyond rounding: of `natural` size they would be if nothing cancelled."""
    if got is None or np.shape(got) != np.shape(expected):
        return False
    try:
        distance = np.abs(np.subtract(got, expected))
        return bool(np.max(distance, initial=0.0) <= close * (np.max(np.abs(expected), initial=0.0) + 1e-9 * natural))
    except (TypeError, ValueError):
        return False


def values_of(examination: Examination, nodes: Iterable[Node], at_one: bool = False) -> dict[Node, Any]:
    """The values of derived gradients in a recorded run, in float64; `at_one`: where upstream gradients are 1."""
    trace = examination.trace
    known = {node: trace.data[node] for node in (*trace.graph.nodes, *examination.seeds.values())}
    known |= examination.ones if at_one else {}
    with np.errstate(all="ignore"):
        return evaluate(list(nodes), known)


def expected_of(examination: Examination) -> dict[str, Any]:
    """The derived gradients of a recorded layer by name; 0 where nothing leads to the output."""
    derived = {j.node: examination.derived[j.node] for j in examination.judged if j.node in examination.derived}
    values = values_of(examination, derived.values())
    return {
        j.name: values[derived[j.node]] if j.node in derived else np.zeros(j.node.shape)[()] for j in examination.judged
    }


def stands(subject: Subject, examination: Examination, points: Iterable[Point]) -> Iterator[Stand]:
    """The stands at the points that the layer takes, at a generic one, and at another one with a row less.

    With a row less, a number that only happens to be the length of an axis does not fit any more.
    """
    points, others = list(points), [generic(examination, seed) for seed in (21, 22)]
    if examination.ignores_dout and any(np.any(point[d] != 1) for point in points for d in examination.seeds.values()):
        others = [upstream(examination, point) for point in others]

    seed, other = telling_seeds(subject, examination)

    def at(point: Point, a_row_less: bool = False, seed: int = seed) -> list[Stand]:
        try:
            return [Stand.at(subject, examination, point, a_row_less, seed)]
        except Exception:  # whatever the layer raises there
            return []

    for point in (*points, others[0]):
        yield from at(point)
    yield from at(others[1], a_row_less=True, seed=other) or at(others[1], seed=other)


def telling_seeds(subject: Subject, examination: Examination) -> tuple[int, int]:
    """Random states from which no mask that forward draws is the same everywhere: of zeros all is right.

    They differ where a mask has one element alone: from the second it is another one.
    """
    first: tuple[int, list[Any]] | None = None
    for seed in range(_MOST_SEEDS) if examination.trace.draws else ():
        masks = _masks(subject, examination, seed)
        if first is None and all(np.size(mask) < 2 or np.ptp(mask) for mask in masks):
            first = seed, masks
        if first is not None and (all(np.size(m) > 1 for m in masks) or not all(map(np.array_equal, first[1], masks))):
            return first[0], seed
    return (first[0], first[0]) if first is not None else (0, 0)


def _masks(subject: Subject, examination: Examination, seed: int) -> list[Any]:
    """What forward draws from a random state, and the conditions on it."""
    with quiet(seed):
        trace = record(subject.again(), *subject.fresh_inputs())
    drawn = {*trace.draws}
    nodes = (n for n in trace.graph.nodes if n in drawn or (n.kind == "b" and not drawn.isdisjoint(n.inputs)))
    return [trace.data[node].astype(float) for node in nodes]


def shorter(inputs: tuple[Any, ...], axis: int, n: int) -> tuple[Any, ...]:
    """All inputs whose axis is as long as the first one's, cut to n; the inputs themselves if it is that short."""
    first = next((i for i in inputs if isinstance(i, np.ndarray) and -i.ndim <= axis < i.ndim), None)
    if first is None or first.shape[axis] <= n:
        return inputs
    places = [axis_with(item, first.shape, axis) for item in inputs]
    return tuple(i if at is None else np.take(i, range(n), at) for i, at in zip(inputs, places, strict=True))


def inputs_at(subject: Subject, examination: Examination, point: Point) -> tuple[Any, ...]:
    """The layer's inputs with the numbers of a point."""
    nodes = iter(examination.call.inputs)

    def at(item: Any) -> Any:
        if isinstance(item, list | tuple):
            return type(item)([at(part) for part in item])
        if not isinstance(item, np.ndarray | np.generic) and type(item) not in (int, float):
            return deep_copy(item)
        node = next(nodes, None)
        value = point.get(node) if node is not None else None
        if value is None or np.shape(value) != np.shape(item):
            return deep_copy(item)
        if isinstance(item, np.ndarray):
            return np.array(value, dtype=item.dtype if item.dtype.kind == "f" else None, order="K")
        return type(item)(value) if isinstance(item, float | np.floating) else item

    return tuple(at(item) for item in subject.inputs)


def _attributes(layer: Any) -> dict[str, Any]:
    held = getattr(layer, "__dict__", {})
    return {key: list(item) if isinstance(item, list) else item for key, item in held.items()}


def _held(layer: Any, name: str) -> Any:
    """A layer's parameter by the name that `pairs` gives it."""
    attributes = getattr(layer, "__dict__", {})
    inner = {str(key): item for held in attributes.values() if isinstance(held, dict) for key, item in held.items()}
    listed, _, place = name.partition("[")
    if place[:-1].isdigit() and isinstance(attributes.get(listed), list | tuple):
        return attributes[listed][int(place[:-1])]
    return {**inner, **attributes}.get(name)
