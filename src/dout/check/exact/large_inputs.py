"""Inputs too large for balls: the derived gradient and the user's are evaluated in float64 instead.

They agree or not within rounding, which proves nothing; where they differ, a difference quotient has to confirm it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dout.check.exact.exact_route import UNCONFIRMED, Examination, Outcome
from dout.check.exact.judging_points import Point, generic
from dout.check.report.verdicts import Word
from dout.graph import INPUT, Node, compute, topological

ROUTE = "the derived gradient in float64"
POINTS = 2
# By the bytes of the narrowest float on the way, relative to the largest element.
TOLERANCE = {2: 1e-1, 4: 1e-3, 8: 1e-7}


def outcomes_in_float64(examination: Examination) -> list[tuple[list[Outcome], dict[Node, Any]]]:
    """The outcomes of every gradient at a few points near the base, with the values of all nodes."""
    return [_outcomes(examination, generic(examination, seed)) for seed in range(POINTS)]


def _outcomes(examination: Examination, point: Point) -> tuple[list[Outcome], dict[Node, Any]]:
    values, without = _values(examination, point), None
    used = [value for value in values.values() if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    tolerance = TOLERANCE.get(min((value.dtype.itemsize for value in used), default=8), 1e-7)
    outcomes = []
    for judged in examination.judged:
        derived = examination.derived.get(judged.node)
        expected = np.zeros(judged.node.shape) if derived is None else np.asarray(values[derived], dtype=float)
        got = judged.fitted(np.asarray(values[judged.gradient], dtype=float))
        word = _word(expected, got, tolerance)
        if word == Word.REFUTED and examination.stabilisers and derived is not None:
            without = without or _values(examination, {**point, **dict.fromkeys(examination.stabilisers, 0.0)})
            bare = judged.fitted(np.asarray(without[judged.gradient], dtype=float))
            word = _word(np.asarray(without[derived], dtype=float), bare, tolerance)  # log(y + 1e-7) means log(y)
        if word == Word.REFUTED and expected.shape == got.shape:
            slope, size = _slope(examination, point, judged.node, expected)
            word = Word.REFUTED if abs(slope) <= max(1e-3, 10 * tolerance) * size else Word.INCONCLUSIVE
        because = UNCONFIRMED if word == Word.INCONCLUSIVE else ""
        outcomes.append(Outcome(judged, word, expected, got, point, because))
    return outcomes, values


def _word(expected: Any, got: Any, tolerance: float) -> Word:
    if expected.shape != got.shape:
        return Word.REFUTED
    known = np.isfinite(expected)
    if not known.any() and known.size:
        return Word.INCONCLUSIVE
    size = max(np.max(np.abs(expected[known]), initial=0.0), np.max(np.abs(got[known]), initial=0.0))
    off = np.abs(expected[known] - got[known])
    return Word.AGREES if np.all(off <= tolerance * size) else Word.REFUTED


def _values(examination: Examination, point: Point) -> dict[Node, Any]:
    return in_float64(examination.needed(point), point)


def in_float64(nodes: Iterable[Node], point: Point) -> dict[Node, Any]:
    """The values of nodes, each after its inputs, at a point."""
    values = {node: _wide(value) for node, value in point.items()}
    with np.errstate(all="ignore"):
        compute((node for node in nodes if node not in values), values)
    return values


def _wide(value: Any) -> Any:
    """A float array or number as float64."""
    is_float = isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"
    return np.asarray(value, dtype=float)[()] if is_float else value


def _slope(examination: Examination, point: Point, node: Node, expected: Any) -> tuple[float, float]:
    """How far a difference quotient along one direction lies from the derived slope, and the size of both."""
    direction = np.random.default_rng(0).uniform(0.5, 1.5, size=node.shape)
    step = 1e-6 * (float(np.sqrt(np.mean(np.square(point[node])))) or 1.0)
    ends = []
    for sign in (1, -1):
        moved = {**point, node: point[node] + sign * step * direction}
        values = {n: _wide(v) for n, v in moved.items() if n.primitive is INPUT}
        with np.errstate(all="ignore"):
            compute(topological(examination.seeds, known=values), values)
        ends.append(sum(float(np.sum(values[out] * point[dout])) for out, dout in examination.seeds.items()))
    found, derived = (ends[0] - ends[1]) / (2 * step), float(np.sum(expected * direction))
    return found - derived, max(abs(found), abs(derived), float(np.sqrt(np.sum(expected**2))))
