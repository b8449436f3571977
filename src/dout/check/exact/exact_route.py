"""The exact route: is what a recorded backward computes the derivative of the recorded forward?

The forward's derivative is derived as graph, and it and the hand-written backward are evaluated over balls. Where they
agree to 2⁻²⁰⁰ at a generic point they are the same formula: both are analytic on the branches taken there. Where the
balls are disjoint they are not: a proof at that point.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import dropwhile
from typing import Any

import numpy as np
from flint import arb

from dout.check.exact.ball_numbers import ball, exact, middle
from dout.check.exact.ball_values import Balls
from dout.check.exact.condition_sides import Conditions
from dout.check.exact.judging_points import Point, is_label
from dout.check.report.verdicts import Word
from dout.grad import backpropagate
from dout.graph import CONSTANT, INPUT, Node, topological
from dout.ops import PRIMITIVES
from dout.trace.model.derived_gradients import STABILISER
from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace

EXACT, ROUNDED, CONFIRMED = arb(2) ** -200, arb(2) ** -46, arb(2) ** -40
STEP = arb(2) ** -100
FEW, MANY = 6, 15  # digits of a literal that may be a rounded constant; 16 and more are computed
BLURRED = arb(2) ** -14  # where the digits of the literals say less, they excuse nothing
UNCONFIRMED = "differences of the forward do not confirm it"
_KEEPS_FINITE = frozenset(PRIMITIVES[name] for name in ("add", "subtract", "maximum", "clip"))
_SELECTING = frozenset(
    PRIMITIVES[name]
    for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "maximum", "minimum", "clip",
                 "absolute", "math_fabs", "sign", "max", "min", "argmax", "argmin", "argsort")
)  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """A gradient to be judged: of the input or parameter `node`, as the user's `gradient` computes it."""

    name: str
    node: Node
    gradient: Node
    parameter: bool = False

    @property
    def only_axes_of_one(self) -> bool:
        """Whether value and gradient have other shapes, but alike to axes of length 1: b (1, 3), db (3,).

        Of an input only axes in front: x (3,), dx (1, 3). With others, dx is spread in the next sum that it enters.
        """
        shapes = self.node.shape, self.gradient.shape
        mine, theirs = ([n for n in shape if n != 1] for shape in shapes)
        bare = {tuple(dropwhile(lambda n: n == 1, shape)) for shape in shapes}
        return shapes[0] != shapes[1] and mine == theirs and (self.parameter or (bool(mine) and len(bare) == 1))

    def fitted(self, gradient: Any) -> Any:
        """The user's gradient as it is compared: axes of length 1 more or less are a finding of their own."""
        return np.reshape(gradient, self.node.shape) if self.only_axes_of_one else gradient


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """How a gradient compares at one point: a word, and both gradients as float64."""

    judged: Judged
    word: Word
    expected: Any
    got: Any
    point: Point
    because: str = ""

    @property
    def index(self) -> tuple[int, ...] | None:
        """Where they differ most, of what is not finite the first; None where their shapes differ."""
        expected, got = np.asarray(self.expected, dtype=float), np.asarray(self.got, dtype=float)
        if expected.shape != got.shape or not expected.size:
            return None
        distance = np.where(np.isfinite(got), np.abs(expected - got), np.inf)
        distance = np.where(np.isfinite(expected), distance, -1.0)  # there nothing is right
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), expected.shape))

    def at(self, index: tuple[int, ...]) -> tuple[float, float]:
        """Expected and got there."""
        return float(np.asarray(self.expected)[index]), float(np.asarray(self.got)[index])


