"""What a run leaves behind: nodes with their values, inputs by identity, events; and what may leave, and how."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import Enum
from threading import get_ident
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from dout.errors import DoutError, EscapeError, UnsupportedError
from dout.graph import CONSTANT, INPUT, NUMPY_VALUES, PYTHON_NUMBERS, Node, Primitive, Where
from dout.ops import PRIMITIVES, Recorder, kind_of, primitives
from dout.ops.raising import shaped_by_values
from dout.trace.model import user_source as source
from dout.trace.model.recorded import Draw, Event
from dout.trace.model.replay import flat
from dout.trace.tracer.numpy_calls import as_operand
from dout.trace.tracer.open_call import OpenCall
from dout.trace.tracer.shared_memory import owner_of, set_apart
from dout.trace.tracer.traced import Traced, TracedArray, plain, plain_deep
from dout.trace.tracer.writes import ArrayWriter

LIMIT = 1_000_000  # nodes
MOST_BYTES = 1 << 36  # of one array; only one number repeated is as large as that
_STEERED_BY_SIZE = "the program was steered by a size that depends on values"
OVERLAP = "two arrays that entered separately share memory: an edge is lost"
_numbers = frozenset(PYTHON_NUMBERS)
_T = TypeVar("_T")


class Recording(Recorder):
    """Keeps one run, in one thread; in others, and after `stop`, its stand-ins behave as their plain values."""

    def __init__(self, *, rounds: int | None = None) -> None:
        self.rounds = rounds  # of a script: which forward–backward round is recorded; None records all that runs
        self.thread = get_ident()
        self.recording = True
        self.epoch = 0
        self.refused: DoutError | None = None
        self.trusted = False
        self.writer = ArrayWriter(self)
        self.sites: dict[tuple[CodeType, int], Where] = {}
        self.site_of: dict[int, source.Site] = {}
        self._begin()

    def _begin(self) -> None:
        self.nodes: list[Node] = []
        self.data: dict[Node, Any] = {}
        self.names: dict[Node, str] = {}
        self.hints: dict[Node, str] = {}  # names for what has no other: the attribute of the layer that holds it
        self.call_of: dict[Node, OpenCall] = {}
        self.calls: list[OpenCall] = []
        self.ends: list[Node] = []  # what the whole run gave out
        self.stack: list[OpenCall] = []
        self.events: dict[Event, None] = {}  # ordered, each once
        self.steered: dict[Node, None] = {}  # values that a branch or an index took
        self.literals: set[Node] = set()  # arrays made of plain numbers in the code, as of [1, 2]
        self.looked: set[Node] = set()  # arrays of which the shape, dtype or layout was asked for
        self.sized_by: dict[Node, dict[Node, None]] = {}  # what gives an array its shape by its values: x[x > 0]
        self.sizes: dict[Node, Node] = {}  # and how many elements that has
        self.identified: list[Traced] = []  # what the identity was asked of: dicts have it as a key
        self.outcomes: dict[tuple[Node, str], Any] = {}  # and what each was: a bool for a branch, an int for an index
        self.given: set[Node] = set()  # what the code that runs was given as arguments
        self.draws: dict[Node, Draw] = {}  # how the inputs that are random were drawn
        self.generators: dict[Node, Any] = {}  # and by which generator
        self.effects: list[str] = []  # what the code does that no node says
        self.texts: list[str] = []  # where a value became text or a key: what came of it holds for this value only
        self.failed: list[str] = []  # where an operation raised
        self.scalars: dict[tuple[Any, ...], Any] = {}  # plain numbers that entered, by name, identity and place
        self.known: dict[int, TracedArray] = {}  # bare arrays by identity
        self.roots: dict[int, list[TracedArray]] = {}  # bare arrays by the memory they lie in

    def begin_again(self) -> None:
        """Forget what was recorded; stand-ins from before become inputs when they are used again."""
        self.epoch += 1
        self._begin()

    def stop(self) -> None:
        """Record no more. What the user's code still holds may change from now on: recorded values are set apart."""
        if self.recording:
            self.recording = False
            set_apart(self.data, self._unused())

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

    # --- nodes --------------------------------------------------------------------------------------------------------

    def emit(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Run a primitive on the real values and record it."""
        if not self.live:
            return primitive.apply([plain_deep(operand) for operand in operands], static)
        first, nodes, values = None, [], []
        for operand in operands:
            if type(operand) is np.ndarray:
                operand = self._bare(operand)
            elif isinstance(operand, Traced) and (operand._recorder is not self or operand.epoch != self.epoch):
                operand = self._of_another(operand)
            operand = as_operand(self, operand)
            first = operand if first is None else first
            nodes.append(self.node_of(operand))
            values.append(plain(operand))
        try:
            value = primitive.apply(values, static)
        except Exception:
            self.fails()
            raise
        node = self.record(primitive, tuple(nodes), static, value)
        if type(value) is not np.ndarray:
            return Traced(self, value, node) if not isinstance(value, np.generic) else TracedArray(self, value, node)
        if value.base is not None and isinstance(first, TracedArray) and owner_of(value) is owner_of(first.value):
            return TracedArray(self, value, node, first, (primitive, tuple(nodes[1:]), static))
        return TracedArray(self, value, node)

    def fails(self) -> None:
        """An operation raises: if the user's code catches it, what comes then holds for this failure only."""
        self.failed.append(_there())

    def record(self, primitive: Primitive, inputs: tuple[Node, ...], static: dict[str, Any], value: Any) -> Node:
        """Make the node of a value that was just computed."""
        if isinstance(value, NUMPY_VALUES):
            node = Node(primitive, inputs, static, value.shape, value.dtype, self.here())
        elif type(value) in _numbers:
            node = Node(primitive, inputs, static, (), type(value), self.here())
        else:
            raise self.refuse(UnsupportedError(f"{primitive} gave a {type(value).__name__}"))
        self.data[node] = value
        shaping = inputs[:1] if primitive in primitives("setitem add_at") else inputs if node.shape else ()
        found = {source: None for i in shaping for source in self.sized_by.get(i, ())} if self.sized_by else {}
        if found or shaped_by_values(node):
            self.sized_by[node] = {**found, node: None} if shaped_by_values(node) else found
        return self.keep(node)

    def keep(self, node: Node) -> Node:
        """Enter a node into the recording."""
        self.nodes.append(node)
        if self.stack:
            self.call_of[node] = self.stack[-1]
        if len(self.nodes) == LIMIT:
            self.note("limit", f"recorded the first {LIMIT} nodes; what ran after them is not shown")
            self.stop()
        return node

    def node_of(self, operand: Any) -> Node:
        """The node of whatever stands as an operand: a stand-in, a number, a bare array, a list."""
        kind = type(operand)
        if kind is TracedArray or kind is Traced:
            if operand._recorder is self and operand.epoch == self.epoch:
                return operand.resolve()  # type: ignore[no-any-return]
            return self.node_of(self._of_another(operand))
        if kind in _numbers or isinstance(operand, np.generic):
            node = Node(CONSTANT, (), {"value": operand}, (), kind_of(operand))
            self.data[node] = operand
            return self.keep(node)
        if kind is np.ndarray:
            return self._bare(operand).resolve()
        if kind in (list, tuple):
            return self.node_of(as_operand(self, operand))
        if issubclass(kind, np.ndarray):
            return self.node_of(self.source(operand))
        if issubclass(kind, Enum) and issubclass(kind, int):
            return self.node_of(int(operand))
        raise self.refuse(UnsupportedError(f"a {kind.__name__} cannot be an operand of a traced operation"))

    def _bare(self, array: np.ndarray[Any, Any]) -> TracedArray:
        known = self.known.get(id(array))
        if known is None:
            # A script may bring arrays along as long as no layer is at work.
            if (self.rounds is None or self.stack) and not self.trusted and array.size:
                self.note("orphan", f"an array of shape {array.shape} came from outside the trace: an edge is lost")
            known = self.source(array)
        return known

    def _of_another(self, item: Traced, name: str | None = None) -> Any:
        """A stand-in of another trace or of an earlier round enters; a trace still under way loses the edge."""
        if item._recorder is not self and item._recorder.recording:
            item._recorder.note("escape", "a value of a trace was used inside another one: give it as an argument")
        return self.source(item.value, name)

    def source(self, array: Any, name: str | None = None, *, made: bool = False) -> Any:
        """Return the stand-in of an array or number that enters the trace as an input.

        Where it was `made` by the line that runs, that line says what it is called.
        """
        if type(array) is np.ndarray and id(array) in self.known:
            return self.known[id(array)]
        if isinstance(array, np.ndarray) and (type(array) is not np.ndarray or array.dtype.kind not in "biufc"):
            kind = type(array)
            what = f"an array of dtype {array.dtype}" if kind is np.ndarray else f"a {kind.__qualname__}"
            raise self.refuse(UnsupportedError(f"{what} cannot be traced, at {_there()}; {_instead(kind)}"))
        node = Node(INPUT, (), {}, np.shape(array), kind_of(array), self.here() if made else None)
        self.data[node] = array
        if name:
            self.names[node] = name
        self.keep(node)
        if not isinstance(array, NUMPY_VALUES):
            return Traced(self, array, node)
        traced = TracedArray(self, array, node)
        if isinstance(array, np.ndarray):
            self.known[id(array)] = traced
            self.roots.setdefault(id(owner_of(array)), []).append(traced)
        return traced

    def wrap(self, item: Any, name: str | None = None) -> Any:
        """Return the stand-in of an argument: arrays and numbers, also inside lists, tuples and dicts."""
        kind = type(item)
        if kind is TracedArray or kind is Traced:
            return item if item._recorder is self and item.epoch == self.epoch else self._of_another(item, name)
        if kind is np.ndarray and id(item) in self.known and name:
            self.names[self.known[id(item)].resolve()] = name
        if (
            issubclass(kind, np.ndarray)
            or kind in (int, float)
            or (isinstance(item, np.generic) and item.dtype.kind in "iufc")
        ):
            return self.source(item, name)
        if kind in (list, tuple):
            parts = [self.wrap(part) for part in item]
            return item if all(a is b for a, b in zip(parts, item, strict=True)) else kind(parts)
        if kind is dict:
            named = {key: self.wrap(part, str(key)) for key, part in item.items()}
            return item if all(named[key] is part for key, part in item.items()) else named
        return item

    def here(self) -> Where | None:
        """The line of the user's code that is running."""
        frame = source.user_frame(sys._getframe(2))
        if frame is None:
            return None
        key = (frame.f_code, frame.f_lasti)
        where = self.sites.get(key)
        if where is None:
            where = self.sites[key] = Where(frame.f_code.co_filename, frame.f_lineno)
            self.site_of[id(where)] = source.Site.of(frame)
        return where

    # --- refusals -----------------------------------------------------------------------------------------------------

    def unsupported(self, what: str, instead: str | None = None) -> UnsupportedError:
        """Say that `what` has no row, where it was called, and where we know it, what to write `instead`."""
        hint = f"; write {instead}" if instead else ""
        error = UnsupportedError(f"{what} is not in dout's table of primitives, at {_there()}{hint}")
        self.refuse(error)
        return error

    def attempt(self, answer: Callable[..., _T], *given: Any) -> _T:
        """Answer what may be refused; nothing has been done where it is."""
        return answer(*given)

    def refuse(self, error: Any) -> Any:
        """Remember the first refusal, also where the user's code catches the exception."""
        if " at " not in str(error):
            error = type(error)(f"{error}, at {_there()}")
        if self.refused is None:
            self.refused = error
        return error

    def step_aside(self, why_not: str) -> None:
        """Record no more, for a reason that another thread has; the user's code runs on plainly."""
        frame = sys._current_frames().get(self.thread)
        while frame is not None and not source.is_user_code(frame.f_code.co_filename):
            frame = frame.f_back
        at = f", at {source.line_of(frame)}" if frame is not None else ""
        self.refused = self.refused or UnsupportedError(f"{why_not}{at}")
        self.recording = False

    # --- ways out -----------------------------------------------------------------------------------------------------

    def note(self, kind: str, message: str) -> None:
        """Add an event, once for each place."""
        frame = source.user_frame(sys._getframe(1))
        where = Where(frame.f_code.co_filename, frame.f_lineno) if frame else None
        self.events.setdefault(Event(kind, message, where))

    def outcome(self, kind: str, item: Traced, outcome: _T) -> _T:
        """A value steers the program: the recording holds for this outcome."""
        if self.live:
            self.steered[item.resolve()] = None
            self.outcomes[item.resolve(), kind] = outcome
            self.note(kind, f"the program was steered by a value: {source.call_text(sys._getframe(2))} was {outcome}")
        return outcome

    def escape(self, name: str, item: Traced, convert: Callable[[Any], _T]) -> _T:
        """A value turns into a plain number where C asks for one: harmless on its way into text, refused elsewhere.

        The user's own `float(...)` does not come here: it is recorded.
        """
        frame: Any = sys._getframe(2)
        while source.is_ours(frame.f_code.co_filename) and frame.f_back is not None:
            frame = frame.f_back
        if not self.live or source.goes_into_text(frame):
            self.as_text()
            return convert(item.value)
        if not source.is_user_code(frame.f_code.co_filename):
            self.note("escape", f"{frame.f_globals.get('__name__')} took a traced value as a plain number")
            return convert(item.value)
        instead = "leave the value as it is" + (", or write .astype(...)" if isinstance(item, TracedArray) else "")
        raise self.refuse(
            EscapeError(
                f"{name}(...) turns a traced value into a plain number and its gradient would be lost, "
                f"at {frame.f_code.co_filename}:{frame.f_lineno}; {instead}"
            )
        )

    def overlapped(self, before: Node, after: Node) -> None:
        """Told of what an array holds that entered by itself and shares memory with one that is written into."""
        self.note("alias", OVERLAP)

    def look(self, item: Any) -> None:
        """Shape, dtype or layout of the arrays in here are asked for, without a node: the recording holds for these."""
        self.looked.update(part.node for part in flat(item) if isinstance(part, TracedArray))

    def size_taken(self, item: TracedArray, answer: _T) -> _T:
        """As `look`, for how many elements an array has."""
        self.looked.add(item.node)
        if self.live and item.node in self.sized_by:
            self.steered_by_size(self.sized_by[item.node])
        return answer

    def steered_by_size(self, arrays: Iterable[Node]) -> None:
        """The recording holds for as many elements as these arrays have, which depends on values."""
        frame = source.user_frame(sys._getframe(2))
        if frame is None or source.goes_into_text(frame):
            return
        for array in arrays:
            if array not in self.sizes:
                whole = {"function": "size", "shape": (), "dtype": np.dtype(int)}
                self.sizes[array] = self.record(PRIMITIVES["places"], (array,), whole, self.data[array].size)
            self.steered[self.sizes[array]] = None
        self.note("index", f"{_STEERED_BY_SIZE}: {source.call_text(frame, 'a loop')}")

    def taken_as_is(self, item: Traced) -> None:
        """A value is used as what it is now, without a node: the recording holds for this one."""
        if self.live:
            self.steered[item.resolve()] = None
            self.note("index", f"the program was steered by a value: {source.call_text(sys._getframe(2))}")

    def drawn_with(self, item: Traced) -> None:
        """Told of every traced value that a draw is given: what is drawn is an input."""

    def attribute(self, item: Traced, name: str) -> Any:
        """An attribute that no row stands for: that of the plain value, where nothing is recorded."""
        if not self.live:
            return getattr(item.value, name)
        raise self.refuse(UnsupportedError(f"{type(item.value).__name__}.{name} of a traced value"))

    def flags(self, item: TracedArray) -> Any:
        """The flags of an array; what is set in them is no part of a recording."""
        return item.value.flags

    def set_attribute(self, item: Traced, name: str, value: Any) -> None:
        """As `attribute`, to set one."""
        self.attribute(item, name)
        setattr(item.value, name, plain_deep(value))

    def as_text(self, item: Traced | None = None) -> None:
        """A value turns into text, or is hashed: harmless for a recording, but what comes of it is no node."""
        if self.live:
            self.texts.append(_there())

    def leak(self, item: Traced, result: Any) -> Any:
        """A value leaves as an array, through a function that dout does not see into."""
        if self.live:
            self.note("escape", "a traced value left the trace through a function that NumPy does not dispatch")
        return result


def _instead(kind: type) -> str:
    """What to give in the place of an array that cannot be traced."""
    if issubclass(kind, np.ma.MaskedArray):
        return "keep the numbers in one plain array and the mask in another"
    return "give a plain array of numbers" if kind is np.ndarray else "give np.asarray of it"


def _there() -> str:
    return source.line_of(sys._getframe(1)) or "an unknown place"
