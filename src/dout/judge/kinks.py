"""Kinks: where a comparison is of equal numbers there is no derivative, and a gradient may be any between the sides.

The derivative is taken a little to many sides, at x + 2⁻¹²⁰ w. The whole gradient must lie in the hull of what comes
out: of a tie of max, (dout, dout) is right element by element, and wrong.

Source: Clarke, "Optimization and Nonsmooth Analysis" (SIAM, 1990), chapter 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from flint import arb

from dout.graph import Node
from dout.judge.ball_numbers import exact, middle
from dout.judge.ball_values import Balls
from dout.judge.exact_judge import ExactJudge
from dout.judge.outcomes import RIGHT, Doubt, Judged, NoRuleError, Outcome, Point, Word

STEP = arb(2) ** -120
SIDES = 24
_SLACK = 1e-9  # of the hull, relative to its size: the sides are looked at in float64


def outcomes_at(run: ExactJudge, point: Point, refuted: Collection[Node] = ()) -> tuple[list[Outcome], Balls, bool]:
    """The outcome of every gradient at a point, all values there, and whether the forward met a kink.

    A gradient among those `refuted` was so at another point.
    """
    outcomes, balls = run.outcomes(point, refuted)
    kink = bool(balls.kinks & run.forward & run.moving)  # a label that is what it is compared with is none
    if kink and any(outcome.word not in RIGHT for outcome in outcomes):
        outcomes, kink = _at_kink(run, outcomes)
    return outcomes, balls, kink


def _at_kink(run: ExactJudge, outcomes: list[Outcome]) -> tuple[list[Outcome], bool]:
    """Judge the outcomes at a point with a kink anew: right is what lies in the hull of the derivatives around.

    Where more sides meet than were looked at, nothing is said of a gradient outside. Where all sides have the same
    derivatives there is no kink: what is equal are constants, `np.maximum(margins, 0)` of the 0 at each label.
    """
    sides = []
    for seed in range(SIDES):
        with suppress(NoRuleError, ValueError, IndexError):  # a mask may choose another number of elements there
            sides.append(_side(run, outcomes[0].point, seed))
    if len(sides) < SIDES:
        return [_with(o, Word.INCONCLUSIVE) if o.word not in RIGHT else o for o in outcomes], True
    if all(_is_alike(np.array([o.expected, *(side[o.judged] for side in sides)], dtype=float)) for o in outcomes):
        return outcomes, False
    return [_in_hull(outcome, [side[outcome.judged] for side in sides]) for outcome in outcomes], True


def _is_alike(every: np.ndarray[Any, Any]) -> bool:
    return bool(np.all(np.ptp(every, axis=0) <= _SLACK * (1 + np.max(np.abs(every), initial=0.0))))


def _side(run: ExactJudge, point: Point, seed: int) -> dict[Judged, Any]:
    generator = np.random.default_rng(seed)
    near = dict(point)
    for node in run.varying:
        value = exact(near[node])
        step = exact(generator.uniform(-1, 1, size=np.shape(value))[()])
        near[node] = value + step * STEP
    balls = run.balls(near)
    return {judged: middle(run.expected(balls, judged)) for judged in run.judged}


def _in_hull(outcome: Outcome, sides: list[Any]) -> Outcome:
    got = np.asarray(outcome.got, dtype=float)
    pieces = Counter(tuple(np.round(np.ravel(side), 12).tolist()) for side in sides)
    around = np.array([np.ravel(side) for side in sides], dtype=float)
    if outcome.word in RIGHT:
        return outcome
    if got.size * SIDES != around.size or not (np.all(np.isfinite(around)) and np.all(np.isfinite(got))):
        return _with(outcome, outcome.word if got.size * SIDES != around.size else Word.INCONCLUSIVE)
    if min(np.max(np.abs(around - got.ravel()), axis=1)) <= _SLACK * (1 + np.max(np.abs(around))):
        return _with(outcome, Word.SUBGRADIENT)
    if min(pieces.values()) == 1 and len(pieces) > 1:
        return _with(outcome, Word.INCONCLUSIVE)  # more sides meet here than were seen
    inside = all(_between(got.ravel() @ v, around @ v) for v in _directions(around))
    return _with(outcome, Word.SUBGRADIENT if inside else Word.REFUTED)


def _directions(around: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Each element by itself, all together, and a few at random: a hull is what lies between in every direction."""
    yield from np.eye(around.shape[1])
    yield np.ones(around.shape[1])
    yield from np.random.default_rng(0).normal(size=(16, around.shape[1]))


def _between(mine: float, theirs: np.ndarray[Any, Any]) -> bool:
    slack = _SLACK * (1 + float(np.max(np.abs(theirs))))
    return bool(theirs.min() - slack <= mine <= theirs.max() + slack)


def _with(outcome: Outcome, word: Word) -> Outcome:
    return outcome.doubted(Doubt.MORE_SIDES) if word == Word.INCONCLUSIVE else replace(outcome, word=word)
