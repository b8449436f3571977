"""Gradients that backward limits: right where they are small, and cut or shrunk where they are large."""

from __future__ import annotations

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject, kept
from dout.errors import DoutError
from dout.judge.gradient_judge import refuted_here
from dout.run import mapped

_SMALL = 2.0**-30


@kept
def right_where_small(subject: Subject, examination: Examination) -> frozenset[str]:
    """The arguments whose gradient is wrong in an examination, and right for an upstream gradient 2³⁰ times smaller.

    A derivative is linear in dout, so nothing but a limit tells large from small: clipping by value or by norm
    (Pascanu, Mikolov and Bengio, 2013).
    """
    try:
        small = tuple(
            mapped(dout, lambda part: None if part is None else part * _SMALL) for dout in subject.run().douts
        )
        there = {outcome.judged.name for outcome in refuted_here(Examination(subject.recorded(small)), confirm=False)}
    except DoutError:
        return frozenset()
    here = {outcome.judged.name for outcome in refuted_here(examination, confirm=False)}
    return frozenset(here - there)
