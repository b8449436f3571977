"""From a recorded layer to verdicts: at which points its gradients are judged, and what all of them say together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.ratio import Likeness, alike, likenesses
from dout.check.exact.subject import Subject
from dout.check.report.verdicts import WORDS, Verdict
from dout.clock import WorkBudget
from dout.graph import Node, Shape, topological
from dout.judge.float_judge import in_float64, outcomes_in_float64
from dout.judge.judging_points import beyond, generic, mirrored, spread_out, with_kinks
from dout.judge.kinks import outcomes_at
from dout.judge.outcomes import RIGHT, Doubt, NoRuleError, Outcome, Point, Word
from dout.ops import primitives
from dout.trace.capture.covered_sides import ConditionPlace, Covered
from dout.trace.record.trace import Trace

GENERIC = 2  # points near the base; one would do where no rounding of a seed was ever unlucky
MOST_LOOKS = 12  # at points on sides of conditions that were not seen
MOST_TRIES = 2  # at one such side: where nothing is decided there, it stays so
_LARGER = 1  # the seed of a point three times as far out
MOST_SECONDS = 3.0  # for the points of one recording
MOST_SECONDS_SEEKING = 0.3  # of them to find the first point on such a side
IN_FLOAT64 = "the derived gradient in float64"
_DECIDED = RIGHT | {Word.REFUTED}
NEXT_TO_NOTHING = 2.0**-20  # of the usual size of a gradient


@dataclass(frozen=True, slots=True)
class Convention:
    """What a refuted gradient is right up to: the verdict's word, one for each convention, its reason, the constant.

    The backward of a loss is `undivided` if it leaves out a number that forward divides by. What it is right up to is
    `of_a_step` where backward changes the parameter once more, after its step.
    """

    word: Word
    because: str
    constant: str = ""
    undivided: bool = False
    of_a_step: bool = False

    @property
    def is_of_all(self) -> bool:
        """Whether it is a constant that holds at all settings or at none: a mean in place of a sum."""
        return self.word == Word.SCALED and "self." not in self.constant


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the exact route says: verdicts, and the outcomes that refute, by the node of their gradient.

    `at_kinks` are refuted at kinks alone. `covered` has the conditions that were met, with the sides seen. `likeness`
    says, by argument, what a gradient and the derived one have to do with each other.
    """

    verdicts: tuple[Verdict, ...]
    refuted: dict[Node, Outcome] = field(default_factory=dict)
    at_kinks: dict[Node, Outcome] = field(default_factory=dict)
    covered: Covered = field(default_factory=Covered)
    examination: Examination | None = None
    ignores_dout: bool = False
    is_loss: bool = False  # forward gives one number
    elsewhere: str = ""  # on which side of a condition, or at which setting, it is wrong, if it is right as given
    as_given: Subject | None = None  # ... at a setting, or on inputs of other lengths: the layer as it is right
    not_meant: bool = False  # ... and the layer may not be meant for that: inputs with another number of axes
    of_one_size: bool = False  # ... for no other reason than that it may know one size: a proven repair says otherwise
    only_here: bool = False  # the recording does not hold at other points
    likeness: Mapping[str, Likeness] = field(default_factory=dict)
    partly: frozenset[str] = frozenset()  # by argument: right at some points, where the derivative is not 0
    parameters: frozenset[str] = frozenset()  # of what is judged, the names of parameters
    outputs: tuple[Shape, ...] = ()  # the shapes of what forward returns
    conventions: Mapping[str, Convention] = field(default_factory=dict)  # by argument: these are no longer refuted
    excused: dict[Node, Outcome] = field(default_factory=dict)  # their outcomes, as `refuted` has the others
    remarks: Mapping[str, str] = field(default_factory=dict)  # by argument: what else is to be said of a refuted one

    def of_used(self) -> Judgement:
        """Without the gradients of parameters that forward makes no use of: at another setting they do no harm.

        So it is with a bias that a flag turns off.
        """
        used = {n: o for n, o in self.refuted.items() if not o.judged.is_unused}
        return replace(self, refuted=used) if len(used) < len(self.refuted) else self

    @property
    def says_nothing(self) -> bool:
        """Whether every gradient and its derivative are 0 everywhere: the inputs may be to blame.

        So it is where one output of several is the same at all inputs of this shape: the variance of a single number.
        """
        if self.examination is not None and _has_a_constant_output(self.examination):
            return True
        ratios = [one.ratio for one in self.likeness.values()]
        return bool(ratios) and all(ratio is not None and math.isnan(ratio) for ratio in ratios)


def judge(trace: Trace, *, ends: bool = False, far: bool = False) -> Judgement:
    """Judge every gradient that the backward of a recorded layer returned or kept. Raises NoRuleError.

    With `ends` the layer's backward is not given any upstream gradient: it is the end of a network, and `dout` is 1.
    With `far` the run itself is far out, where limits may cut off what is next to nothing.
    """
    examination = Examination(trace)
    examination.refuse_gaps()
    found = _Points(examination, ends)
    found.covered.add(examination.conditions.seen_in_the_run())
    found.only_here = examination.is_steered
    if examination.is_large:
        found.look_in_float64()
        return found.judgement()
    budget = WorkBudget(MOST_SECONDS)
    far = far or examination.conditions.cut_something_off
    found.look_at(examination.base, far=far)
    for point, kinks in () if found.only_here else _points(examination):
        if budget.is_over():
            break  # a whole network in one layer: what was seen has to do
        found.try_at(point, only_kinks=kinks, far=far)
    if not found.only_here:
        found.seek(budget)
    return found.judgement()


