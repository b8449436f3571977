"""A layer call in; the quantities of its derivation out, their values, and the user's gradients that are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from dout.explain.beside.point_values import Numbers, PointValues, alike, same
from dout.grad import Gradients, backpropagate
from dout.graph import CONSTANT, INPUT, Node, topological
from dout.judge.exact_judge import ExactJudge
from dout.judge.float_judge import outcomes_in_float64
from dout.judge.gradient_judge import FEW_ELEMENTS
from dout.judge.judged_run import elements
from dout.judge.judging_points import generic
from dout.judge.outcomes import Judged, NoRuleError, Point, Word
from dout.ops import primitives
from dout.trace.model.derived_gradients import Edge, total
from dout.trace.model.recorded import LayerCall, RecordedRun

_POINTS = 2
_TRIES = 6  # a mask may choose another number of elements near the recorded point
_EQUALITIES, _POWERS = primitives("equal not_equal"), primitives("power pow")
_FAILURES = (NoRuleError, ArithmeticError, ValueError, TypeError, IndexError)


@dataclass(frozen=True, eq=False)
class HandedOut:
    """A gradient that backward hands out: of an input, or of an array that the layer holds."""

    of: Node
    gradient: Node
    derived: Node | None  # None where nothing differentiable leads to the output: the gradient is 0
    parameter: str = ""


class DerivedQuantities:
    """The gradients of a layer call, derived from the upstream gradients that its backward was given."""

    def __init__(self, trace: RecordedRun, call: LayerCall, lines: Iterable[Node]) -> None:
        self.trace, self.call = trace, call
        douts = call.douts or (None,) * len(call.outputs)
        fresh = {
            o: Node(INPUT, (), {}, o.shape, o.dtype) for o, d in zip(call.outputs, douts, strict=False) if d is None
        }
        given = {o: d for o, d in zip(call.outputs, douts, strict=False) if d is not None}
        self.seeds: dict[Node, Node] = given or fresh
        self.data = {**trace.data, **{dout: np.ones(dout.shape)[()] for dout in fresh.values()}}
        self.gradients: Gradients = backpropagate(self.seeds)
        self.lines = tuple(dict.fromkeys(lines))
        self._ancestors: dict[Node, frozenset[Node]] = {}

    # ------------------------------------------------------------------------------------------------------ nodes

    @cached_property
    def forward(self) -> tuple[Node, ...]:
        """The nodes of this forward in the order in which they ran, those it reads first; without constants."""
        trace, call = self.trace, self.call
        inside = [n for n in trace.graph.nodes if n not in trace.backward and self._is_inside(n)]
        read = {i: None for n in inside for i in n.inputs if not self._is_inside(i)}
        nodes = (*dict.fromkeys(call.inputs), *(n for n in read if n not in call.inputs), *inside)
        return tuple(node for node in nodes if node.primitive is not CONSTANT)

    def _is_inside(self, node: Node) -> bool:
        made_in = self.trace.call_of.get(node)
        return made_in is not None and made_in.inside(self.call) and node not in self.trace.backward

    @cached_property
    def edges(self) -> dict[Edge, Node]:
        """The gradient on each edge inside the layer, from the output to the inputs."""
        return {edge: node for edge, node in self.gradients.on.items() if self._is_inside(edge[0])}

    @cached_property
    def of(self) -> dict[Node, Node]:
        """The gradient of each value of forward, from the output to the inputs."""
        found = {}
        for value in reversed(self.forward):
            parts = [self.edges[edge] for edge in self.edges_from(value)]
            whole = self.gradients.of.get(value) if self._is_inside(value) else total(parts)
            if whole is not None:
                found[value] = whole
        return found

    def edges_from(self, value: Node) -> list[Edge]:
        """The uses of a value."""
        return [edge for edge in self.edges if edge[0].inputs[edge[1]] is value]

    def gradient_inside(self, value: Node, layer: LayerCall) -> Numbers | None:
        """The gradient that an inner layer passes to one of its inputs."""
        calls = ((edge, self.trace.call_of.get(edge[0])) for edge in self.edges_from(value))
        parts = [self.values[self.edges[edge]] for edge, call in calls if call and call.inside(layer)]
        found = parts[0] if parts else None
        for part in parts[1:]:
            found = found and part and found.made(lambda a, b: a + b, part)
        return found

    @cached_property
    def results(self) -> tuple[HandedOut, ...]:
        """The gradients that backward hands out; not those of an input that was given twice."""
        inputs, gradients = self.call.inputs, self.call.gradients or ()
        pairs = [(v, g) for v, g in zip(inputs, gradients, strict=False) if g is not None and inputs.count(v) == 1]
        found = [HandedOut(value, gradient, self.of.get(value)) for value, gradient in pairs]
        found += [HandedOut(p.node, p.gradient, self.of.get(p.node), p.name) for p in self.call.parameters]
        return tuple(found)

    def leads(self, node: Node, to: Node) -> bool:
        """Whether a node of backward is, or is computed from, another."""
        return to in self._above(node)

    def _above(self, node: Node) -> frozenset[Node]:
        if node not in self._ancestors:
            self._ancestors[node] = frozenset(topological([node]))
        return self._ancestors[node]

    def is_of_dout(self, node: Node) -> bool:
        """Whether a node depends on an upstream gradient."""
        return not self._above(node).isdisjoint(self.seeds.values())

    # ----------------------------------------------------------------------------------------------------- values

    @cached_property
    def ignores_dout(self) -> bool:
        """Whether this is the backward of a loss that assumes an upstream gradient of 1."""
        axes = max((len(node.shape) for node in self.call.inputs), default=0)
        reduced = all(len(o.shape) < axes or np.prod(o.shape, dtype=int) == 1 for o in self.seeds)
        return reduced and not any(self.is_of_dout(result.gradient) for result in self.results)

    @cached_property
    def judge(self) -> ExactJudge:
        """The run, ready to be evaluated."""
        trace = self.trace
        nodes = (*trace.graph.nodes, *self.of.values(), *self.edges.values())
        judged = [Judged(r.parameter, r.of, r.gradient, bool(r.parameter), r.derived) for r in self.results]
        return ExactJudge(nodes, self.data, trace.backward, judged, self.seeds, [*self.call.inputs, *self._held])

    @cached_property
    def _held(self) -> tuple[Node, ...]:
        """The values besides the layer's inputs that forward computes with and that may vary: numbers it holds, draws.

        A number that backward does not read keeps its value where backward reads another one instead: `rate`, beside
        `keep = 1 - rate`.
        """
        trace = self.trace
        read_in_forward = frozenset(topological(self.call.outputs))
        read_in_backward = {i for node in trace.backward for i in node.inputs}
        given = [n for n in trace.graph.inputs.values() if n not in trace.call_of or n in trace.draws]
        instead = {n.shape for n in given if n in read_in_backward and n not in read_in_forward}
        fixed = self._fixed | {n for n in given if n.shape in instead and n not in read_in_backward}
        return tuple(n for n in given if n in read_in_forward and n not in fixed and self._is_free(n))

    def _is_free(self, node: Node) -> bool:
        """Whether other values may stand for a value: an array that a layer holds may be symmetric by what made it."""
        entered = any(node in call.inputs for call in self.trace.calls)
        return entered or not node.shape or node in self.trace.draws

    @cached_property
    def _fixed(self) -> frozenset[Node]:
        """The numbers that are no quantities: sizes, indices, counts, whole exponents, and those asked to be equal."""
        steered = [n for n in self.trace.steered if n.kind in "iu" or n.primitive in _EQUALITIES]
        exponents = [n.inputs[1] for n in self.trace.graph.nodes if n.primitive in _POWERS and not n.inputs[1].shape]
        whole = [n for n in exponents if n in self.data and n.kind in "iuf" and float(self.data[n]).is_integer()]
        return frozenset(n for n in topological([*steered, *whole]) if not n.shape)

    def _points(self) -> Iterable[Point]:
        for seed in range(_TRIES):
            point = generic(self.judge, seed)
            yield {**point, **self.judge.ones} if self.ignores_dout else point
        yield self.judge.base

    @cached_property
    def _wanted(self) -> tuple[Node, ...]:
        handed_out = (result.gradient for result in self.results)
        return (*self.forward, *self.of.values(), *self.edges.values(), *handed_out, *self.lines)

    @cached_property
    def values(self) -> PointValues:
        """All values at generic points, over balls where that takes a moment only."""
        exactly = elements(topological(self._wanted)) <= FEW_ELEMENTS
        for way in (True, False) if exactly else (False,):
            if found := list(islice(self._at_points(exactly=way), _POINTS)):
                given, points = [one.given[0] for one in found], [one.points[0] for one in found]
                return PointValues(given, points, found[0].nodes, way)
        return PointValues.of([self.data], (), exactly=False)

    def _at_points(self, *, exactly: bool) -> Iterator[PointValues]:
        """All values at one generic point after the other, where they can be computed."""
        for point in self._points():
            with suppress(*_FAILURES):
                yield PointValues.of([point], self._wanted, exactly=exactly)

    @cached_property
    def ones(self) -> PointValues:
        """The values where all upstream gradients are 1."""
        at_one = {d: numbers.made(lambda x: x * 0 + 1) for d in self.seeds.values() if (numbers := self.values[d])}
        return self.values.changed({dout: one for dout, one in at_one.items() if one is not None})

    @cached_property
    def wrong(self) -> tuple[HandedOut, ...]:
        """The gradients handed out that the judge refutes at every point."""
        found = [self._refuted(point) for point in self.values.given]
        return tuple(r for r in self.results if all(r.gradient in refuted for refuted in found))

    def _refuted(self, point: Point) -> set[Node]:
        sure = [result.gradient for result in self.results]
        if self.values.exactly:
            outcomes, _ = self.judge.outcomes(point, sure)
        else:
            outcomes, _ = outcomes_in_float64(self.judge, point, confirm=False)
        return {outcome.judged.gradient for outcome in outcomes if outcome.word == Word.REFUTED}

    def right(self, result: HandedOut) -> Numbers | None:
        """The right value of a gradient that is handed out."""
        if result.derived is not None:
            return self.values[result.derived]
        value = self.values[result.of]
        return value and value.made(lambda x: x * 0)

    def is_right(self, result: HandedOut, values: PointValues) -> bool:
        """Whether a gradient that is handed out is right, where other lines may have been mended."""
        mine, right = values[result.gradient], self.right(result)
        return alike(mine, right) if result.parameter else same(mine, right)
