"""A tracer that goes on where a step has no rule: the rest is still explained, and the step is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from dout.ops import StandIn
from dout.run import mapped
from dout.trace.model import user_source
from dout.trace.tracer.script_tracer import ScriptTracer
from dout.trace.tracer.tracer import Tracer


class PartialTracer(ScriptTracer):
    """Records a layer or function. What has no row runs plainly, and an event says where the gradient ends."""

    def __init__(self) -> None:
        super().__init__(1, runs_on=True)

    def note(self, kind: str, message: str) -> None:
        """Add an event, once for each place."""
        Tracer.note(self, kind, message)

    def gradient_ends(self, why: str) -> None:
        """Add the event that a gradient ends here, also in a function that calls no layer."""
        self.note("escape", f"a gradient ends here: {why}")

    def _plainly(self, answer: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        """What comes of a step without a row is an input, called as the user calls it, or as the function."""
        result = super()._plainly(answer, given)
        name = getattr(given[0], "__name__", None)
        names = user_source.assigned_name(user_source.user_frame(sys._getframe(1))) or name
        left = iter(names if isinstance(names, list) else ())

        def entered(part: Any) -> Any:
            called = next(left, None) or (names if isinstance(names, str) else name)
            is_new = isinstance(part, np.ndarray | float) and not isinstance(part, StandIn)
            return self.source(part, called) if is_new and np.asarray(part).dtype.kind == "f" else part

        return mapped(result, entered)