def _points(examination: Examination) -> Iterator[tuple[Point, bool]]:
    """The points to look at beside the base, and whether one counts only if it is at a kink."""
    yield from ((generic(examination, seed), False) for seed in range(GENERIC))
    yield from ((point, True) for point in (with_kinks(examination) if examination.selects else ()))


class _Points:
    """Collects outcomes over points."""

    def __init__(self, examination: Examination, ends: bool) -> None:
        self.examination, self.ends = examination, ends
        self.outcomes: dict[Node, list[Outcome]] = {judged.node: [] for judged in examination.judged}
        self.at_kinks: dict[Node, list[Outcome]] = {judged.node: [] for judged in examination.judged}
        self.beyond_guards: dict[Node, list[Outcome]] = {judged.node: [] for judged in examination.judged}
        self.likeness: dict[Node, list[Likeness]] = {judged.node: [] for judged in examination.judged}
        self.covered = Covered()
        self.only_here = False
        self.route = "exact arithmetic"

    def try_at(self, point: Point, *, only_kinks: bool = False, far: bool = False, excused: bool = False) -> None:
        """Look at a point, if the recording holds there: a mask may choose another number of elements."""
        try:
            self.look_at(point, only_kinks=only_kinks, far=far, excused=excused)
        except (NoRuleError, ValueError, IndexError):
            self.only_here = True

    def look_at(self, point: Point, *, only_kinks: bool = False, far: bool = False, excused: bool = False) -> None:
        """Look at a point; one that is `excused` counts only where every gradient is right."""
        examination = self.examination
        refuted = [o.judged.gradient for found in self.outcomes.values() for o in found if o.word == Word.REFUTED]
        outcomes, balls, kink = outcomes_at(examination, point, refuted)
        computed = [o.judged.name for o in outcomes if o.doubt is Doubt.UNCONFIRMED and o.judged.node not in point]
        if computed:
            raise NoRuleError(f"{computed[0]} is computed while the layer runs")
        if not examination.judged:
            return
        limited = far or self._is_clipped(balls.values)
        cut_off = [limited and self._is_cut_off(outcome) for outcome in outcomes]
        outcomes = [replace(o, word=Word.STABILISED) if cut else o for o, cut in zip(outcomes, cut_off, strict=True)]
        is_wrong = any(o.word == Word.REFUTED for o in outcomes)
        if (only_kinks and not kink) or (excused and is_wrong):
            return
        if is_wrong and examination.conditions.is_beyond_a_guard(balls.values):
            for outcome in outcomes:
                self.beyond_guards[outcome.judged.node].append(outcome)
            return
        if all(outcome.word in (RIGHT if kink else _DECIDED) for outcome in outcomes):
            self.covered.add(examination.conditions.seen(balls.values))
        if not kink:
            found = zip(outcomes, likenesses(examination, outcomes), cut_off, strict=True)
            for outcome, likeness, cut in found:
                self.likeness[outcome.judged.node] += [] if cut else [likeness]
        for outcome in outcomes:
            (self.at_kinks if kink else self.outcomes)[outcome.judged.node].append(outcome)

    def _is_clipped(self, values: Mapping[Node, object]) -> bool:
        """Whether a `clip` changes a value there, unlike in the run."""
        conditions = self.examination.conditions
        clips = [node for node in conditions.nodes if node.primitive in primitives("clip")]
        return bool(clips and conditions.seen_in_the_run().gains(conditions.seen(values, clips)))

    def _is_cut_off(self, outcome: Outcome) -> bool:
        """Whether a limit cuts off next to nothing of a gradient: `1 / (1 + exp(-clip(x, -20, 20)))`."""
        expected, got = (np.asarray(g, dtype=float) for g in (outcome.expected, outcome.got))
        if outcome.word != Word.REFUTED or expected.shape != got.shape or not np.all(np.isfinite(expected - got)):
            return False
        usual = self.outcomes[outcome.judged.node][:1] or [outcome]
        size = np.max(np.abs(usual[0].expected), initial=0.0)
        return bool(np.max(np.abs(expected - got), initial=0.0) <= NEXT_TO_NOTHING * size)

    def seek(self, budget: WorkBudget) -> None:
        """Look on the sides of conditions that were not seen, where float64 says that a point lies there."""
        conditions, places = self.examination.conditions, self.examination.conditions.place
        tried: Counter[tuple[ConditionPlace, str]] = Counter()
        seeking, looks = WorkBudget(MOST_SECONDS_SEEKING), 0
        wanted = [node for node in conditions.nodes if places(node) in self.covered.open]
        for point, far in beyond(self.examination, conditions.limits(wanted)) if wanted else ():
            if not wanted or looks == MOST_LOOKS or budget.is_over() or (not looks and seeking.is_over()):
                break
            try:
                seen = conditions.seen(in_float64(conditions.before(wanted), point), wanted)
            except (ValueError, IndexError):  # as of a mask that chooses another number of elements
                self.only_here = True
                continue
            gained = [side for side in self.covered.gains(seen) if tried[side] < MOST_TRIES]
            if gained:
                tried.update(gained)
                new = {place for place, _ in gained}
                excused = self._is_beyond_a_limit(point) or any(
                    conditions.is_excused(node) for node in wanted if places(node) in new
                )
                limited = any(conditions.is_limit(node) for node in wanted if places(node) in new)
                for there in (point, mirrored(self.examination, point)):
                    self.try_at(there, far=far or limited, excused=excused)
                looks += 1
                wanted = [node for node in wanted if places(node) in self.covered.open]
        if len({*map(places, conditions.nodes)}) > 1 and not budget.is_over():
            self._look_at_both_signs()

    def _look_at_both_signs(self) -> None:
        """Look where numbers are larger, of either sign: two conditions together have more sides than each by itself.

        Where `abs(r) > 1`, for example, r may have been negative at all points.
        """
        point = spread_out(self.examination, _LARGER)
        for there in (point, mirrored(self.examination, point)):
            with suppress(ValueError, IndexError):  # as of a mask that chooses another number of elements
                self.try_at(there, excused=self._is_beyond_a_limit(there))

    def _is_beyond_a_limit(self, point: Point) -> bool:
        """Whether a limit that is no error, as one that cuts a gradient off, is passed there, unlike in the run."""
        conditions = self.examination.conditions
        limits = [node for node in conditions.nodes if conditions.is_excused(node)]
        there = conditions.seen(in_float64(conditions.before(limits), point), limits)
        return bool(conditions.seen_in_the_run().gains(there))

    def look_in_float64(self) -> None:
        """Look where balls would take too long."""
        self.route = IN_FLOAT64
        held = {node: self.examination.base[node] for node in self.examination.steering}
        for seed in range(GENERIC):
            outcomes, values = outcomes_in_float64(self.examination, {**generic(self.examination, seed), **held})
            self.covered.add(self.examination.conditions.seen(values))
            for outcome, likeness in zip(outcomes, likenesses(self.examination, outcomes, exact=False), strict=True):
                self.outcomes[outcome.judged.node].append(outcome)
                self.likeness[outcome.judged.node].append(likeness)

    @property
    def is_loss(self) -> bool:
        """Whether forward makes one number of several, or its backward takes no upstream gradient.

        Of numbers alone every function makes one.
        """
        of_several = any(math.prod(node.shape) != 1 for node in self.examination.inputs)
        return self.ends or (of_several and all(math.prod(output.shape) == 1 for output in self.examination.seeds))

    def judgement(self) -> Judgement:
        if not any(self.outcomes.values()):  # no point is on this side of a limit
            self.outcomes = self.beyond_guards
        refuted = {n: _first_refuted(self.outcomes[n]) for n in self.outcomes}
        kinks = {n: _first_refuted(self.at_kinks[n]) for n in self.at_kinks}
        return Judgement(
            verdicts=tuple(self._verdict(judged.node) for judged in self.examination.judged),
            refuted={n: o for n, o in refuted.items() if o is not None},
            at_kinks={n: o for n, o in kinks.items() if o is not None and refuted[n] is None},
            covered=self.covered,
            examination=self.examination,
            ignores_dout=self.examination.ignores_dout,
            only_here=self.only_here,
            is_loss=self.is_loss,
            likeness={j.name: alike(self.likeness[j.node]) for j in self.examination.judged},
            partly=frozenset(
                j.name for j in self.examination.judged if any(o.ratio == 1 for o in self.likeness[j.node])
            ),
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
        word, because = worst.word, worst.because
        if word == Word.REFUTED and worst in at_kinks:  # at a tie alone, where nobody may ever be
            word, because = (Word.BUT_AT_KINKS, "") if decided[0] in outcomes else (word, because or "at a kink")
        return Verdict(worst.judged.name, word, self.route, len(outcomes) + len(at_kinks), because)


def _has_a_constant_output(examination: Examination) -> bool:
    """Whether no derivative depends on the upstream gradient of one output, of several."""
    seeds, derived = examination.seeds.values(), [j.derived for j in examination.judged if j.derived is not None]
    if len(seeds) < 2 or len(derived) < len(examination.judged):
        return False
    point = generic(examination, 0)
    for seed in seeds:
        alone = {**point, **{other: np.zeros_like(point[other]) for other in seeds if other is not seed}}
        with suppress(ValueError, IndexError):  # as of a mask that chooses another number of elements
            values = in_float64(topological(derived), alone)
            if all(np.max(np.abs(values[node]), initial=0.0) < NEXT_TO_NOTHING for node in derived):
                return True
    return False


def _first_refuted(outcomes: list[Outcome]) -> Outcome | None:
    return next((outcome for outcome in outcomes if outcome.word == Word.REFUTED), None)
