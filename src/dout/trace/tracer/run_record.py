"""The record of a run: nodes with values, events, refusals. The parts of a tracer know this, not the tracer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from threading import get_ident
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

from dout.errors import DoutError, UnsupportedError
from dout.graph import INPUT, NUMPY_VALUES, PYTHON_NUMBERS, CallPlace, Node, Primitive, Where
from dout.ops import Recorder, primitives
from dout.ops.raising import shaped_by_values, shaping_inputs
from dout.trace.model import user_source as source
from dout.trace.model.recorded import Draw, Event
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.shared_memory import set_apart

LIMIT = 250_000  # nodes: no reader takes more, and each costs time and memory; a program has limits of its own
OVERLAP = "two arrays that entered separately share memory: an edge is lost"
MOST_BYTES = 1 << 36  # of one array; only one number repeated is as large as that
_numbers = frozenset(PYTHON_NUMBERS)
_SIZING = primitives("getitem places nonzero")  # whose result may have a shape that depends on values
_T = TypeVar("_T")


class RunRecord(Recorder):
    """Keeps one run, in one thread; in others, and after `stop`, its stand-ins behave as their plain values."""

    def __init__(self, *, rounds: int | None = None) -> None:
        self.rounds = rounds  # of a script: which forward–backward round is recorded; None records all that runs
        self.thread = get_ident()
        self.recording = True
        self.lasting = True  # whether the values are to be read when the user's code goes on
        self.epoch = 0
        self.refused: DoutError | None = None
        self.trusted = False
        self.on_round: Callable[[Any], object] = lambda tracer: None  # told of each round of a script that is over
        self.layer: Callable[[FrameType], str] | None = None  # the layer whose call runs, where somebody asks
        self.sites: dict[tuple[CodeType, int, str], Where] = {}
        self.site_of: dict[int, source.Site] = {}
        self._begin()

    def _begin(self) -> None:
        self.nodes: list[Node] = []
        self.data: dict[Node, Any] = {}
        self.names: dict[Node, str] = {}
        self.hints: dict[Node, str] = {}  # fallback names: the attribute of the layer that holds the value
        self.call_of: dict[Node, OpenCall] = {}
        self.calls: list[OpenCall] = []
        self.ends: list[Node] = []  # results of the whole run
        self.stack: list[OpenCall] = []
        self.events: dict[Event, None] = {}  # ordered, each once
        self.steered: dict[Node, None] = {}  # values that a branch or an index took
        self.literals: set[Node] = set()  # arrays made of plain numbers in the code, as of [1, 2]
        self.looked: set[Node] = set()  # arrays of which the shape, dtype or layout was asked for
        self.sized_by: dict[Node, dict[Node, None]] = {}  # nodes whose values give an array its shape: x[x > 0]
        self.sizes: dict[Node, Node] = {}  # and how many elements that has
        self.identified: list[Any] = []  # stand-ins whose `id` was asked for: dicts may have it as a key
        self.outcomes: dict[tuple[Node, str], Any] = {}  # and each outcome: a bool for a branch, an int for an index
        self.given: set[Node] = set()  # arguments of the code that runs
        self.draws: dict[Node, Draw] = {}  # how the inputs that are random were drawn
        self.generators: dict[Node, Any] = {}  # and by which generator
        self.computing = 0.0  # seconds in NumPy's own functions
        self.effects: list[str] = []  # effects of the code that no node records
        self.texts: list[str] = []  # lines at which a value became text or a key: the recording holds for it only
        self.failed: list[str] = []  # lines at which an operation raised
        self.scalars: dict[tuple[Any, ...], Any] = {}  # plain numbers that entered, by name, identity and place
        self.known: dict[int, Any] = {}  # bare arrays by identity
        self.roots: dict[int, list[Any]] = {}  # bare arrays by the memory they lie in
        self.dropped: set[Node] = set()  # nodes of calls that took too long: what has one is an input where it is used

    def begin_again(self) -> None:
        """Forget what was recorded; stand-ins from before become inputs when they are used again."""
        self.epoch += 1
        self._begin()

    def stop(self) -> None:
        """Record no more. Set recorded values apart: the user's code may change its arrays from now on."""
        if self.recording:
            self.recording = False
            set_apart(self.data, self._unused(), inputs_alone=not self.lasting)

    def _unused(self) -> set[Node]:
        """Inputs that were only within reach, and those that no memory can hold: a refusal says so."""
        users = {i: node for node in reversed(self.nodes) for i in node.inputs}
        shown = {*users, *self.ends}
        for call in self.calls:
            shown.update(node for node in (*call.inputs, *call.outputs) if node)
            shown.update(node for p in call.parameters for node in (p.node, p.gradient))
        unused = {node for node in self.nodes if node.primitive is INPUT and node not in shown}
        for node in self.nodes:
            if node.primitive is INPUT and np.asarray(self.data[node]).nbytes > MOST_BYTES and node not in unused:
                unused.add(node)
                where = users[node].where if node in users else None
                at = f", at {where}" if where else ""
                message = f"an array of shape {node.shape} is too large to be recorded{at}; give a smaller one"
                self.refused = self.refused or UnsupportedError(message)
        return unused

    @property
    def live(self) -> bool:
        """Whether an operation here and now is to be recorded."""
        return self.recording and get_ident() == self.thread

    def fails(self) -> None:
        """An operation raises. If the user's code catches the error, the recording holds for this failure only."""
        self.failed.append(there())

    def record(self, primitive: Primitive, inputs: tuple[Node, ...], static: dict[str, Any], value: Any) -> Node:
        """Make the node of a value that was just computed."""
        if isinstance(value, NUMPY_VALUES):
            node = Node(primitive, inputs, static, value.shape, value.dtype, self.here())
        elif type(value) in _numbers:
            node = Node(primitive, inputs, static, (), type(value), self.here())
        else:
            raise self.refuse(UnsupportedError(f"{primitive} gave a {type(value).__name__}"))
        self.data[node] = value
        if self.sized_by or primitive in _SIZING:
            self.note_sizes(node)
        return self.keep(node)

    def note_sizes(self, node: Node) -> None:
        """Remember the nodes whose values give an array its shape."""
        found = {source: None for i in shaping_inputs(node) for source in self.sized_by.get(i, ())}
        own = shaped_by_values(node)
        if found or own:
            alone = own and len(node.shape) == 1  # its one length is its own, whatever it comes of
            self.sized_by[node] = {node: None} if alone else {**found, node: None} if own else found

    def keep(self, node: Node) -> Node:
        """Enter a node into the recording."""
        self.nodes.append(node)
        if self.stack:
            self.call_of[node] = self.stack[-1]
        if len(self.nodes) == LIMIT:
            self.note("limit", f"recorded the first {LIMIT:,} nodes; what ran after them is not shown")
            self.stop()
        return node

    def here(self) -> Where | None:
        """The line of the user's code that is running."""
        frame = source.user_frame(sys._getframe(2))
        if frame is None:
            return None
        layer = self.layer(frame) if self.layer else ""
        key = (frame.f_code, frame.f_lasti, layer)
        where = self.sites.get(key)
        if where is None:
            place = (frame.f_code.co_filename, frame.f_lineno)
            where = self.sites[key] = CallPlace(*place, layer) if layer else Where(*place)
            self.site_of[id(where)] = source.Site.of(frame)
        return where

    def unsupported(self, what: str, instead: str | None = None) -> UnsupportedError:
        """The error that `what` has no row, with its line and, if known, what to write `instead`."""
        hint = f"; write {instead}" if instead else ""
        error = UnsupportedError(f"{what} is not in dout's table of primitives, at {there()}{hint}")
        self.refuse(error)
        return error

    def attempt(self, answer: Callable[..., _T], *given: Any) -> _T:
        """Answer a question that may be refused; a refused `answer` has changed nothing."""
        return answer(*given)

    def refuse(self, error: Any) -> Any:
        """Remember the first refusal, also where the user's code catches the exception."""
        if " at " not in str(error):
            error = type(error)(f"{error}, at {there()}")
        if self.refused is None:
            self.refused = error
        return error

    def step_aside(self, why_not: str) -> None:
        """Record no more, for a reason that another thread has; the user's code runs on plainly."""
        where = source.users_place(sys._current_frames().get(self.thread))
        at = f", at {where}" if where else ""
        self.refused = self.refused or UnsupportedError(f"{why_not}{at}")
        self.recording = False

    def note(self, kind: str, message: str) -> None:
        """Add an event, once for each place."""
        frame = source.user_frame(sys._getframe(1))
        where = Where(frame.f_code.co_filename, frame.f_lineno) if frame else None
        self.events.setdefault(Event(kind, message, where))

    def outcome(self, kind: str, item: Any, outcome: _T) -> _T:
        """A value steers the program: the recording holds for this outcome."""
        if self.live:
            self.steered[item.resolve()] = None
            self.outcomes[item.resolve(), kind] = outcome
            self.tell_outcome(kind, outcome)
        return outcome

    def tell_outcome(self, kind: str, outcome: Any) -> None:
        """Note a value that steers the program, with the text of what asked for it."""
        self.note(kind, f"the program was steered by a value: {source.call_text(sys._getframe(3))} was {outcome}")

    def single(self, item: Any) -> Any:
        """What is taken as one number, by `float` or as an element: itself, with NumPy's own error for other arrays."""
        return item

    def overlapped(self, before: Node, after: Node) -> None:
        """Told of the content of an input array, before and after a write into another input that shares its memory."""
        self.note("alias", OVERLAP)

    def taken_as_is(self, item: Any) -> None:
        """A value is used without a node: the recording holds for this value only."""
        if self.live:
            self.steered[item.resolve()] = None
            self.note("index", f"the program was steered by a value: {source.call_text(sys._getframe(2))}")

    def met_layer(self) -> None:
        """Told when the program is found to have a layer."""

    def met_state(self, attributes: Mapping[str, Any]) -> None:
        """Told of the attributes of a layer whose forward begins."""

    def leave(self) -> None:
        """Told in a forked child, whose part of the program is its own."""

    def begins(self, instance: Any) -> bool:
        """Told when a layer's forward begins; whether it is recorded."""
        return True

    def goes_back(self, instance: Any) -> bool:
        """Told when a layer's backward begins; whether it is recorded as a call of it."""
        return True

    def returns(self, call: OpenCall) -> None:
        """Told when the code of a layer's call has ended, or raised."""

    def round_ends(self) -> None:
        """Told when the round that was asked for is recorded."""

    def wake(self) -> bool:
        """Told when a layer is called while nothing is recorded; whether that begins the recording anew."""
        return False

    def drawn_with(self, item: Any) -> None:
        """Told of every traced argument of a draw: the drawn numbers are an input."""

    def as_text(self, item: Any = None) -> None:
        """A value turns into text, or is hashed: harmless for a recording, but no node records the result."""
        if self.live:
            self.texts.append(there())

    def leak(self, item: Any, result: Any, frame: Any = None) -> Any:
        """A value leaves as an array, through a function that dout does not see into."""
        if self.live:
            caller = source.asking_user(sys._getframe(1), lambda file: not source.is_user_code(file))
            said = "a function" if caller is None else source.call_text(caller, "a function")
            self.note("escape", f"a traced value left the trace through {said}: write it with NumPy's own functions")
        return result

    # What a recording adds.
    writer: Any  # changes arrays in place
    node_of: Callable[[Any], Node]
    source: Callable[..., Any]
    wrap: Callable[..., Any]
    array: Callable[[Any], Any]
    generator: Callable[[Any], Any]
    escape: Callable[[str, Any, Callable[[Any], _T]], _T]
    size_taken: Callable[[Any, _T], _T]
    attribute: Callable[[Any, str], Any]
    flags: Callable[[Any], Any]
    set_attribute: Callable[[Any, str, Any], None]


def there() -> str:
    """The line of the user's code that is running."""
    return source.line_of(sys._getframe(1)) or "an unknown place"
