"""Where balls take too long or are not there: the derived gradient and the user's are evaluated in float64 instead.

They agree or not within rounding, which proves nothing. For `check` a difference quotient has to
confirm that they differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dout.clock import check_time, count
from dout.graph import INPUT, Node, topological
from dout.judge.judged_run import JudgedRun, elements
from dout.judge.outcomes import Doubt, Judged, Outcome, Point, Word
from dout.run import central_difference, weighed

CANCELLED = 1e-13
_A_NODE, _A_FLOAT = 3e-6, 5e-9  # seconds, as measured
# By the bytes of the narrowest float on the way, relative to the largest element.
TOLERANCE = {2: 1e-1, 4: 1e-3, 8: 1e-8}


def outcomes_in_float64(
    run: JudgedRun,
    point: Point,
    strictness: float = 1.0,
    *,
    confirm: bool = True,
    largest: float = 0.0,
    moves: Mapping[Node, Any] | None = None,
) -> tuple[list[Outcome], dict[Node, Any]]:
    """The outcome of every gradient at a point, with the values of all nodes; `strictness` divides the tolerance.

    Unless told otherwise, a difference quotient of the forward has to `confirm` what refutes. `largest` is the size of
    the largest gradient around at this point. `moves` are added to values, so that no two of them are equally large.
    """
    values = in_float64(run.needed(point), point, moves)
    used = [value for value in values.values() if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    tolerance = TOLERANCE.get(min((value.dtype.itemsize for value in used), default=8), TOLERANCE[8]) / strictness
    found = {judged: _word(*_pair(judged, values), tolerance, largest) for judged in run.judged}
    for zeros in run.without_stabilisers:  # log(y + 1e-7) means log(y)
        wrong = [judged for judged, word in found.items() if word == Word.REFUTED and judged.derived is not None]
        without = in_float64(run.needed(point), {**point, **zeros}, moves) if wrong else {}
        same = [judged for judged in wrong if _word(*_pair(judged, without), tolerance, largest) == Word.AGREES]
        found |= dict.fromkeys(same, Word.AGREES)
    outcomes = []
    for judged, word in found.items():
        expected, got = _pair(judged, values)
        if confirm and word == Word.REFUTED and expected.shape == got.shape and judged.whole:
            slope, size = _slope(run, point, judged.node, values.get(judged.node), expected)
            word = Word.REFUTED if abs(slope) <= max(1e-3, 10 * tolerance) * size else Word.INCONCLUSIVE
        outcome = Outcome(judged, word, expected, got, point)
        outcomes.append(outcome.doubted(Doubt.UNCONFIRMED) if word == Word.INCONCLUSIVE else outcome)
    return outcomes, values


def _pair(judged: Judged, values: dict[Node, Any]) -> tuple[Any, Any]:
    """The derived gradient and the user's."""
    expected = np.zeros(judged.node.shape) if judged.derived is None else as_floats(values[judged.derived])
    return expected, judged.fitted(as_floats(values[judged.gradient]))


def _word(expected: Any, got: Any, tolerance: float, largest: float) -> Word:
    """The word for two gradients; what cancels leaves the rounding of the `largest` around."""
    if expected.shape != got.shape:
        return Word.REFUTED
    known = np.isfinite(expected)
    if not known.any() and known.size:
        return Word.INCONCLUSIVE
    size = max(np.max(np.abs(expected[known]), initial=0.0), np.max(np.abs(got[known]), initial=0.0))
    off = np.abs(expected[known] - got[known])
    return Word.AGREES if np.all(off <= tolerance * size + CANCELLED * largest) else Word.REFUTED


def in_float64(nodes: Iterable[Node], point: Point, moves: Mapping[Node, Any] | None = None) -> dict[Node, Any]:
    """The values of nodes, each after its inputs, at a point."""
    return computed(nodes, {node: wide(value) for node, value in point.items()}, moves)


def computed(
    nodes: Iterable[Node], values: dict[Node, Any], moves: Mapping[Node, Any] | None = None
) -> dict[Node, Any]:
    """Compute nodes into `values`: NaN where Python refuses a number, as for the slope of math.sqrt at 0.

    `moves` are added to the values of nodes, as a constant would be.
    """
    new = [node for node in nodes if node not in values]
    count(_A_NODE * len(new) + _A_FLOAT * elements(new))
    with np.errstate(all="ignore"):  # an overflow is shown as it is; a warning would not be the user's
        for node in new:
            check_time()
            try:
                values[node] = node.primitive(*[values[i] for i in node.inputs], **node.static)
                if moves and node in moves:
                    values[node] = values[node] + moves[node]
            except (ArithmeticError, ValueError):
                if node.shape:
                    raise  # a mask chose another number of elements
                values[node] = math.nan
    return values


def as_floats(gradient: Any) -> np.ndarray[Any, Any]:
    """A gradient as floats; a whole number that is too large for one is infinite, and what is no number is NaN."""
    try:
        return np.asarray(gradient, dtype=float)
    except OverflowError:
        return np.asarray(np.copysign(np.inf, 1 if gradient > 0 else -1))
    except (TypeError, ValueError):
        return np.full(np.shape(gradient), np.nan)


def wide(value: Any) -> Any:
    """A float array or number as float64."""
    is_float = isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"
    return np.asarray(value, dtype=float)[()] if is_float else value


def _slope(run: JudgedRun, point: Point, node: Node, here: Any, expected: Any) -> tuple[float, float]:
    """How far a difference quotient along one direction lies from the derived slope, and the size of both."""
    if here is None:
        return np.inf, 0.0  # it is computed while the layer runs
    direction = np.random.default_rng(0).uniform(0.5, 1.5, size=node.shape)
    step = 1e-6 * (float(np.sqrt(np.mean(np.square(here)))) or 1.0)
    given = {n: wide(v) for n, v in point.items() if n.primitive is INPUT}

    def loss(way: float) -> float:
        values = {**given, node: wide(here) + way * direction}
        computed(topological(run.seeds, known=values), values)
        return float(weighed((values[output] for output in run.seeds), (point[dout] for dout in run.seeds.values())))

    found, derived = central_difference(loss, step), float(np.sum(expected * direction))
    return found - derived, max(abs(found), abs(derived), float(np.sqrt(np.sum(expected**2))))
