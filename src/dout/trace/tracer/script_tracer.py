"""A tracer for scripts: it keeps one round of a training loop, and lets pass what is no part of a layer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from threading import get_ident
from typing import Any

import numpy as np

from dout.errors import EndOfRun, EscapeError, UnsupportedError
from dout.graph import Node, Where
from dout.ops import StandIn
from dout.ops.shape import same_layout
from dout.run import attributes_of, flat, places
from dout.trace.model import user_source
from dout.trace.model.recorded import LOSSES, Event
from dout.trace.model.updates import Updates
from dout.trace.tracer.open_call import OpenCall, Round, forwards_of
from dout.trace.tracer.traced import TracedArray, plain
from dout.trace.tracer.tracer import Tracer, attempting

PREPARATION = 400  # nodes that are recorded before the first layer is called
DATA_SET = 200_000_000  # bytes of their values: more is a data set, whose gradient nobody asks for
WITHOUT_LAYERS = 20_000  # nodes that are recorded of a script without layers
_OF_LIBRARIES = LOSSES | {"branch", "index"}
_LASTING = frozenset({"data", "input", "preparation"})  # events that hold for all rounds
MOST_SEARCHED = 15  # recordings of that length in which a training step is looked for
MOST = 100_000  # nodes that are recorded of a round
MOST_BYTES = 2_000_000_000  # of their values
_WIDER = 2  # times as much once a layer was called
_LONG = "what ran before is not shown: it is long, and no backward is in it"
_LONG_CALL = "the call that runs here is not shown: it takes more than {:,} operations; record fewer of its turns"
_MOST_HELD = 10_000  # places in a layer in which arrays are looked for
_MOST_OPENED = 50
MOST_INSIDE = 20_000  # nodes of one call of a layer, beside those of layers that it calls: nobody looks at more
_CLOSED = "a gradient ends here: {}.{} takes more than {:,} operations, which were not recorded"


@attempting
class ScriptTracer(Tracer):
    """Records the round that is asked for, the first or a later one, of a program that is not there to be traced.

    A program prepares its data before it calls a layer: of a long preparation, or a large data set, nothing is kept,
    and its results are inputs of the layers; nor is anything of forwards that go on and on before the first backward.
    What has no row runs plainly, and an event says where the gradient ends: then none is compared with a derived one.
    """

    def __init__(self, rounds: int, *, runs_on: bool, awaits_layers: bool = False) -> None:
        super().__init__(rounds=rounds)
        self.runs_on = runs_on  # whether the program goes on when its round is recorded
        self.awaits_layers = awaits_layers  # whether the program has a layer, or will have one
        self.paused = False
        self.left_out = False  # whether a call was forgotten while it ran
        self._steps: list[Any] = []  # what has a backward that goes forward itself
        self._evaluates = False  # whether it has recorded enough, and no backward among it
        self._woken = False
        self._under_way = False
        self._whole = True  # whether the recording begins where the program, or a training step of it, begins
        self._step = 0  # how many parameters a training step updates, once that is known
        self._left = 0  # how many of them are to be updated until the next one begins
        self._renewed_after: tuple[Where | None] | None = None  # the line after which recording begins anew
        self._searched = 0  # how often it began anew in search of a training step
        self.before: dict[str, Any] = {}  # the recording before that search
        self._inside: tuple[OpenCall | None, int, float] = None, 0, 0.0  # the innermost call; where its own nodes begin
        self._closed: OpenCall | None = None  # a call that takes so long that nothing in it is recorded
        self._at_rest: OpenCall | None = None  # a call of them that has ended, or is about to call another layer
        self._left_open = _MOST_OPENED  # how often such a call may go on to be recorded where it calls a layer
        self._held: list[tuple[TracedArray, Any]] = []  # what is in reach of it, and what was in that
        self._long: set[tuple[int, str]] = set()  # layers, by identity, and which of their methods takes so long

    def _begin(self) -> None:
        kept = [event for event in getattr(self, "events", ()) if event.kind in _LASTING]
        super()._begin()
        self.events.update(dict.fromkeys(kept))
        self._bytes = 0
        self.updates = Updates()
        self.round = Round()

    def met_layer(self) -> None:
        """Remember that the program has a layer."""
        self.awaits_layers = True

    def keep(self, node: Node) -> Node:
        """Enter a node into the recording; when it is long enough, pause until a layer is called, or end it."""
        if self._closed is not None:  # what was under way when a call was closed
            self.dropped.add(node)
            self.data.pop(node, None)
            return node
        super().keep(node)
        if getattr(value := self.data.get(node), "base", self) is None:  # a view needs no memory
            self._bytes += np.asarray(value).nbytes
        count = len(self.nodes)
        if self.stack and self.recording and self._is_too_long(self.stack[-1]):
            self._close(self.stack[-1])
            return node
        anew = self.updates.met(node, in_forward=any(call.kind == "forward" for call in self.stack))
        if anew is not None and not any(call.match for call in self.calls):
            self._updated(anew=anew)
        part = max(count / MOST, self._bytes / MOST_BYTES)
        prepares = self.awaits_layers and not self.calls
        is_short = count < PREPARATION and not (prepares and self._bytes > DATA_SET)
        if not self.recording or (part < 1 and is_short):
            return node
        if self.calls and part >= 1 and not any(call.match for call in self.calls):
            self._evaluates = True
            if part >= _WIDER:
                self._leave_out() if self.stack else self._pause()
        elif prepares:
            self._pause()
        elif part < 1 and not self.calls and not self.updates.first and self._searched < MOST_SEARCHED:
            if count >= WITHOUT_LAYERS:
                self._whole, self._renewed_after = False, (self.here(),)
        elif part >= _WIDER or (not self.calls and (part >= 1 or count >= WITHOUT_LAYERS)):
            self.note("limit", f"recorded the first {count:,} operations and values; what ran after them is not shown")
            self._ends()
        return node

    def _updated(self, *, anew: bool) -> None:
        """A parameter was updated. A training step ends with the last update, known once one is updated anew."""
        assert self.rounds is not None
        if not self._step and anew:
            self._step = self._left = len(self.updates.first)
            if self._whole and self.rounds == 1:
                self.keep_first(self.updates.end)
                self._step_ends()
            self.rounds -= self._whole
        if self._left:  # of a step that is not recorded
            self._left -= 1
            if not self._left:
                self._whole, self._renewed_after = True, (self.here(),)
        elif len(self.updates.first) == self._step:
            self._step_ends()

    def _step_ends(self) -> None:
        assert self.rounds is not None
        self.on_round(self)
        self.rounds -= 1
        if not self.rounds:
            self.round_ends()
        self._renewed_after = (self.here(),)

    def _renew(self) -> None:
        """Record anew: the next training step, or, as long as none was found, what comes now."""
        self._renewed_after = None
        if not self._whole:
            self._searched += 1
            if not self.before:
                self.stop()
                self.before, self.recording = dict(vars(self)), True
        self.begin_again()

    def _is_too_long(self, call: OpenCall) -> bool:
        """Whether a call takes more steps of its own than can be shown."""
        if self._inside[0] is not call:
            self._inside = call, len(self.nodes) - 1, self._bytes
        _, first, held = self._inside
        if call is self._at_rest:
            return False
        long = len(self.nodes) - first > MOST_INSIDE or self._bytes - held > MOST_BYTES / 2
        return long or (id(call.instance), call.kind) in self._long

    def _close(self, call: OpenCall) -> None:
        """Forget the steps of a call since the last layer that it called, and record no more until it returns."""
        self._long.add((id(call.instance), call.kind))
        self.note("escape", _CLOSED.format(call.cls, call.kind, MOST_INSIDE))
        first = self._inside[1]
        self.dropped.update(self.nodes[first:])
        for node in self.nodes[first:]:
            self.data.pop(node, None)
            self.call_of.pop(node, None)
        del self.nodes[first:]
        self._bytes = sum(value.nbytes for value in self.data.values() if getattr(value, "base", self) is None)
        self.steered = {node: None for node in self.steered if node not in self.dropped}
        call.held_nodes = {key: node for key, node in call.held_nodes.items() if node not in self.dropped}
        reach = islice(places([attributes_of(call.instance), call.arguments]), _MOST_HELD)
        arrays = {id(array): array for array in (self._known_as(place.item) for place in reach) if array is not None}
        self._held = [(array, np.array(array.value)) for array in arrays.values()]
        self._closed, self.recording = call, False

    def _known_as(self, item: Any) -> TracedArray | None:
        """What stands for an array that has axes, where it is in the recording."""
        array = self.known.get(id(item)) if type(item) is np.ndarray else item
        if type(array) is not TracedArray or array._recorder is not self or array.epoch != self.epoch or not array.ndim:
            return None
        return array.whole()

    def returns(self, call: OpenCall) -> None:
        """A call has ended: one that was closed is recorded no further."""
        self._at_rest = call if (id(call.instance), call.kind) in self._long else None
        if self._closed is call:
            self._open_again()

    def _open_again(self) -> None:
        """Record on. Arrays that the code of the closed call has changed are inputs, as they are now."""
        self._closed, self.recording = None, True
        for array, before in self._held:
            known = array.node not in self.dropped
            if known and not np.array_equal(before, array.value, equal_nan=before.dtype.kind in "fc"):
                self.writer.written_unseen(array, before)
        self._held = []

    def _pause(self) -> None:
        self.stop()
        self.paused = True

    def _leave_out(self) -> None:
        """Forget a call that goes on and on, and record no more until it has ended; a backward ends the program."""
        if self.stack[0].kind == "backward":  # it would be as long in the next round: its forward is shown alone
            self.keep_first(self.stack[0].span[0])
            self.note("limit", _LONG_CALL.format(_WIDER * MOST))
            self._ends()
            return
        under_way, self.left_out = self.stack, True
        self._forget(_LONG_CALL.format(_WIDER * MOST))
        self.stack, self.recording, self.paused = under_way, False, True

    def wake(self) -> bool:
        """Record anew from the first call of a layer on."""
        if self._closed is not None and self._left_open and get_ident() == self.thread:  # a network of linked layers
            self._left_open -= 1
            self._at_rest = self._closed
            self._open_again()
            return True
        if not self.paused or self.stack or get_ident() != self.thread:
            return False
        self.paused, self.recording, self._woken = False, True, True
        self._forget("what ran before the first layer is not shown: it is long, or its arrays are large")
        return True

    def begins(self, instance: Any) -> bool:
        """A layer's forward begins. Return whether it is recorded: not where the next round begins with it.

        A long evaluation goes through a layer once more.
        """
        for call in [call for call in self.stack if call.kind == "backward" and not self._is_awaited(call)]:
            self._show_as_step(call)
        if self.stack:
            return True
        if self._evaluates and any(call.instance is instance for call in self.calls):
            self._forget(_LONG)
        heads = not self.updates.first
        return self.round.takes(instance, self.calls, len(self.nodes), may_have_heads=heads) or self._next_round()

    def goes_back(self, instance: Any) -> bool:
        """A layer's backward begins. Return whether it is recorded: not where it was found to be a training step."""
        return not any(step is instance for step in self._steps)

    def _is_awaited(self, backward: OpenCall) -> bool:
        """Whether a forward of its instance, outside of a backward, has none yet."""
        forwards = forwards_of(backward.instance, self.calls)
        return any(call.done and call.match is None and not call.in_backward() for call in forwards)

    def _show_as_step(self, backward: OpenCall) -> None:
        """A backward goes forward, and has no forward of its own: a training step, whose layers are shown instead."""
        self._steps.append(backward.instance)
        self.calls.remove(backward)
        self.stack.remove(backward)
        self.call_of = {node: call for node, call in self.call_of.items() if call is not backward}

    def _next_round(self) -> bool:
        """Begin recording anew if a later round was asked for, else stop. Return whether recording goes on."""
        assert self.rounds is not None
        self.on_round(self)
        self.rounds -= 1
        if self.rounds > 0:
            self.begin_again()
        else:
            self.round_ends()
        return self.rounds > 0

    def _forget(self, why: str) -> None:
        self._evaluates = False
        self.begin_again()
        self.note("preparation", why)

    def met_state(self, attributes: Mapping[str, Any]) -> None:
        """Told of a layer's attributes: arrays that were made while nothing was recorded are inputs, as they are."""
        for place in islice(places(attributes), _MOST_HELD) if self._woken else ():
            array = place.item
            if type(array) is np.ndarray and id(array) not in self.known and array.dtype.kind in "biufc":
                node = self.source(array).node
                self.data[node] = same_layout(array)  # plain code may write into it, unseen

    def single(self, item: Any) -> Any:
        """Of an array with axes its only element, which NumPy no longer converts."""
        if not (isinstance(value := plain(item), np.ndarray) and value.ndim and value.size == 1):
            return item
        self.note("data", "an array with axes was taken as a number, which NumPy has removed: write x.item()")
        return item.reshape(())

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

    def leave(self) -> None:
        """Record nothing any more, and end nothing: a forked child's part of the program is its own."""
        self.recording = self.paused = False

    def keep_first(self, count: int) -> None:
        """Forget all but so many nodes, and the calls that had not ended by then."""
        self.nodes = self.nodes[:count]
        kept = set(self.nodes)
        self.steered = {node: None for node in self.steered if node in kept}
        self.calls = [call for call in self.calls if call.done and call.span[1] <= count]

    def source(self, array: Any, name: str | None = None, *, made: bool = False) -> Any:
        """As a tracer's; a column of what stands for pandas is the array in it."""
        is_column = isinstance(array, np.ndarray) and type(array).__module__.startswith("dout.")
        return super().source(array.view(np.ndarray) if is_column else array, name, made=made)

    def wrap(self, item: Any, name: str | None = None) -> Any:
        """The stand-in of an argument; an object that cannot be traced stays as it is."""
        holds_objects = type(item) is np.ndarray and item.dtype == object
        return item if holds_objects else self.attempt(super().wrap, item, name)

    def note(self, kind: str, message: str) -> None:
        """Add an event at the user's line, if it is not about what a library does with a value outside of layers."""
        if kind == "orphan" and self.stack and id(self.stack[-1].instance) in {instance for instance, _ in self._long}:
            return  # it has been told that nothing in this layer is recorded
        if self.stack or kind not in _OF_LIBRARIES or not _asking_library():
            self.events.setdefault(Event(kind, message, user_source.users_place(sys._getframe(1))))

    def attempt(self, answer: Callable[..., Any], *given: Any) -> Any:
        """Answer; plainly if that is refused, or if a library asks: it is no part of the program's computation."""
        outermost, self._under_way = not self._under_way, True
        if outermost and self._renewed_after is not None and self.live and self._renewed_after != (self.here(),):
            self._renew()
        try:
            if not outermost or not self.live:
                return answer(*given)
            given = tuple(map(_lasting, given))
            if library := _asking_library():
                if self.stack:
                    self.note("escape", f"a gradient ends here: {library} was given the value")
                return self._plainly(answer, given)
            try:
                return answer(*given)
            except (UnsupportedError, EscapeError) as error:
                if not self.live:
                    raise
                self.refused = None
                self.gradient_ends(str(error).partition(", at ")[0])
                return self._plainly(answer, given)
        finally:
            self._under_way = not outermost

    def leak(self, item: Any, result: Any, frame: Any = None) -> Any:
        """As of any; whole numbers and conditions that pick elements of a plain array take no gradient with them."""
        if not self.live or np.asarray(item.value).dtype.kind not in "biu":
            return super().leak(item, result, frame)
        self.note("index", "whole numbers or conditions of the program left the trace, and no gradient with them")
        return result

    def gradient_ends(self, why: str) -> None:
        """Add the event that a gradient ends here; of what no layer has made, no gradient is asked."""
        if self.calls:
            self.note("escape", f"a gradient ends here: {why}")

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


def _lasting(item: Any) -> Any:
    """An argument, with a list for what can be gone through only once: an answer may have to be tried twice."""
    if type(item) is tuple:
        return tuple(map(_lasting, item))
    once = isinstance(item, Iterator) and not isinstance(item, StandIn) and not hasattr(item, "read")  # no file
    return list(item) if once else item


def _asking_library() -> str:
    """The library whose code runs, besides NumPy's; empty where it is the user's."""
    frame = user_source.user_frame(sys._getframe(1))
    if frame is None or user_source.is_user_code(frame.f_code.co_filename):
        return ""
    return str(frame.f_globals.get("__name__", "a library")).partition(".")[0]