class Examination:
    """One recorded layer call, ready to be evaluated over balls at any point."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.call = call = trace.calls[0]
        self.forward = frozenset(n for n in trace.graph.nodes if n not in trace.backward)
        self.judged = _judged(trace, call)
        pairs = zip(call.outputs, call.douts or (), strict=False)
        self.seeds = {output: dout for output, dout in pairs if dout is not None}
        self.derived = backpropagate(self.seeds).of if self.seeds else {}

    @cached_property
    def ignores_dout(self) -> bool:
        """Whether no gradient depends on the upstream one, as in a loss whose backward assumes that it is 1.

        Where the derivative is 0 there is nothing to depend on it.
        """
        needed = set(topological(j.gradient for j in self.judged))
        if not self.judged or needed & set(self.seeds.values()):
            return False
        balls = self.balls(self._recorded | self.ones)
        return any(np.any(middle(self.expected(balls, j)) != 0) for j in self.judged)

    @cached_property
    def base(self) -> Point:
        """The point of the recorded run itself; a `dout` that is ignored is 1."""
        return self._recorded | self.ones if self.ignores_dout else self._recorded

    @cached_property
    def _recorded(self) -> dict[Node, Any]:
        """The values of the graph's inputs, and of the upstream gradients, in the recorded run."""
        inputs = (node for node in self.trace.graph.nodes if node.primitive is INPUT)
        return {node: self.trace.data[node] for node in (*inputs, *self.seeds.values())}

    @cached_property
    def is_steered(self) -> bool:
        """Whether the run took a branch, or an index, for a value that may be another one at another point."""
        return not set(self.varying).isdisjoint(topological(self.trace.steered))

    @cached_property
    def varying(self) -> tuple[Node, ...]:
        """The inputs and parameters that may take other values: labels, one-hot rows and probabilities keep theirs."""
        judged = dict.fromkeys(j.node for j in self.judged)  # what has a gradient is no label
        nodes = dict.fromkeys((*self.call.inputs, *judged))
        return tuple(n for n in nodes if n.primitive is INPUT and (n in judged or not is_label(self.trace.data[n])))

    @cached_property
    def labels(self) -> tuple[Node, ...]:
        """The inputs that keep their values as labels do."""
        found = (n for n in self.call.inputs if n.primitive is INPUT and n not in self.varying)
        return tuple(n for n in found if isinstance(self.trace.data[n], np.ndarray) and self.trace.data[n].size)

    @cached_property
    def conditions(self) -> Conditions:
        """The conditions in arrays, those of backward too."""
        return Conditions(self.trace, self.varying)

    @cached_property
    def selects(self) -> bool:
        """Whether the forward chooses by value anywhere, so that it has kinks."""
        return any(node.primitive in _SELECTING for node in self.forward)

    @cached_property
    def ones(self) -> dict[Node, Any]:
        """An upstream gradient of ones."""
        return {dout: np.ones(dout.shape)[()] for dout in self.seeds.values()}

    @cached_property
    def stabilisers(self) -> tuple[Node, ...]:
        """Tiny numbers that are added only to keep another one finite: log(y + 1e-7) is meant as log(y)."""
        own = {*self.call.inputs, *(j.node for j in self.judged)}  # these, and arrays, mean what they are
        own |= {n for n, x in self.trace.data.items() if n.primitive is INPUT and isinstance(x, np.ndarray)}
        found = {
            i: None
            for node in self.trace.graph.nodes
            if node.primitive in _KEEPS_FINITE
            for i in node.inputs
            if i.dtype is float or (not i.shape and not isinstance(i.dtype, type) and i.dtype.kind == "f")
            if i.primitive in (CONSTANT, INPUT) and i not in own and 0 < abs(float(self.trace.data[i])) <= STABILISER
        }
        return tuple(found)

    @cached_property
    def rounded(self) -> dict[Node, arb]:
        """The literals of six digits and more, each as all the numbers that it may be the rounded value of."""
        found = {}
        for node in self.trace.graph.nodes:
            value = node.static.get("value") if node.primitive is CONSTANT else None
            _, digits, exponent = Decimal(repr(value) if type(value) is float else "0").as_tuple()
            if isinstance(exponent, int) and FEW <= len(digits) <= MANY:
                found[node] = arb(value, 0.5 * 10.0**exponent)
        return found

    def balls(self, point: Point, also: Point | None = None) -> Balls:
        """Evaluate the forward, and both gradients of everything judged, at a point."""
        balls = Balls({**point, **(also or {})})
        balls.compute(self.needed(balls.values))
        return balls

    def needed(self, known: Collection[Node]) -> tuple[Node, ...]:
        """The nodes of the forward and of both gradients of everything judged, from those that are known."""
        wanted = [*self.seeds, *(j.gradient for j in self.judged)]
        wanted += [self.derived[j.node] for j in self.judged if j.node in self.derived]
        return topological(wanted, known=known)

    def outcomes(self, point: Point, refuted: Collection[Node] = ()) -> tuple[list[Outcome], Balls]:
        """Compare at a point; where the formulas differ, try again without the stabilisers.

        A gradient among those `refuted` was so at another point: that its derivative is right need not be confirmed.
        """
        balls = self.balls(point)
        found = [self._compare(j, balls, point) for j in self.judged]
        if self.stabilisers and any(o.word == Word.REFUTED for o in found):
            without = self.balls(point, dict.fromkeys(self.stabilisers, 0.0))
            again = [self._compare(j, without, point) for j in self.judged]
            found = [
                replace(o, word=Word.STABILISED, because="")
                if o.word == Word.REFUTED and a.word in (Word.EXACT, Word.ROUNDED)
                else o
                for o, a in zip(found, again, strict=True)
            ]
        if self.rounded and any(o.word == Word.REFUTED for o in found):
            about = self.balls(point, self.rounded)
            found = [
                replace(o, word=Word.ROUNDED, because="")
                if o.word == Word.REFUTED and _meets(self.expected(about, o.judged), about.values[o.judged.gradient])
                else o
                for o in found
            ]
        found = [
            replace(o, word=Word.INCONCLUSIVE, because=UNCONFIRMED)
            if o.word == Word.REFUTED
            and o.index is not None
            and not (o.judged.gradient in refuted or self._confirmed(o, balls))
            else o
            for o in found
        ]
        return found, balls

    def _confirmed(self, outcome: Outcome, balls: Balls) -> bool:
        """Whether a difference quotient of the forward agrees with the derivative that refutes, along one direction.

        At 300 bits a step of 2⁻¹⁰⁰ leaves no doubt: a wrong rule of ours must not become somebody's error. (A rule may
        hold a rounded constant, such as that of erf.)
        """
        node, point = outcome.judged.node, outcome.point
        step = STEP * _positive(_size(point[node]))
        direction = exact(np.random.default_rng(0).uniform(0.5, 1.5, size=node.shape)[()])
        ends = []
        for way in (step, -step):
            moved = Balls({**point, node: exact(point[node]) + direction * way})
            moved.compute(topological(self.seeds, known=moved.values))
            pairs = [(exact(point[dout]), moved.values[output]) for output, dout in self.seeds.items()]
            ends.append(sum((_inner(a, b) for a, b in pairs), start=arb(0)))
        slope = (ends[0] - ends[1]) / (2 * step)
        derived = _inner(self.expected(balls, outcome.judged), direction)
        scale = _size(outcome.expected) + _size(outcome.got)
        return bool(abs(slope - derived) <= CONFIRMED * _positive(scale))

    def expected(self, balls: Balls, judged: Judged) -> Any:
        """The derived gradient, zero where nothing differentiable leads from a value to the output."""
        if judged.node in self.derived:
            return balls.values[self.derived[judged.node]]
        return exact(np.zeros(judged.node.shape)[()])

    def _compare(self, judged: Judged, balls: Balls, point: Point) -> Outcome:
        expected, got = self.expected(balls, judged), judged.fitted(exact(balls.values[judged.gradient]))
        word, because = relation(expected, got)
        if word == Word.REFUTED and not because and self._are_zero(expected, got, balls, ROUNDED):
            word = Word.ROUNDED
        elif word == Word.INCONCLUSIVE and self._is_beside(judged) and self._are_zero(expected, got, balls, EXACT):
            word, because = Word.EXACT, ""
        return Outcome(judged, word, middle(expected), middle(got), point, because)

    def _is_beside(self, judged: Judged) -> bool:
        """Whether this is no gradient of the first input: where that is 0, as of one row, the inputs hide mistakes."""
        return judged.parameter or judged.node is not next(iter(self.call.inputs), None)

    def _are_zero(self, expected: Any, got: Any, balls: Balls, share: arb) -> bool:
        """Whether the derivative is 0, and what stands for it no larger than this share of the other gradients.

        So it is of a bias that a batch normalization takes away again: 1/3 as a float leaves as much as ROUNDED of the
        others, and without it two sums that cancel have nothing but their radius left.
        """
        size = max(_size(balls.values[j.gradient]) for j in self.judged)
        finite = all(ball(x).is_finite() for x in (*_flat(exact(expected)), *_flat(exact(got))))
        return finite and bool(_size(expected) <= EXACT * size and _size(got) <= share * size)


