"""Gradients in the run of a program to which their backward adds a penalty, as weight decay does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from dout.check.conventions.setting_penalty import penalties_in
from dout.check.verb.divided_by_samples import samples_of
from dout.check.verb.program_gradients import kept_gradients
from dout.graph import Node
from dout.judge.float_judge import as_floats, in_float64
from dout.judge.judged_run import JudgedRun
from dout.judge.judging_points import generic
from dout.judge.outcomes import Judged
from dout.trace.model.derived_gradients import Derivation
from dout.trace.record.trace import Trace

_STRONGEST = 0.9  # to add the whole parameter is a slip


def added_penalties(trace: Trace) -> dict[Node, str]:
    """What is said of wrong gradients of parameters that are right without a penalty: λ·W, λ·sign(W), or both.

    Or are averaged over the samples besides. The run is computed near its own values: there a bias that begins with
    zeros has others, and no unit lies on a kink.
    """
    wrong = {id(gradient) for gradient in trace.wrong}
    every = ((call, *found) for call in trace.calls for found in kept_gradients(trace, call))
    suspects = [(call, parameter, one.node, one.derived) for call, parameter, one in every if id(one) in wrong]
    judged = [Judged("", p.node, mine, derived=right) for _, p, mine, right in suspects if mine is not None]
    if not judged:
        return {}
    derivation, said = Derivation(trace), dict[Node, str]()
    run = JudgedRun(trace.graph.nodes, trace.data, trace.backward, judged, derivation.seeds, derivation.inputs)
    point = generic(run, 0)
    with suppress(ValueError, IndexError):  # there an index or a mask chooses another number of elements
        known = in_float64(run.needed(point), point)
        for call, parameter, mine, right in suspects:
            if mine is not None and right is not None and {mine, right, parameter.node} <= known.keys():
                ways = [1, *samples_of(call, parameter.node)]
                got, expected, value = (as_floats(known[node]) for node in (mine, right, parameter.node))
                if penalty := _penalty(parameter.name, got, expected, value, ways):
                    said[mine] = f"{call.cls}: backward {penalty}, a convention"
    return said


def _penalty(
    name: str, mine: np.ndarray[Any, Any], right: np.ndarray[Any, Any], parameter: np.ndarray[Any, Any],
    samples: Sequence[int],
) -> str:  # fmt: skip
    """The penalty that a gradient has more than the right one, or than that over the samples, in words; "" for none."""
    if not mine.shape == right.shape == parameter.shape:
        return ""
    shares = {1 / number: "" if number == 1 else f"averages over {number} samples, and " for number in samples}
    found = penalties_in(name, parameter, mine, right, shares, exact=True)
    penalty = next((one for one in found if max(one.strengths) < _STRONGEST), None)
    return f"{shares[penalty.share]}adds {penalty.said} to the gradient of {name}, a penalty" if penalty else ""
