"""From a recorded layer to verdicts: at which points its gradients are judged, and what all of them say together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from dout.check.balls import Balls, NoRuleError
from dout.check.exact import Examination, Outcome, Point
from dout.check.kinks import at_kink, meets_kink
from dout.check.large import ROUTE, outcomes_in_float64
from dout.check.likeness import Likeness, alike, in_floats, likenesses
from dout.check.model import WORDS, Verdict, Word
from dout.check.points import generic, spread_out, with_kinks
from dout.clock import spent
from dout.graph import Node, Shape
from dout.trace.model import LOSSES, Trace

GENERIC = 2  # points near the base; one would do where no rounding of a seed was ever unlucky
MOST_SPREAD = 12  # points tried to come to branches that were not taken
MOST_SECONDS = 3.0  # for the points of one recording
MOST_ELEMENTS = 200_000  # over all nodes: beyond that balls take seconds


@dataclass(frozen=True, slots=True)
class Convention:
    """What a refuted gradient is right up to: the code of its finding, the verdict's word and reason, the constant."""

    code: str
    word: str
    because: str
    constant: str = ""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the exact route says: verdicts, and the outcomes that refute, by the node of their gradient.

    `at_kinks` are refuted at kinks alone. `branches` are comparisons of which only one way was ever seen. `likeness`
    says, by argument, what a gradient and the derived one have to do with each other.
    """

    verdicts: tuple[Verdict, ...]
    refuted: dict[Node, Outcome] = field(default_factory=dict)
    at_kinks: dict[Node, Outcome] = field(default_factory=dict)
    branches: tuple[str, ...] = ()
    examination: Examination | None = None
    ignores_dout: bool = False
    is_loss: bool = False  # forward gives one number
    only_here: bool = False  # the recording does not hold at other points
    likeness: Mapping[str, Likeness] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()  # of what is judged, the names of parameters
    outputs: tuple[Shape, ...] = ()  # the shapes of what forward returns
    conventions: Mapping[str, Convention] = field(default_factory=dict)  # by argument: these are no longer refuted
    excused: dict[Node, Outcome] = field(default_factory=dict)  # their outcomes, as `refuted` has the others
    remarks: Mapping[str, str] = field(default_factory=dict)  # by argument: what else is to be said of a refuted one


def judge(trace: Trace, others: Iterable[Trace] = (), *, ends: bool = False) -> Judgement:
    """Judge every gradient that the backward of a recorded layer returned or kept. Raises NoRuleError.

    With `ends` the layer's backward is not given any upstream gradient: it is the end of a network, and `dout` is 1.
    Where the layer's own `if` looks at values, a recording holds for the way it went: then `others` are judged too,
    recordings on other inputs, and the first that refutes speaks.
    """
    found = _judge(trace, ends)
    if found.only_here and not found.refuted:
        elsewhere = [_judge(other, ends) for other in others]
        wrong = next((other for other in elsewhere if other.refuted), None)
        return wrong or replace(found, verdicts=tuple(_decided(v, elsewhere) for v in found.verdicts))
    return found


def _decided(verdict: Verdict, elsewhere: list[Judgement]) -> Verdict:
    """What other recordings say, where this one says nothing."""
    if verdict.word != Word.INCONCLUSIVE:
        return verdict
    others = [v for judgement in elsewhere for v in judgement.verdicts if v.argument == verdict.argument]
    return next((v for v in others if v.word != Word.INCONCLUSIVE), verdict)


def elements(trace: Trace) -> int:
    """How many numbers all nodes of a recording hold together."""
    return sum(math.prod(node.shape) for node in trace.graph.nodes)


def _judge(trace: Trace, ends: bool) -> Judgement:
    examination = Examination(trace)
    too_large = elements(trace) > MOST_ELEMENTS
    lost = next((event for event in trace.events if event.kind in LOSSES), None)
    if lost is not None:
        raise NoRuleError(str(lost))
    if any(event.kind == "specialised" for event in trace.events) and not examination.is_steered:
        raise NoRuleError("on other inputs the layer computes something that the recording does not explain")
    found = _Points(examination, ends)
    if too_large:
        found.look_in_float64()
        return found.judgement()
    start = spent()
    found.look_at(examination.base)
    found.only_here = examination.is_steered
    for point, kinks in () if found.only_here else _points(examination, found):
        if spent() - start > MOST_SECONDS:
            break  # a whole network in one layer: what was seen has to do
        found.try_at(point, only_kinks=kinks)
    return found.judgement()


def _points(examination: Examination, found: _Points) -> Iterator[tuple[Point, bool]]:
    """The points to look at beside the base, and whether one counts only if it is at a kink."""
    yield from ((generic(examination, seed), False) for seed in range(GENERIC))
    for seed in range(MOST_SPREAD):
        if found.all_ways_seen():
            break
        yield spread_out(examination, seed), False
    yield from ((point, True) for point in (with_kinks(examination) if examination.selects else ()))


class _Points:
    """Collects outcomes over points."""

    def __init__(self, examination: Examination, ends: bool) -> None:
        self.examination, self.ends = examination, ends
        self.outcomes: dict[Node, list[Outcome]] = {judged.node: [] for judged in examination.judged}
        self.at_kinks: dict[Node, list[Outcome]] = {judged.node: [] for judged in examination.judged}
        self.likeness: dict[Node, list[Likeness]] = {judged.node: [] for judged in examination.judged}
        self.branches: dict[tuple[object, str], set[int]] = {}
        self.only_here = False
        self.route = "exact arithmetic"

    def try_at(self, point: Point, *, only_kinks: bool = False) -> None:
        """Look at a point, if the recording holds there: a mask may choose another number of elements."""
        try:
            self.look_at(point, only_kinks=only_kinks)
        except (NoRuleError, ValueError, IndexError):
            self.only_here = True

    def look_at(self, point: Point, *, only_kinks: bool = False) -> None:
        examination = self.examination
        refuted = [o.judged.gradient for found in self.outcomes.values() for o in found if o.word == Word.REFUTED]
        outcomes, balls = examination.outcomes(point, refuted)
        if not examination.judged:
            return
        kink = meets_kink(examination, balls)
        if kink and any(o.word not in (Word.EXACT, Word.ROUNDED, Word.STABILISED) for o in outcomes):
            outcomes = at_kink(examination, outcomes)
        if only_kinks and not kink:
            return
        self._note(balls)
        if not kink:
            for outcome, likeness in zip(outcomes, likenesses(examination, balls, outcomes), strict=True):
                self.likeness[outcome.judged.node].append(likeness)
        for outcome in outcomes:
            (self.at_kinks if kink else self.outcomes)[outcome.judged.node].append(outcome)

    def _note(self, balls: Balls) -> None:
        for key, ways in self.examination.branches(balls).items():
            self.branches.setdefault(key, set()).update(ways)

    def look_in_float64(self) -> None:
        """Look where balls would take too long."""
        self.route = ROUTE
        for outcomes in outcomes_in_float64(self.examination):
            for outcome in outcomes:
                self.outcomes[outcome.judged.node].append(outcome)
                self.likeness[outcome.judged.node].append(in_floats(outcome, self.examination.seeds.values()))

    @property
    def is_loss(self) -> bool:
        """Whether forward gives one number, or its backward takes no upstream gradient."""
        return self.ends or all(math.prod(output.shape) == 1 for output in self.examination.seeds)

    def all_ways_seen(self) -> bool:
        return all(len(ways) > 1 for ways in self.branches.values())

    def judgement(self) -> Judgement:
        refuted = {n: _first_refuted(self.outcomes[n]) for n in self.outcomes}
        kinks = {n: _first_refuted(self.at_kinks[n]) for n in self.at_kinks}
        return Judgement(
            verdicts=tuple(self._verdict(judged.node) for judged in self.examination.judged),
            refuted={n: o for n, o in refuted.items() if o is not None},
            at_kinks={n: o for n, o in kinks.items() if o is not None and refuted[n] is None},
            branches=tuple(self._one_way()),
            examination=self.examination,
            ignores_dout=self.examination.ignores_dout,
            only_here=self.only_here,
            is_loss=self.is_loss,
            likeness={j.name: alike(self.likeness[j.node]) for j in self.examination.judged},
            parameters=frozenset(j.name for j in self.examination.judged if j.parameter),
            outputs=tuple(output.shape for output in self.examination.seeds),
        )

    def _verdict(self, node: Node) -> Verdict:
        """The worst that was decided; at kinks only a refutation counts, as long as there are other points."""
        outcomes, at_kinks = self.outcomes[node], self.at_kinks[node]
        decided = [o for o in outcomes if o.word != Word.INCONCLUSIVE]
        decided += [o for o in at_kinks if o.word == Word.REFUTED or not decided]
        decided = decided or outcomes
        worst = max(decided, key=lambda o: WORDS.index(o.word))
        if self.examination.ignores_dout and not self.is_loss and np.any(np.asarray(worst.expected) != 0):
            return Verdict(worst.judged.name, Word.REFUTED, self.route, len(outcomes), "backward does not use dout")
        because = worst.because or ("at a kink" if worst in at_kinks and worst.word == Word.REFUTED else "")
        points = len(outcomes) + len(at_kinks)
        return Verdict(worst.judged.name, worst.word, self.route, points, because)

    def _one_way(self) -> Iterable[str]:
        for (where, symbol), ways in self.branches.items():
            if len(ways) == 1:
                yield f"{symbol} at {where} always came out one way" if where else f"{symbol} always came out one way"


def _first_refuted(outcomes: list[Outcome]) -> Outcome | None:
    return next((outcome for outcome in outcomes if outcome.word == Word.REFUTED), None)
