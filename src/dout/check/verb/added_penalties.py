"""Gradients in the run of a program to which their backward adds a penalty, as weight decay does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from dout.check.conventions.setting_penalty import penalty_strengths
from dout.check.verb.program_gradients import kept_gradients
from dout.graph import Node
from dout.judge.float_judge import as_floats, in_float64
from dout.judge.judged_run import JudgedRun
from dout.judge.judging_points import generic
from dout.judge.outcomes import Judged
from dout.trace.model.derived_gradients import Derivation
from dout.trace.record.trace import Trace


def added_penalties(trace: Trace) -> dict[Node, str]:
    """What is said of wrong gradients of parameters that are right without a penalty: λ·W, λ·sign(W), or both.

    The run is computed near its own values: there a bias that begins with zeros has others, and no unit lies on a kink.
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
                added = as_floats(known[mine]) - as_floats(known[right])
                if penalty := _penalty(parameter.name, added, as_floats(known[parameter.node])):
                    told = f"backward adds {penalty} to the gradient of {parameter.name}, a penalty"
                    said[mine] = f"{call.cls}: {told}, a convention"
    return said


def _penalty(name: str, added: np.ndarray[Any, Any], parameter: np.ndarray[Any, Any]) -> str:
    """The penalty that something added to a gradient is, in words; "" where it is none."""
    if added.shape != parameter.shape or parameter.size < 3:
        return ""
    known = {name: parameter, f"sign({name})": np.sign(parameter)}
    for names in ([name], [f"sign({name})"], [*known]):
        strengths = penalty_strengths(added, [known[one] for one in names], exact=True)
        if strengths:
            return " + ".join(f"{strength:.4g}·{one}" for strength, one in zip(strengths, names, strict=True))
    return ""
