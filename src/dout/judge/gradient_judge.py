"""The judge of a run's gradients: which of them are wrong there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import Any

import numpy as np

from dout.graph import Node
from dout.judge.float_judge import as_floats, in_float64, outcomes_in_float64
from dout.judge.judged_run import MOST_ELEMENTS, JudgedRun, elements
from dout.judge.judging_points import generic, spread_out
from dout.judge.outcomes import Doubt, NoRuleError, Outcome, Point, Word
from dout.ops import primitives

FEW_ELEMENTS = 20_000  # over all nodes: so many take exact arithmetic a moment
STRICT = 1e5  # how many times smaller a difference in float64 is plainly rounding
_LARGEST, _LEAST = primitives("max argmax"), primitives("min argmin")
_TIE, _FAR_POINTS = 1e-9, 12  # relative to the largest; at so many points no two zeros are zeros by chance
ROUNDED = 2.0**-46  # of the largest element: as much as a literal that is rounded to a float leaves


def is_near(mine: Any, derived: Any) -> bool:
    """Whether two gradients differ by rounding alone, so that nothing has to be computed to tell.

    >>> is_near(2.2, 2.2000000000000002), is_near(1.21, 2.2), is_near(np.ones(2), np.ones((1, 2)))
    (True, False, False)
    """
    if np.shape(mine) != np.shape(derived):
        return False
    got, expected = as_floats(mine), as_floats(derived)
    known = np.isfinite(expected)
    got, expected = got[known], expected[known]
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(got - expected) <= ROUNDED * np.max(np.abs(expected), initial=0.0)))


def overflows(mine: Any, derived: Any) -> bool:
    """Whether a gradient is not finite where the derivative is: then it is wrong as a number, if not as a formula."""
    if np.shape(mine) != np.shape(derived):
        return False
    return bool(np.any(np.isfinite(as_floats(derived)) & ~np.isfinite(as_floats(mine))))


def refuted_here(run: JudgedRun, *, confirm: bool = True) -> list[Outcome]:
    """The gradients that are wrong at the values of a run, or near it where it stands on a kink of many sides.

    Exact arithmetic decides. Where it would take long, float64 decides what is plain, and in a run of MOST_ELEMENTS, or
    where exact arithmetic is not installed or has no rule for an operation, everything. Unless told otherwise, a
    difference quotient of the forward has to `confirm` a wrong gradient: that takes long, and says nothing where the
    quotient is not finite.
    """
    size = elements(run.needed(run.base))
    if size > FEW_ELEMENTS:
        wrong = _in_float64(run, confirm=confirm)
        if size > MOST_ELEMENTS or len(wrong) == len(_in_float64(run, STRICT, confirm=confirm)):
            return wrong
    try:
        found = _exactly(run, confirm=confirm)
    except (ImportError, NoRuleError, ArithmeticError, ValueError, TypeError):  # not installed, or without a rule
        return _in_float64(run, confirm=confirm)
    wrong = [outcome for outcome in found if outcome.word == Word.REFUTED]
    if wrong and _apart(run):  # exact arithmetic moves the inputs alone
        apart = {outcome.judged for outcome in _in_float64(run, confirm=confirm)}
        wrong = [outcome for outcome in wrong if outcome.judged in apart]
    return wrong


def _exactly(run: JudgedRun, *, confirm: bool) -> list[Outcome]:
    from dout.judge.exact_judge import ExactJudge
    from dout.judge.kinks import outcomes_at

    judge = run if isinstance(run, ExactJudge) else ExactJudge(*(getattr(run, field.name) for field in fields(run)))
    sure = () if confirm else [judged.gradient for judged in run.judged]
    found, _, _ = outcomes_at(judge, judge.base, sure)
    if any(outcome.doubt is Doubt.MORE_SIDES for outcome in found):
        beside, _, _ = outcomes_at(judge, generic(judge, 0), sure)
        found = [b if o.doubt is Doubt.MORE_SIDES else o for o, b in zip(found, beside, strict=True)]
    return found


def _apart(run: JudgedRun) -> dict[Node, Any]:
    """Offsets that separate equal numbers among which a maximum or minimum chooses; empty if there are none.

    Copies of one number move alike: they are equal at points far away, too, where two zeros of a ReLU are not.
    """
    nodes = run.needed(run.base)
    choices = [node for node in nodes if node.primitive in _LARGEST | _LEAST and node.inputs[0].kind == "f"]
    values = in_float64(nodes, run.base) if choices else {}
    chosen = dict.fromkeys(node.inputs[0] for node in choices if _is_tied(node, values[node.inputs[0]]))
    seen: dict[Node, list[Any]] = {node: [np.ravel(values[node])] for node in chosen}
    for point in (spread_out(run, seed) for seed in range(_FAR_POINTS if chosen else 0)):
        with suppress(ValueError, IndexError):  # there an index or a mask chooses another number of elements
            values = in_float64(nodes, point)
            for node, found in seen.items():
                found += [np.ravel(values[node])] if np.shape(values[node]) == node.shape else []
    moves: dict[Node, Any] = {}
    for node, found in seen.items():
        rows, which = np.unique(np.nan_to_num(np.stack(found, axis=1)), axis=0, return_inverse=True)
        if len(rows) > len(np.unique(rows[:, 0])):
            apart = np.random.default_rng(0).uniform(-1, 1, len(rows)) * _TIE * (np.max(np.abs(rows[:, 0])) or 1.0)
            moves[node] = apart[which.ravel()].reshape(node.shape)
    return moves


def _is_tied(node: Node, values: Any) -> bool:
    """Whether a maximum or minimum is there twice."""
    axis = node.static.get("axis")
    best = (np.max if node.primitive in _LARGEST else np.min)(values, axis=axis, keepdims=True)
    return bool(np.any(np.sum(values == best, axis=axis) > 1))


def _beside(run: JudgedRun) -> Point:
    """A point near the run, with its own upstream gradients: a loss may ignore them, and is judged where they are 1."""
    return {**generic(run, 0), **{dout: run.base[dout] for dout in run.seeds.values()}}


def _in_float64(run: JudgedRun, strictness: float = 1.0, *, confirm: bool) -> list[Outcome]:
    """Those refuted at the values of the run that do not agree near them either: both are hardly at a kink.

    A maximum over zeros of a ReLU is a tie at every point near: there the numbers are moved apart themselves.
    """
    found = outcomes_in_float64(run, run.base, strictness, confirm=confirm, largest=run.largest)[0]
    if any(outcome.word == Word.REFUTED for outcome in found):
        try:
            beside = outcomes_in_float64(run, _beside(run), strictness, confirm=confirm, moves=_apart(run))[0]
        except (ValueError, IndexError):  # there an index or a mask chooses another number of elements
            return []
        pairs = zip(found, beside, strict=True)
        return [here for here, there in pairs if here.word == Word.REFUTED and there.word != Word.AGREES]
    return []