def relation(expected: Any, got: Any) -> tuple[Word, str]:
    """How two gradients compare, as a word of a verdict, and why where it is no plain answer."""
    if np.shape(expected) != np.shape(got):
        return Word.REFUTED, f"its shape is {np.shape(got)}, not {np.shape(expected)}"
    pairs = [(ball(e), ball(g)) for e, g in zip(_flat(expected), _flat(got), strict=True)]
    known = [(e, g) for e, g in pairs if e.is_finite()]
    if any(not g.is_finite() for _, g in known):
        return Word.REFUTED, "it is not finite"
    size = max((x.abs_upper() for pair in known for x in pair), default=arb(0))
    distance = max(((e - g).abs_upper() for e, g in known), default=arb(0))
    if pairs and not known:
        return Word.INCONCLUSIVE, "the derivative is not finite"
    if distance <= EXACT * size:
        return (Word.EXACT, "") if len(known) == len(pairs) else (Word.INCONCLUSIVE, "the derivative is not finite")
    if distance <= ROUNDED * size:
        return Word.ROUNDED, ""
    if any(not e.overlaps(g) for e, g in known):
        return Word.REFUTED, ""
    return Word.INCONCLUSIVE, "300 bits do not tell the two apart"


def _meets(expected: Any, got: Any) -> bool:
    """Whether two gradients may be one, of constants that are known to some digits."""
    if np.shape(expected) != np.shape(got):
        return False
    pairs = [(ball(e), ball(g)) for e, g in zip(_flat(expected), _flat(got), strict=True)]
    size = max((abs(e).mid() for e, _ in pairs if e.is_finite()), default=arb(0))
    return all(e.overlaps(g) and g.rad() <= BLURRED * size for e, g in pairs)


