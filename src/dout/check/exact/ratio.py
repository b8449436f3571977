"""What a gradient and the derived one have in common: a constant factor, or that it is `dout` as it came in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.graph import Node
from dout.judge.ball_numbers import middle
from dout.judge.judging_points import generic, spread_out
from dout.judge.outcomes import RIGHT, NoRuleError, Outcome, Point, Word

EXACTLY = 1e-7  # a 1/N in the source may be a float32
IN_FLOATS = 1e-5
SAME = 1e-12  # in exact arithmetic, whose numbers are rounded to floats
NOTHING = 1e-60  # of a gradient: what exact arithmetic leaves of a derivative that is 0
Ratios = dict[str, float | None]  # by argument: how many times the derivative its gradient is


class Likeness(NamedTuple):
    """A gradient is `ratio` times the derived one, at every element, within `close` of the ratio.

    None where there is no such number, NaN where nothing tells (both are 0); `passed` where it is `dout` itself.
    """

    ratio: float | None = None
    passed: bool = False
    close: float = EXACTLY


def alike(found: Iterable[Likeness]) -> Likeness:
    """What holds at every point."""
    found = list(found)
    told = [one for one in found if one.ratio is None or not math.isnan(one.ratio)]
    first = told[0].ratio if told else None
    close = max((one.close for one in found), default=EXACTLY)
    if found and not told:
        return Likeness(math.nan, all(one.passed for one in found), close)
    same = first is not None and all(o.ratio is not None and abs(o.ratio - first) <= close * abs(first) for o in told)
    return Likeness(first if same else None, bool(found) and all(one.passed for one in found), close)


def likenesses(examination: Examination, outcomes: Iterable[Outcome], exact: bool = True) -> list[Likeness]:
    """What each outcome at a point has in common with the derived gradient, in `exact` arithmetic or in float64.

    In exact arithmetic there may be a constant factor without the stabilisers, where there is none with them.
    """
    outcomes = list(outcomes)
    found, without, close = [], None, SAME if exact else IN_FLOATS
    largest = max((_size(outcome) for outcome in outcomes), default=0.0)
    for outcome in outcomes:
        ratio = _known(outcome, NOTHING * largest)
        if outcome.word == Word.REFUTED:
            ratio = ratio_of_floats(outcome.expected, outcome.got, close)
            if ratio is None and exact and examination.without_stabilisers:
                if without is None:
                    without = examination.balls(outcome.point, examination.without_stabilisers[0])
                got = outcome.judged.fitted(middle(without.values[outcome.judged.gradient]))
                ratio = ratio_of_floats(middle(examination.expected(without, outcome.judged)), got, close)
        passed = _is_upstream(outcome, examination.seeds.values())
        found.append(Likeness(ratio, passed, EXACTLY if exact else IN_FLOATS))
    return found


def constants(examination: Examination) -> Ratios:
    """The constant factors of all gradients at the point of the recorded run; elsewhere, if that is dead or a kink."""
    ratios = _constants_at(examination, examination.base)
    for point in (generic(examination, 0), *(spread_out(examination, seed) for seed in range(4))):
        known: Ratios = {n: ratio for n, ratio in ratios.items() if ratio is not None and math.isfinite(ratio)}
        if examination.is_steered or len(known) == len(ratios):
            break
        try:
            ratios = _constants_at(examination, point) | known
        except (NoRuleError, ValueError, IndexError):  # there a mask chooses another number of elements
            break
        if any(ratio is not None and math.isfinite(ratio) for ratio in ratios.values()):
            break
    return ratios


def _constants_at(examination: Examination, point: Point) -> Ratios:
    outcomes, _ = examination.outcomes(point)
    found = likenesses(examination, outcomes)
    return {outcome.judged.name: one.ratio for outcome, one in zip(outcomes, found, strict=True)}


def ratio_of_floats(expected: Any, got: Any, close: float) -> float | None:
    """How many times `expected` is `got`: None where that is no number, NaN where both are 0."""
    expected, got = np.asarray(expected, dtype=float), np.asarray(got, dtype=float)
    if expected.shape != got.shape:
        return None
    known = np.isfinite(expected)
    expected, got = expected[known], got[known]
    if not np.all(np.isfinite(got)):
        return None
    largest = np.max(np.abs(expected), initial=0.0)
    if largest <= NOTHING * np.max(np.abs(got), initial=0.0):
        return None if np.any(got) else math.nan
    unit = expected / largest
    ratio = float(np.sum(unit * got) / np.sum(unit * unit) / largest)
    size = abs(ratio) * largest
    return ratio if ratio and bool(np.all(np.abs(got - ratio * expected) <= close * size)) else None


def _known(outcome: Outcome, nothing: float) -> float | None:
    """The ratio that a word tells by itself: none of a gradient that is next to nothing beside the others.

    Nor of one that is a multiple of the right one, and both next to nothing: then the word is right in all but that.
    """
    is_right = outcome.word in RIGHT or outcome.word == Word.AGREES
    told = ratio_of_floats(outcome.expected, outcome.got, EXACTLY) if is_right else None
    is_multiple = told is not None and not abs(told - 1) <= IN_FLOATS
    return 1.0 if is_right and not is_multiple and _size(outcome) > nothing else math.nan


def _size(outcome: Outcome) -> float:
    """The largest number of a gradient; one that is not finite counts for nothing."""
    got = np.abs(np.asarray(outcome.got, dtype=float))
    return float(np.max(got[np.isfinite(got)], initial=0.0))


def _is_upstream(outcome: Outcome, douts: Iterable[Node]) -> bool:
    """Whether a gradient is the upstream one of the only output, number by number."""
    found = [*douts]
    return len(found) == 1 and found[0] in outcome.point and is_same(outcome.got, outcome.point[found[0]])


def is_same(got: Any, dout: Any) -> bool:
    """Whether two gradients have one shape and the same numbers."""
    return bool(np.array_equal(np.asarray(got, dtype=float), np.asarray(dout, dtype=float)))
