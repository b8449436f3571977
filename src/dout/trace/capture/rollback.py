"""Running the user's code plainly after a recording of it has failed: first all is as if it had not run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.run.random_states import global_generator, kept_states
from dout.trace.capture.call_watch import Calls
from dout.trace.capture.lenient_tracer import LASTING, Yielding
from dout.trace.model import user_source
from dout.trace.session.attribute_swap import MOST
from dout.trace.session.side_effects import containers
from dout.trace.tracer.traced import TracedArray, plain

if TYPE_CHECKING:
    from dout.graph import Node
    from dout.trace.session.session import Session

PERHAPS = "dout.compile recorded this call; it may be that a plain call does not fail"  # a note of an error


class CaughtError(Exception):
    """The user's code caught an error that a plain run may not raise."""


_plain_errors: set[tuple[CodeType, int]] = set()  # where plain runs have caught errors too


def caught_in(calls: Calls) -> str | None:
    """Say where the user's code caught an error in a recording, unless plain runs do so too."""
    new = [line for place, line in calls.caught.items() if place not in _plain_errors]
    return f"an error is caught that may come of the recording, at {new[0]}" if new else None


@contextmanager
def errors_learned() -> Iterator[None]:
    """Remember which errors are caught in a plain run: they are the user's way, and no recording's fault."""
    calls = Calls()
    with calls.watched():
        yield
    _plain_errors.update(calls.caught)


class Before:
    """The contents of the user's objects before their code runs; `undo` puts them back, if nothing else was changed.

    What is put back are the stand-ins that stood there: the end of the session replaces them.
    """

    def __init__(self, state: Session, tracer: Yielding, given: Sequence[Any]) -> None:
        self.state, self.tracer = state, tracer
        self.seen = [*map(plain, given), *(plain(item) for _, _, item in state.swaps.visited)]
        self.back: list[Callable[[], Any]] = [undo for holder in state.swaps.holders for undo in containers(holder)]
        self.back += [undo for item in self.seen if type(item) in (set, bytearray) for undo in containers(item)]
        self.put_states_back = kept_states(filter(None, [*tracer.met, global_generator()]))

    def undo(self, entered: dict[Any, tuple[Any, Node]], calls: Calls) -> bool:
        """Undo the effects of the run. If that is impossible, undo nothing and return False."""
        if not self.can_be_undone(calls):
            return False
        for undo in self.back:
            undo()
        for _, place, item in self.state.swaps.visited:
            if getattr(place.put, "func", None) not in (dict.__setitem__, list.__setitem__):  # those have been seen to
                place.put(item)
        for array, content in self.tracer.aside or ():
            _fill(array, content)
        for item, node in entered.values():
            if isinstance(item, TracedArray) and isinstance(item.value, np.ndarray):
                _fill(item.value, self.tracer.data.get(node, item.value))
        self.put_states_back()
        return True

    def can_be_undone(self, calls: Calls) -> bool:
        """Whether nothing was changed but what was seen."""
        tracer, swaps = self.tracer, self.state.swaps
        if calls.effects or tracer.effects or self.state.gave_way or len(swaps.seen) >= MOST:
            return False
        if tracer.aside is None or any(event.kind in ("orphan", "limit") for event in tracer.events):
            return False
        if not tracer.recording and any(not LASTING.isdisjoint(code.co_names) for code in calls.codes):
            return False  # it does not tell any more
        return not any(hasattr(type(item), "__next__") for item in self.seen)


def _fill(array: Any, content: Any) -> None:
    if content is not array and array.flags.writeable:
        array[...] = content


def why_plainly(error: BaseException) -> str:
    """The line at which a recording could not follow the user's code."""
    if isinstance(error, CaughtError):
        return str(error)
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [f"{file}:{line}" for file, line in places if user_source.is_user_code(file)]
    at = f", at {users[-1]}" if users else ""
    return f"it needs the array or number itself, and a recording has only a stand-in{at}"
