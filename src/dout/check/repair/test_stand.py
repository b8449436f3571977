"""A layer at one point, run plainly over and over: its memory is put back, its gradients are compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.grad import backpropagate
from dout.graph import Node, evaluate
from dout.judge.judging_points import generic, upstream
from dout.judge.outcomes import Point
from dout.run import (
    HeldMemory,
    central_difference,
    deep_copy,
    flat,
    one_or_all,
    quiet,
    run_backward,
    size_of,
    weighed,
)
from dout.trace.record.record import record
from dout.trace.record.trace import Trace
from dout.trace.session.pairing import pairs

CLOSE = {8: 1e-7, 4: 1e-3, 2: 3e-2}
CLOSE_WITH_STABILISER = 1e-4  # log(y + 1e-7) is meant as log(y)


@dataclass(frozen=True, eq=False)
class Wanted:
    """A gradient to look at: what backward returns at a place, or the parameter's of this name."""

    name: str
    returned: int | None


def wanted(examination: Examination) -> list[Wanted]:
    """Every judged gradient and where it is found after a plain run."""
    order = {node: i for i, node in reversed(list(enumerate(examination.call.inputs)))}
    return [Wanted(j.name, None if j.parameter else order[j.node]) for j in examination.judged]


@dataclass(eq=False)
class Stand:
    """A layer at one point: `make` gives it anew with this point's parameters, `expected` are the right gradients."""

    subject: Subject
    inputs: tuple[Any, ...]
    douts: tuple[Any, ...]
    parameters: Mapping[str, Any]
    wanted: list[Wanted]
    expected: dict[str, Any] = field(default_factory=dict)
    natural: dict[str, float] = field(default_factory=dict)  # the sizes of gradients in which nothing cancels
    close: float = CLOSE[8]
    examination: Examination | None = None

    @classmethod
    def at(cls, subject: Subject, examination: Examination, point: Point, seek: list[Wanted]) -> Stand | None:
        """The stand at a point; None where the layer does not take it."""
        inputs = inputs_at(subject, examination, point)
        parameters = {j.name: point[j.node] for j in examination.judged if j.parameter and j.node in point}
        douts = tuple(point[d] for d in examination.seeds.values() if d in point)
        if inputs is None or len(douts) != len(examination.seeds):
            return None
        stand = cls(subject, inputs, douts, parameters, seek)
        try:
            found = Examination(stand.recorded())
            stand.expected = expected_of(found)
            stand.natural = {j.name: natural_size(found, j.node) for j in found.judged}
        except Exception:
            return None
        stand.examination = found
        sizes = [
            i.dtype.itemsize for i in (*map(np.asarray, flat(inputs)), *parameters.values()) if i.dtype.kind == "f"
        ]
        stand.close = CLOSE.get(min(sizes, default=8), CLOSE[8])
        if examination.without_stabilisers:
            stand.close = max(stand.close, CLOSE_WITH_STABILISER)
        return stand if all(w.name in stand.expected for w in seek) else None

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
        with quiet():
            return record(layer, *deep_copy(self.inputs), dout=one_or_all(douts))

    def upstream(self, outputs: Iterable[Any]) -> tuple[Any, ...]:
        """What backward is given: the point's own, or one of the shape that an output has come to have."""
        fits = [np.shape(d) == np.shape(o) for d, o in zip(self.douts, outputs, strict=True)]
        other = np.random.default_rng(6)
        return tuple(
            copy.copy(d) if fit else other.normal(size=np.shape(o))[()]
            for d, o, fit in zip(self.douts, outputs, fits, strict=True)
        )

    def after_forward(self, prepare: Callable[[Any], None]) -> BackwardRuns:
        """The layer when its forward has run, ready to run its backward over and over."""
        layer = self.make()
        prepare(layer)
        before = _attributes(layer)
        inputs = deep_copy(self.inputs)
        with quiet():
            outputs = list(flat(layer.forward(*inputs)))
        return BackwardRuns(self, layer, before, outputs, HeldMemory(layer, *inputs))

    def wrong(self, gradients: Mapping[str, Any], expected: Mapping[str, Any] | None = None) -> frozenset[str]:
        """The names of the gradients that are not the expected ones."""
        right = self.expected if expected is None else expected
        return frozenset(
            n for n, e in right.items() if not near(gradients.get(n), e, self.close, self.natural.get(n, 0.0))
        )

    def fits(self, gradients: Mapping[str, Any], prepare: Callable[[Any], None]) -> bool:
        """Whether gradients are those of a changed forward, in one direction, by differences of it."""
        generator = np.random.default_rng(5)
        values = dict(enumerate(flat(self.inputs)))
        ways = {
            w.name: generator.normal(size=np.shape(self.expected[w.name]))
            * size_of(self.parameters[w.name] if w.returned is None else values[w.returned])
            for w in self.wanted
        }
        slope = sum(float(np.sum(ways[n] * gradients[n])) for n in ways)
        size = sum(float(np.sum(np.abs(ways[n] * gradients[n]))) for n in ways)
        if any(np.shape(gradients[n]) != np.shape(ways[n]) for n in ways):
            return False
        measured: float = central_difference(partial(self._moved, prepare, ways), 1e-5)
        return abs(measured - slope) <= 1e-6 * size

    def _moved(self, prepare: Callable[[Any], None], ways: Mapping[str, Any], step: float) -> float:
        """The output, weighed with dout, a step in some direction from here."""
        layer = self.make()
        prepare(layer)
        inputs = deep_copy(self.inputs)
        order = list(flat(inputs)) if any(isinstance(i, list | tuple) for i in inputs) else None
        for w in self.wanted:
            if w.returned is None:
                array = _held(layer, w.name)
                array += step * ways[w.name]
            elif order is None:
                moved = inputs[w.returned] + step * ways[w.name]
                inputs = (*inputs[: w.returned], moved, *inputs[w.returned + 1 :])
            else:
                order[w.returned] += step * ways[w.name]
        with quiet():
            outputs = list(flat(layer.forward(*inputs)))
        return float(weighed(outputs, self.upstream(outputs)))

    def edges_of(self, name: str) -> Iterator[tuple[str, Any]]:
        """The gradients that come to a value through each of its uses, where it has several."""
        if self.examination is None:
            return
        examination, trace = self.examination, self.examination.trace
        nodes = {j.node for j in examination.judged if j.name == name}
        on = {edge: g for edge, g in backpropagate(examination.seeds).on.items() if edge[0].inputs[edge[1]] in nodes}
        if len(on) > 1:
            known = {node: trace.data[node] for node in trace.graph.nodes}
            known |= {dout: trace.data[dout] for dout in examination.seeds.values()}
            values = evaluate(on.values(), known)
            for (user, _), gradient in on.items():
                yield f"`{trace.names.get(user) or user.primitive}`", values[gradient]


