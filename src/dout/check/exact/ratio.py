"""What a gradient and the derived one have in common: a constant factor, or that it is `dout` as it came in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from flint import arb

from dout.check.exact.exact_route import Examination
from dout.graph import Node
from dout.judge.ball_numbers import ball, exact
from dout.judge.ball_values import Balls
from dout.judge.exact_judge import ROUNDED
from dout.judge.outcomes import RIGHT, Outcome, Word

EXACTLY = 1e-7  # a 1/N in the source may be a float32
IN_FLOATS = 1e-5


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
    same = first is not None and all(o.ratio is not None and abs(o.ratio - first) <= close * abs(first) for o in told)
    return Likeness(first if same else None, bool(found) and all(one.passed for one in found), close)


def likenesses(examination: Examination, balls: Balls, outcomes: Iterable[Outcome]) -> list[Likeness]:
    """What each outcome at a point of exact arithmetic has in common with the derived gradient.

    Where there is no constant factor there may be one without the stabilisers.
    """
    found, without = [], None
    for outcome in outcomes:
        ratio = _known(outcome)
        if outcome.word == Word.REFUTED:
            ratio = _ratio(examination, balls, outcome)
            if ratio is None and examination.stabilisers:
                if without is None:
                    without = examination.balls(outcome.point, dict.fromkeys(examination.stabilisers, 0.0))
                ratio = _ratio(examination, without, outcome)
        found.append(Likeness(ratio, _is_upstream(outcome, examination.seeds.values())))
    return found


def constants(examination: Examination) -> dict[str, float | None]:
    """The constant factors of all gradients at the point of the recorded run."""
    outcomes, balls = examination.outcomes(examination.base)
    found = likenesses(examination, balls, outcomes)
    return {outcome.judged.name: one.ratio for outcome, one in zip(outcomes, found, strict=True)}


def in_floats(outcome: Outcome, douts: Iterable[Node], close: float = IN_FLOATS) -> Likeness:
    """What an outcome in float64 has in common with the derived gradient."""
    ratio = _known(outcome)
    if outcome.word == Word.REFUTED:
        ratio = ratio_of_floats(outcome.expected, outcome.got, close)
    return Likeness(ratio, _is_upstream(outcome, douts), close)


def ratio_of_floats(expected: Any, got: Any, close: float) -> float | None:
    """How many times `expected` is `got`: None where that is no number, NaN where both are 0."""
    expected, got = np.asarray(expected, dtype=float), np.asarray(got, dtype=float)
    if expected.shape != got.shape:
        return None
    known = np.isfinite(expected)
    expected, got = expected[known], got[known]
    if not np.all(np.isfinite(got)):
        return None
    if not np.any(expected):
        return None if np.any(got) else math.nan
    ratio = float(np.sum(expected * got) / np.sum(expected * expected))
    size = abs(ratio) * np.max(np.abs(expected))
    return ratio if ratio and bool(np.all(np.abs(got - ratio * expected) <= close * size)) else None


def _known(outcome: Outcome) -> float | None:
    """The ratio that a word tells by itself."""
    return 1.0 if (outcome.word in RIGHT or outcome.word == Word.AGREES) and np.any(outcome.got) else math.nan


def _ratio(examination: Examination, balls: Balls, outcome: Outcome) -> float | None:
    judged = outcome.judged
    expected = np.asarray(examination.expected(balls, judged), dtype=object)
    got = np.asarray(judged.fitted(exact(balls.values[judged.gradient])), dtype=object)
    if expected.shape != got.shape:
        return None
    pairs = [(ball(e), ball(g)) for e, g in zip(expected.ravel(), got.ravel(), strict=True)]
    pairs = [(e, g) for e, g in pairs if e.is_finite()]
    if any(not g.is_finite() for _, g in pairs):
        return None
    largest = max(pairs, key=lambda pair: pair[0].abs_lower(), default=None)
    if largest is None or largest[0].contains(0):
        return math.nan if all(g.contains(0) for _, g in pairs) else None
    ratio = largest[1] / largest[0]
    size: arb = largest[1].abs_upper()
    is_one = all((g - ratio * e).abs_upper() <= ROUNDED * size for e, g in pairs)
    return float(ratio.mid()) if is_one and size else None


def _is_upstream(outcome: Outcome, douts: Iterable[Node]) -> bool:
    """Whether a gradient is the upstream one of the only output, number by number."""
    found = [*douts]
    return len(found) == 1 and found[0] in outcome.point and is_same(outcome.got, outcome.point[found[0]])


def is_same(got: Any, dout: Any) -> bool:
    """Whether two gradients have one shape and the same numbers."""
    return bool(np.array_equal(np.asarray(got, dtype=float), np.asarray(dout, dtype=float)))