def _judged(trace: Trace, call: LayerCall) -> tuple[Judged, ...]:
    names = {node: name for name, node in trace.graph.inputs.items()}
    found: dict[Node, Judged] = {}
    for i, (node, gradient) in enumerate(zip(call.inputs, call.gradients or (), strict=False)):
        if gradient is not None:
            found[node] = Judged(names.get(node) or trace.names.get(node) or f"input {i}", node, gradient)
    for parameter in call.parameters:
        found.setdefault(parameter.node, Judged(parameter.name, parameter.node, parameter.gradient, parameter=True))
    return tuple(found.values())


def _inner(a: Any, b: Any) -> arb:
    """⟨a, b⟩ of two gradients or values, either of which may be repeated over the other's shape."""
    return sum((ball(x) * ball(y) for x, y in np.broadcast(np.asarray(a), np.asarray(b))), start=arb(0))


def _size(value: Any) -> arb:
    """The largest absolute value in a gradient; what is not finite counts for nothing."""
    return max((x.abs_upper() for x in map(ball, _flat(exact(value))) if x.is_finite()), default=arb(0))


def _positive(size: arb) -> arb:
    """A size; 1 where that is 0."""
    return size if size > 0 else arb(1)


def _flat(value: Any) -> Iterable[Any]:
    return value.ravel().tolist() if isinstance(value, np.ndarray) else [value]
