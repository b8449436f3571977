"""The exact judge: is what a recorded backward computes the derivative of the recorded forward?

The forward's derivative is derived as graph, and it and the hand-written backward are evaluated over balls. Where they
agree to 2⁻²⁰⁰ at a generic point they are the same formula: both are analytic on the branches taken there. Where the
balls are disjoint they are not: a proof at that point.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb

from dout.graph import CONSTANT, Node, topological
from dout.judge.ball_numbers import ball, exact, flat, middle, size
from dout.judge.ball_values import Balls
from dout.judge.float_judge import in_float64
from dout.judge.judged_run import JudgedRun
from dout.judge.outcomes import Doubt, Judged, Outcome, Point, Word
from dout.run import central_difference

EXACT, ROUNDED, CONFIRMED = arb(2) ** -200, arb(2) ** -46, arb(2) ** -40
STEP = arb(2) ** -100
FEW, MANY = 6, 15  # digits of a literal that may be a rounded constant; 16 and more are computed
NOTHING = arb(2) ** -44  # of the largest gradient: what rounding leaves of one that is 0
BLURRED = arb(2) ** -14  # where the digits of the literals say less, they excuse nothing


class ExactJudge(JudgedRun):
    """A recorded run, ready to be evaluated over balls at any point."""

    @cached_property
    def rounded(self) -> dict[Node, arb]:
        """The literals of six digits and more, each as all the numbers that it may be the rounded value of."""
        found = {}
        for node in self.nodes:
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

    def outcomes(self, point: Point, refuted: Collection[Node] = ()) -> tuple[list[Outcome], Balls]:
        """Compare at a point; where the formulas differ, try again without the stabilisers.

        A gradient among those `refuted` was so at another point: that its derivative is right need not be confirmed.
        """
        balls = self.balls(point)
        found = [self._compare(j, balls, point) for j in self.judged]
        for zeros in self.without_stabilisers:
            found = self._excused(found, Word.STABILISED, point, zeros, self._same_without)
        if self.rounded:
            found = self._excused(found, Word.ROUNDED, point, self.rounded, self._meets)
        largest = max(self._sizes(balls, *self.judged), default=arb(0))
        found = [
            replace(o, word=Word.ROUNDED, because="")
            if o.word == Word.REFUTED and self._is_nothing(o, balls, largest)
            else o
            for o in found
        ]
        asked = [
            o for o in found if o.word == Word.REFUTED and o.index is not None and o.judged.gradient not in refuted
        ]
        unsure = {id(o) for o in self._unconfirmed(asked, balls)}
        return [o.doubted(Doubt.UNCONFIRMED) if id(o) in unsure else o for o in found], balls

    def _sizes(self, balls: Balls, *judged: Judged) -> Iterator[Any]:
        """The sizes of the derivatives, and of the gradients that backward gives."""
        for one in judged:
            for values in (self.expected(balls, one), balls.values[one.gradient]):
                yield from (abs(v).mid() for v in map(ball, flat(values)) if v.is_finite())

    def _is_nothing(self, outcome: Outcome, balls: Balls, largest: Any) -> bool:
        """Whether a gradient is 0 but for the rounding of what cancels in it: of a bias before a normalisation, say."""
        fits = np.shape(self.expected(balls, outcome.judged)) == np.shape(balls.values[outcome.judged.gradient])
        return fits and all(size <= NOTHING * largest for size in self._sizes(balls, outcome.judged))

    def _excused(
        self, found: list[Outcome], word: Word, point: Point, also: Point, same: Callable[[Judged, Balls], bool]
    ) -> list[Outcome]:
        """The outcomes, with `word` for those refuted that are the same with other literals."""
        if not any(o.word == Word.REFUTED for o in found):
            return found
        balls = self.balls(point, also)
        return [
            replace(o, word=word, because="") if o.word == Word.REFUTED and same(o.judged, balls) else o for o in found
        ]

    def _same_without(self, judged: Judged, balls: Balls) -> bool:
        return self._compare(judged, balls, {}).word in (Word.EXACT, Word.ROUNDED)

    def _meets(self, judged: Judged, balls: Balls) -> bool:
        """Whether two gradients may be one, of constants that are known to some digits."""
        expected, got = self.expected(balls, judged), balls.values[judged.gradient]
        if np.shape(expected) != np.shape(got):
            return False
        pairs = [(ball(e), ball(g)) for e, g in zip(flat(expected), flat(got), strict=True)]
        largest = max((abs(e).mid() for e, _ in pairs if e.is_finite()), default=arb(0))
        return all(e.overlaps(g) and g.rad() <= BLURRED * largest for e, g in pairs)

    def _unconfirmed(self, outcomes: Sequence[Outcome], balls: Balls) -> list[Outcome]:
        """Those of refuted outcomes whose derivatives do not agree with a difference quotient of the forward.

        A wrong rule of ours must not become somebody's error. (A rule may hold a rounded constant, as that of erf.) One
        quotient is for all of them, and for each half where that does not agree.
        """
        told = [(o, self._told(o, balls)) for o in outcomes]
        asked = [o for o, known in told if known is None]
        return [*(o for o, known in told if known is False), *self._disagreeing(asked, balls)]

    def _disagreeing(self, outcomes: Sequence[Outcome], balls: Balls) -> list[Outcome]:
        if not outcomes or self._agree(outcomes, balls):
            return []
        half = len(outcomes) // 2
        halves = (outcomes[:half], outcomes[half:]) if half else ()
        return [o for part in halves for o in self._disagreeing(part, balls)] if halves else [*outcomes]

    def _told(self, outcome: Outcome, balls: Balls) -> bool | None:
        """Whether a derivative that refutes is right, where no difference quotient is needed to tell; else None."""
        node, point = outcome.judged.node, outcome.point
        if outcome.judged.parameter and node not in point:
            return False  # it is computed while the layer runs
        if not np.all(np.isfinite(np.asarray(outcome.got, dtype=float))):
            gradient = outcome.judged.gradient  # a ball may be too wide where the number itself is not
            return not np.all(np.isfinite(in_float64(topological([gradient], known=point), point)[gradient]))
        if not outcome.judged.whole or node not in balls.values:
            return True  # what moves a value moves all its uses
        return None

    def _agree(self, outcomes: Sequence[Outcome], balls: Balls) -> bool:
        """Whether a difference quotient of the forward agrees with derivatives, along a direction of all their values.

        At 300 bits a step of 2⁻¹⁰⁰ leaves no doubt.
        """
        point, draw = outcomes[0].point, np.random.default_rng(0)
        derived = {o.judged.node: self.expected(balls, o.judged) for o in outcomes}
        sizes = {node: _positive(size(balls.values[node])) for node in derived}
        ways = {node: exact(draw.uniform(0.5, 1.5, size=node.shape)[()]) * sizes[node] for node in derived}

        def loss(way: arb) -> arb:
            moved = Balls({**point, **{node: balls.values[node] + ways[node] * way for node in ways}})
            moved.compute(topological(self.seeds, known=moved.values))
            pairs = [(exact(point[dout]), moved.values[output]) for output, dout in self.seeds.items()]
            return sum((_inner(a, b) for a, b in pairs), start=arb(0))

        slopes = sum((_inner(derived[node], ways[node]) for node in ways), start=arb(0))
        smallest = min(_positive(size(o.expected) + size(o.got)) * sizes[o.judged.node] for o in outcomes)
        return bool(abs(central_difference(loss, STEP) - slopes) <= CONFIRMED * smallest)

    def expected(self, balls: Balls, judged: Judged) -> Any:
        """The derived gradient, zero where nothing differentiable leads from a value to the output."""
        return exact(np.zeros(judged.node.shape)[()]) if judged.derived is None else balls.values[judged.derived]

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
        return judged.parameter or judged.node is not next(iter(self.inputs), None)

    def _are_zero(self, expected: Any, got: Any, balls: Balls, share: arb) -> bool:
        """Whether the derivative is 0, and what stands for it no larger than this share of the other gradients.

        So it is of a bias that a batch normalization takes away again: 1/3 as a float leaves as much as ROUNDED of the
        others, and without it two sums that cancel have nothing but their radius left.
        """
        largest = max(arb(self.largest), *(balls.size_of(j.gradient) for j in self.judged))
        finite = all(ball(x).is_finite() for x in (*flat(exact(expected)), *flat(exact(got))))
        return finite and bool(size(expected) <= EXACT * largest and size(got) <= share * largest)


def relation(expected: Any, got: Any) -> tuple[Word, str]:
    """How two gradients compare, as a word of a verdict, and why where it is no plain answer."""
    if np.shape(expected) != np.shape(got):
        return Word.REFUTED, f"its shape is {np.shape(got)}, not {np.shape(expected)}"
    pairs = [(ball(e), ball(g)) for e, g in zip(flat(expected), flat(got), strict=True)]
    known = [(e, g) for e, g in pairs if e.is_finite()]
    if any(not g.is_finite() for _, g in known):
        return Word.REFUTED, "it is not finite"
    largest = max((x.abs_upper() for pair in known for x in pair), default=arb(0))
    distance = max(((e - g).abs_upper() for e, g in known), default=arb(0))
    if pairs and not known:
        return Word.INCONCLUSIVE, "the derivative is not finite"
    if distance <= EXACT * largest:
        return (Word.EXACT, "") if len(known) == len(pairs) else (Word.INCONCLUSIVE, "the derivative is not finite")
    if distance <= ROUNDED * largest:
        return Word.ROUNDED, ""
    if any(not e.overlaps(g) for e, g in known):
        return Word.REFUTED, ""
    return Word.INCONCLUSIVE, "300 bits do not tell the two apart"


def _inner(a: Any, b: Any) -> arb:
    """⟨a, b⟩ of two gradients or values, either of which may be repeated over the other's shape."""
    return sum((ball(x) * ball(y) for x, y in np.broadcast(np.asarray(a), np.asarray(b))), start=arb(0))


def _positive(number: arb) -> arb:
    """A size; 1 in the place of 0."""
    return number if number > 0 else arb(1)
