"""The recording of a layer that the checks of numbers share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dout.check.exact.exact_route import Examination
from dout.check.lab.other_values import same
from dout.check.lab.probe import CrashError, Lab, once, users_code
from dout.errors import DoutError
from dout.judge.judged_run import elements
from dout.run import copied, one_or_all
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
    found = examined(lab, lab.fresh(), tuple(map(copied, inputs)), lab.base.douts)
    if found is None or elements(found.nodes) > MOST_ELEMENTS or len(found.inputs) != len(inputs):
        return None
    return found if all(same(found.data[n], x, 0.0) for n, x in zip(found.inputs, inputs, strict=True)) else None


def examined(
    lab: Lab, layer: Any, inputs: tuple[Any, ...], douts: tuple[Any, ...], keywords: Mapping[str, Any] | None = None
) -> Examination | None:
    """A layer recorded on these inputs; None where the recording is not complete."""
    lab.rewind()
    try:
        with users_code():
            found = Examination(record(layer, *inputs, dout=one_or_all(douts), **(keywords or {})))
    except (CrashError, DoutError):
        return None
    is_known = len(found.seeds) == len(found.call.outputs)  # where each upstream gradient came in
    return found if is_known and not any(event.kind in LOSSES for event in found.trace.events) else None
