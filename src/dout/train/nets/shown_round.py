"""A training inside a program that is recorded in; one round of it, run plainly as a loop of one's own would, out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dout.run import HeldMemory, generators_of, global_states
from dout.trace.tracer.user_functions import current

if TYPE_CHECKING:
    from dout.train.nets.train_step import TrainStep


class ShownRound:
    """What a program's recording sees of a training: nothing but the forward and backward of the step asked for."""

    def __init__(self) -> None:
        tracer = current()
        self.tracer: Any = tracer if tracer is not None and tracer.rounds else None

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Nothing is recorded while this lasts, but for the round."""
        if self.tracer is None:
            yield
            return
        self.kept = self.tracer.recording, self.tracer.paused
        self.tracer.recording = self.tracer.paused = False
        try:
            yield
        finally:
            self.tracer.recording, self.tracer.paused = self.kept if self.tracer.rounds else (False, False)

    def next(self, step: TrainStep, x: Any, t: Any) -> None:
        """A step is about to be made: if it is the one asked for, run it recorded, and put everything back."""
        tracer = self.tracer
        if tracer is None or not tracer.rounds:
            return
        if tracer.rounds == 1:
            memory, put_back = HeldMemory(step), global_states(generators_of(**step.roots))
            tracer.recording, tracer.paused = self.kept
            step.run(x, t)
            tracer.on_round(tracer)
            tracer.rounds = 0
            tracer.round_ends()  # and, as a rule, the program
            memory.put_back()
            put_back()
        else:
            tracer.rounds -= 1
            tracer.begin_again()  # what was recorded before knows nothing of the step that is made now