@dataclass(eq=False)
class BackwardRuns:
    """Runs one layer's backward over and over, each time from the memory that its forward left."""

    stand: Stand
    layer: Any
    before: dict[str, Any]
    outputs: list[Any]
    memory: HeldMemory
    found: dict[str, Callable[[], Any]] | None = None

    def gradients(self) -> dict[str, Any]:
        """Run backward and return the gradients by name. Raises what the layer raises."""
        self.memory.put_back()
        returned = run_backward(self.layer, self.stand.upstream(self.outputs))
        items = returned if type(returned) in (list, tuple) else (returned,)
        kept = self._kept()
        gradients = {}
        for wanted_ in self.stand.wanted:
            if wanted_.returned is None:
                gradients[wanted_.name] = kept.get(wanted_.name)
            elif wanted_.returned < len(items):
                gradients[wanted_.name] = items[wanted_.returned]
        return gradients

    def _kept(self) -> dict[str, Any]:
        if all(w.returned is not None for w in self.stand.wanted):
            return {}
        return {pair.name: pair.gradient for pair in pairs(self.before, vars(self.layer))}


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


def expected_of(examination: Examination) -> dict[str, Any]:
    """The derived gradients of a recorded layer, in float64."""
    nodes = {j.name: examination.derived.get(j.node) for j in examination.judged}
    known = {node: examination.trace.data[node] for node in examination.trace.graph.nodes}
    known |= {dout: examination.trace.data[dout] for dout in examination.seeds.values()}
    with np.errstate(all="ignore"):
        values = evaluate([n for n in nodes.values() if n is not None], known)
    shapes = {j.name: j.node.shape for j in examination.judged}
    return {name: np.zeros(shapes[name])[()] if n is None else values[n] for name, n in nodes.items()}


def stands(subject: Subject, examination: Examination, points: Iterable[Point]) -> Iterator[Stand]:
    """The stands at the points that the layer takes, and at two generic ones."""
    seek = wanted(examination)
    points, others = list(points), [generic(examination, seed) for seed in (21, 22)]
    if examination.ignores_dout and any(np.any(point[d] != 1) for point in points for d in examination.seeds.values()):
        others = [upstream(examination, point) for point in others]
    for point in (*points, *others):
        stand = Stand.at(subject, examination, point, seek)
        if stand is not None:
            yield stand


def inputs_at(subject: Subject, examination: Examination, point: Point) -> tuple[Any, ...] | None:
    """The layer's inputs with the numbers of a point."""
    nodes = list(examination.call.inputs)
    taken: list[Any] = []

    def at(item: Any) -> Any:
        if isinstance(item, list | tuple):
            return type(item)([at(part) for part in item])
        traced = isinstance(item, np.ndarray) or type(item) in (int, float) or isinstance(item, np.generic)
        if not traced:
            return deep_copy(item)
        node = nodes[len(taken)] if len(taken) < len(nodes) else None
        taken.append(item)
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
