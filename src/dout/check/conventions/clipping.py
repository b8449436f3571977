"""Gradients that backward limits: right where they are small, and cut or shrunk where they are large."""

from __future__ import annotations

import dis
from collections.abc import Iterable
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import users_class
from dout.adapt.source.returned_names import clips_gradients
from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject, kept
from dout.check.lab.conditional_exactness import SMALL
from dout.errors import DoutError
from dout.judge.outcomes import CLOSE, RIGHT, NoRuleError, Outcome
from dout.run import mapped, otherwise
from dout.trace.model.user_source import behind

_SMALLER = 2.0**-10  # for differences
_SIDED = frozenset({"abs", "absolute", "fabs", "clip", "where", "select", "piecewise", "maximum", "minimum"})


def is_limited(got: Any, expected: Any) -> bool:
    """Whether each number of a gradient has its sign, and is no larger than it should be, nor nothing."""
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    return bool(np.all(np.sign(got) == np.sign(expected)) and np.all(np.abs(got) <= np.abs(expected) * (1 + 1e-9)))


@otherwise(False)
def is_cut_at_a_limit(subject: Subject, got: Any, expected: Any) -> bool:
    """Whether code that clips gives each wrong number the size of the largest, and those below it are right.

    Of a loss that returns its gradients there is no smaller `dout` to try. One that has a limit itself, as Huber's has,
    or is made of sides, may be clipped at a wrong place.
    """
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    limit = np.max(np.abs(got))
    wrong = ~np.isclose(got, expected, rtol=1e-4, atol=1e-9)
    at_the_limit = np.all(np.abs(got[wrong]) == limit) and np.all(np.abs(expected[wrong]) > limit)
    return bool(_clips(subject) and at_the_limit and np.any(np.abs(got) < limit))


@otherwise(False)
def has_a_limit(subject: Subject, gradients: Iterable[Any]) -> bool:
    """Whether code that clips gives a gradient whose largest size comes twice, as that of a limit does."""
    sizes = [np.abs(np.asarray(g, dtype=float)) for g in gradients if g is not None and np.size(g)]
    return _clips(subject) and any(np.any(x) and np.count_nonzero(x == np.max(x)) > 1 for x in sizes)


def _clips(subject: Subject) -> bool:
    """Whether backward clips what it gives, and forward computes nothing that has sides."""
    cls = users_class(type(subject.again()))
    forward, backward = (behind(getattr(cls, name)) for name in (subject.forward_name, subject.backward_name))
    sided = _SIDED if forward is not backward else _SIDED - {"clip"}
    compares = any(step.opname == "COMPARE_OP" for step in dis.get_instructions(forward.__code__))
    return not compares and sided.isdisjoint(forward.__code__.co_names) and clips_gradients(backward)


@kept
def right_by_differences(subject: Subject) -> frozenset[str]:
    """The arguments whose gradient is right for a small dout, of a layer that cannot be recorded."""
    try:
        small = judge_numerically(subject, subject.run(douts=tuple(dout * _SMALLER for dout in subject.run().douts)))
    except Exception:  # the user's code, on another upstream gradient
        return frozenset()
    return frozenset(verdict.argument for verdict in small.verdicts if verdict.word in CLOSE)


@kept
def right_where_small(subject: Subject, examination: Examination) -> frozenset[str]:
    """The arguments whose gradient is not linear in dout, and right for one that is 2³⁰ times smaller.

    A derivative is linear in dout: nothing but a limit tells large from small. So is clipping, by value or by norm
    (Pascanu, Mikolov and Bengio, 2013).
    """
    run = subject.run()
    try:
        small = Examination(subject.recorded(mapped(run.douts, _made_small)))
        right = {outcome.judged.name for outcome in small.outcomes(small.base)[0] if outcome.word in RIGHT}
    except (DoutError, NoRuleError, ValueError, IndexError):  # a mask may choose other elements
        return frozenset()
    here, there = ({j.name: np.asarray(e.data[j.gradient]) for j in e.judged} for e in (examination, small))
    return frozenset(name for name in right & here.keys() if not np.array_equal(here[name] * SMALL, there[name]))


@otherwise(False)
def is_right_for_less(examination: Examination, outcome: Outcome) -> bool:
    """Whether a refuted gradient is right at its own point for a dout that is 2³⁰ times smaller."""
    seeds = {*examination.seeds.values()}
    point = {node: _made_small(x) if node in seeds else x for node, x in outcome.point.items()}
    own = next(one for one in examination.outcomes(point)[0] if one.judged.node is outcome.judged.node)
    return own.word in RIGHT


def _made_small(dout: Any) -> Any:
    return None if dout is None else dout * SMALL
