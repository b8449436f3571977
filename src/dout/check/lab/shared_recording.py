"""The recording of a layer that the checks of numbers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from dout.check.exact.exact_route import Examination
from dout.check.lab.other_values import same
from dout.check.lab.probe import CrashError, Lab, once, users_code
from dout.errors import DoutError
from dout.judge.judged_run import elements
from dout.run import copied, one_or_all
from dout.trace.model.recorded import LOSSES
from dout.trace.record.record import record
from dout.trace.record.trace import Trace

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
        given = self.lab.inputs()
        return _small(_complete(partial(self.lab.subject.recorded, self.lab.base.douts)), given)

    def at(self, inputs: tuple[Any, ...]) -> Examination | None:
        """The layer recorded so that it holds at these inputs."""
        if self.base is None:
            return None
        steered = any(event.kind == "specialised" for event in self.base.trace.events)
        if not (steered or self.base.is_steered):
            return self.base
        return _small(examined(self.lab, self.lab.fresh(), tuple(map(copied, inputs)), self.lab.base.douts), inputs)


def _small(found: Examination | None, inputs: tuple[Any, ...]) -> Examination | None:
    """The recorded layer, where the recording is complete and small, and every input is a number or an array."""
    if found is None or elements(found.nodes) > MOST_ELEMENTS or len(found.inputs) != len(inputs):
        return None
    return found if all(same(found.data[n], x, 0.0) for n, x in zip(found.inputs, inputs, strict=True)) else None


def examined(
    lab: Lab, layer: Any, inputs: tuple[Any, ...], douts: tuple[Any, ...], keywords: Mapping[str, Any] | None = None
) -> Examination | None:
    """A layer recorded on these inputs; None where the recording is not complete."""
    lab.rewind()
    return _complete(partial(record, layer, *inputs, dout=one_or_all(douts), **(keywords or {})))


def _complete(recorded: Callable[[], Trace]) -> Examination | None:
    """A recording, where it is complete."""
    try:
        with users_code():
            found = Examination(recorded())
    except (CrashError, DoutError):
        return None
    is_known = len(found.seeds) == len(found.call.outputs)  # where each upstream gradient came in
    return found if is_known and not any(event.kind in LOSSES for event in found.trace.events) else None
