"""A tracer that goes on where a step has no rule: the rest is still explained, and the step is named."""

from __future__ import annotations

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
