"""A backward that counts on a `dout` with one number that is not 0, as a cross entropy gives it for one sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.check.exact.difference_route import judge_numerically
from dout.check.exact.subject import Subject, kept
from dout.check.lab.other_values import same
from dout.judge.outcomes import CLOSE
from dout.run import otherwise

MOST_NUMBERS = 32  # each is tried


@kept
@otherwise(False)
def is_right_for_one_number(subject: Subject) -> bool:
    """Whether backward is right for every `dout` with one number that is not 0, but the gradients do not add up."""
    if subject.ends:
        return False
    first = subject.run()
    if len(first.outputs) != 1 or not 1 < np.size(first.outputs[0]) <= MOST_NUMBERS:
        return False
    (dout,) = first.douts
    half = subject.run(douts=(np.where(np.arange(dout.size).reshape(dout.shape) % 2, dout, 0.0),))
    other = subject.run(douts=(dout - half.douts[0],))
    pairs = zip(half.gradients, other.gradients, first.gradients, strict=True)
    if all(g is None or same(a + b, g, rtol=1e-6) for a, b, g in pairs):
        return False  # it is linear: then it is wrong for one number as well
    return all(_agrees(subject, dout, index) for index in np.ndindex(dout.shape))


def _agrees(subject: Subject, dout: Any, index: tuple[int, ...]) -> bool:
    one = np.zeros_like(dout)
    one[index] = dout[index]
    judgement = judge_numerically(subject, subject.run(douts=(one,)))
    of_another_shape = {outcome.judged.name for outcome in judgement.refuted.values() if outcome.index is None}
    words = [verdict.word for verdict in judgement.verdicts if verdict.argument not in of_another_shape]
    return bool(words) and all(word in CLOSE for word in words) and not judgement.ignores_dout
