"""The recording of a layer that the checks of numbers share."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from dout.check.exact.ball_values import NoRuleError
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import elements
from dout.check.exact.subject import copied, one_or_all
from dout.check.lab.other_values import same
from dout.check.lab.probe import CrashError, Lab, once, users_code
from dout.errors import DoutError
from dout.trace.model.recorded import LOSSES
from dout.trace.record.record import record

MOST_ELEMENTS = 30_000  # over all nodes: beyond that the balls of all points take seconds


@once
def recorded_of(lab: Lab) -> Recorded:
    """The recording of a lab's layer, made once."""
    return Recorded(lab)


class Recorded:
    """The recording of a layer, made when it is asked for; one for each point where an `if` looks at values."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @cached_property
    def base(self) -> Examination | None:
        """The layer recorded on its own inputs."""
        return _examined(self.lab, self.lab.inputs())

    def at(self, inputs: tuple[Any, ...]) -> Examination | None:
        """The layer recorded so that it holds at these inputs."""
        if self.base is None:
            return None
        steered = any(event.kind == "specialised" for event in self.base.trace.events)
        return _examined(self.lab, inputs) if steered or self.base.is_steered else self.base


def _examined(lab: Lab, inputs: tuple[Any, ...]) -> Examination | None:
    """The recorded layer, where the recording is complete and small, and every input is a number or an array."""
    layer = lab.fresh()
    lab.rewind()
    douts = lab.base.douts
    try:
        with users_code():
            trace = record(layer, *map(copied, inputs), dout=one_or_all(douts))
            examination = Examination(trace)
    except (CrashError, DoutError, NoRuleError):
        return None
    call = examination.call
    if len(examination.seeds) != len(call.outputs):
        return None  # where an upstream gradient came in is not known
    if (
        elements(trace) > MOST_ELEMENTS
        or len(call.inputs) != len(inputs)
        or any(e.kind in LOSSES for e in trace.events)
    ):
        return None
    if not all(same(trace.data[node], x, 0.0) for node, x in zip(call.inputs, inputs, strict=True)):
        return None
    return examination
