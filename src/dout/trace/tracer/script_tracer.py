"""A tracer for scripts: it keeps one round of a training loop, and lets pass what is no part of a layer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any

import numpy as np

from dout.errors import EndOfRun, EscapeError, UnsupportedError
from dout.graph import Node
from dout.run import flat
from dout.trace.model import user_source
from dout.trace.model.recorded import LOSSES, Event
from dout.trace.tracer.shared_memory import owner_of
from dout.trace.tracer.traced import TracedArray
from dout.trace.tracer.tracer import Tracer

PREPARATION = 2_000  # nodes that are recorded before the first layer is called
WITHOUT_LAYERS = 20_000  # nodes that are recorded of a script without layers
_OF_LIBRARIES = LOSSES | {"branch", "index"}
_LASTING = frozenset({"data", "input", "preparation"})  # events that hold for all rounds
MOST = 50_000  # nodes that are recorded of a round


class ScriptTracer(Tracer):
    """Records the round that is asked for, the first or a later one, of a program that is not there to be traced.

    A program prepares its data before it calls a layer: of a long preparation nothing is kept, and its results are
    inputs of the layers; nor is anything of forwards that go on and on before the first backward. What has no row runs
    plainly. Where its result is used again, it is an input, and no gradient is compared with a derived one any more.
    """

    def __init__(self, rounds: int, *, runs_on: bool) -> None:
        super().__init__(rounds=rounds)
        self.runs_on = runs_on  # whether the program goes on when its round is recorded
        self.has_layers = False  # whether the program has a layer, as far as it has run
        self.paused = False
        self._evaluates = False  # whether it has recorded enough, and no backward among it
        self._under_way = False

    def _begin(self) -> None:
        kept = [event for event in getattr(self, "events", ()) if event.kind in _LASTING]
        super()._begin()
        self.events.update(dict.fromkeys(kept))
        self._lost: dict[int, tuple[Any, Event]] = {}  # arrays by their memory, and what to say of them

    def met_layer(self) -> None:
        """Remember that the program has a layer."""
        self.has_layers = True

    def keep(self, node: Node) -> Node:
        """Enter a node into the recording; when it is long enough, pause until a layer is called, or end it."""
        super().keep(node)
        count = len(self.nodes)
        if count == PREPARATION and not self.calls and self.has_layers:
            self.stop()
            self.paused = True
        elif count == MOST and self.calls and not any(call.match for call in self.calls):
            self._evaluates = True
        elif count == MOST or (count == WITHOUT_LAYERS and not self.calls):
            self.note("limit", f"recorded the first {count:,} operations and values; what ran after them is not shown")
            self._ends()
        return node

    def wake(self) -> bool:
        """Record anew from the first call of a layer on."""
        if not self.paused or get_ident() != self.thread:
            return False
        self.paused, self.recording = False, True
        self.trusted = True  # arrays that were made meanwhile are inputs like any other
        self.begin_again()
        self.note("preparation", "what ran before the first layer is not shown: it is long, and no layer is in it")
        return True

    def begins(self) -> None:
        """A layer's forward begins, and no other is under way: what was an evaluation is forgotten."""
        if self._evaluates:
            self._evaluates = False
            self.begin_again()
            self.note("preparation", "what ran before is not shown: it is long, and no backward is in it")

    def round_ends(self) -> None:
        """Record no more, and end the program, unless it is to go on."""
        if self.runs_on:
            self.note("round", "a further forward–backward round begins; it is not recorded")
        else:
            self.note("round", "the program was stopped where its next round begins (--run-on lets it go on)")
        self._ends()

    def _ends(self) -> None:
        self.stop()
        if not self.runs_on:
            raise EndOfRun

    def keep_first(self, count: int) -> None:
        """Forget all but so many nodes, and the calls that had not ended by then."""
        self.nodes = self.nodes[:count]
        kept = set(self.nodes)
        self.steered = {node: None for node in self.steered if node in kept}
        self.calls = [call for call in self.calls if call.done and call.span[1] <= count]

    def wrap(self, item: Any, name: str | None = None) -> Any:
        """The stand-in of an argument; an object that cannot be traced stays as it is."""
        return self.attempt(super().wrap, item, name)

    def source(self, array: Any, name: str | None = None, *, made: bool = False) -> Any:
        """The stand-in of an array that enters; where it had left the trace, an edge is lost."""
        if isinstance(array, np.ndarray) and (lost := self._lost.pop(id(owner_of(array)), None)) is not None:
            self.events.setdefault(lost[1])
        return super().source(array, name, made=made)

    def note(self, kind: str, message: str) -> None:
        """Add an event, if it is not about what a library does with a value outside of layers."""
        if self.stack or kind not in _OF_LIBRARIES or not _asking_library():
            super().note(kind, message)

    def attempt(self, answer: Callable[..., Any], *given: Any) -> Any:
        """Answer; plainly if that is refused, or if a library asks: it is no part of the program's computation."""
        outermost, self._under_way = not self._under_way, True
        try:
            if outermost and self.live and (library := _asking_library()):
                if self.stack:
                    self.note("escape", f"a gradient ends here: {library} was given the value")
                return self._plainly(answer, given)
            return answer(*given)
        except (UnsupportedError, EscapeError) as error:
            if not outermost or not self.live:
                raise
            self.refused = None
            lost = Event("escape", f"a gradient ends here: {str(error).partition(', at ')[0]}", self.here())
            result = self._plainly(answer, given)
            arrays = [part for part in flat([result]) if isinstance(part, np.ndarray)]
            if arrays:  # who does not use them again has lost nothing
                self._lost.update((id(owner_of(array)), (array, lost)) for array in arrays)
            else:
                self.events.setdefault(lost)
            return result
        finally:
            self._under_way = not outermost

    def _plainly(self, answer: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        """Answer while nothing is recorded. What the answer writes into an array is a new input."""
        arrays = [part.whole() for part in flat(list(given)) if isinstance(part, TracedArray)]
        before = [np.array(array.value) for array in arrays]
        self.recording = False
        try:
            return answer(*given)
        finally:
            self.recording = True
            for array, value in zip(arrays, before, strict=True):
                if not np.array_equal(value, array.value, equal_nan=value.dtype.kind in "fc"):
                    self.writer.written_unseen(array, value)


def _asking_library() -> str:
    """The library whose code runs, besides NumPy's; empty where it is the user's."""
    frame = user_source.user_frame(sys._getframe(1))
    if frame is None or user_source.is_user_code(frame.f_code.co_filename):
        return ""
    return str(frame.f_globals.get("__name__", "a library")).partition(".")[0]


def _attempted(answer: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *given: self.attempt(partial(answer, self), *given)


for _name in ("call", "method", "ufunc_method", "emit", "escape", "attribute"):
    setattr(ScriptTracer, _name, _attempted(getattr(Tracer, _name)))
