"""The tracer: every operation on a stand-in runs on the real values and becomes a node."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from dout.errors import DoutError, EscapeError, UnsupportedError
from dout.graph import CONSTANT, INPUT, NUMPY_VALUES, PYTHON_NUMBERS, Node, Primitive, Where
from dout.ops import CALLS, METHODS, PRIMITIVES, Recorder, kind_of
from dout.ops.standin import numpy_name
from dout.trace import source
from dout.trace.calls import ASK, BUILD, LOOK, SIZES, as_operand
from dout.trace.compose import COMPOSED, ufunc_method
from dout.trace.draws import Draws, draw, is_draw, is_generator
from dout.trace.layercalls import OpenCall
from dout.trace.memory import owner_of, set_apart
from dout.trace.model import Event
from dout.trace.standin import Traced, TracedArray, holds_traced, plain, plain_deep
from dout.trace.writes import Writer

LIMIT = 1_000_000  # nodes
_numbers = frozenset(PYTHON_NUMBERS)
_T = TypeVar("_T")


class Tracer(Recorder):
    """Records one run, in one thread; in others, and after `stop`, its stand-ins behave as their plain values."""

    def __init__(self, *, rounds: int | None = None) -> None:
        self.rounds = rounds  # of a script: which forward–backward round is recorded; None records all that runs
        self.thread = get_ident()
        self.recording = True
        self.epoch = 0
        self.refused: DoutError | None = None
        self.trusted = False
        self.writer = Writer(self)
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
        self.stack: list[OpenCall] = []
        self.events: dict[Event, None] = {}  # ordered, each once
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
            set_apart(self.data)

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
                operand = self.source(operand.value)
            operand = as_operand(self, operand)
            first = operand if first is None else first
            nodes.append(self.node_of(operand))
            values.append(plain(operand))
        value = primitive.apply(values, static)
        node = self.record(primitive, tuple(nodes), static, value)
        if type(value) is not np.ndarray:
            return Traced(self, value, node) if not isinstance(value, np.generic) else TracedArray(self, value, node)
        if value.base is not None and isinstance(first, TracedArray) and owner_of(value) is owner_of(first.value):
            return TracedArray(self, value, node, first, (primitive, tuple(nodes[1:]), static))
        return TracedArray(self, value, node)

    def record(self, primitive: Primitive, inputs: tuple[Node, ...], static: dict[str, Any], value: Any) -> Node:
        """Make the node of a value that was just computed."""
        if isinstance(value, NUMPY_VALUES):
            node = Node(primitive, inputs, static, value.shape, value.dtype, self.here())
        elif type(value) in _numbers:
            node = Node(primitive, inputs, static, (), type(value), self.here())
        else:
            raise self.refuse(UnsupportedError(f"{primitive.name} gave a {type(value).__name__}"))
        self.data[node] = value
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
            return self.node_of(operand.value)
        if kind in _numbers or isinstance(operand, np.generic):
            node = Node(CONSTANT, (), {"value": operand}, (), kind_of(operand))
            self.data[node] = operand
            return self.keep(node)
        if kind is np.ndarray:
            return self._bare(operand).resolve()
        if kind in (list, tuple):
            return self.node_of(as_operand(self, operand))
        raise self.refuse(UnsupportedError(f"a {kind.__name__} cannot be an operand of a traced operation"))

    def _bare(self, array: np.ndarray[Any, Any]) -> TracedArray:
        known = self.known.get(id(array))
        if known is None:
            # A script may bring arrays along as long as no layer is at work.
            if (self.rounds is None or self.stack) and not self.trusted:
                self.note("orphan", f"an array of shape {array.shape} came from outside the trace: an edge is lost")
            known = self.source(array)
        return known

    def source(self, array: Any, name: str | None = None, *, made: bool = False) -> Any:
        """Return the stand-in of an array or number that enters the trace as an input.

        Where it was `made` by the line that runs, that line says what it is called.
        """
        if type(array) is np.ndarray and id(array) in self.known:
            return self.known[id(array)]
        if isinstance(array, np.ndarray) and (type(array) is not np.ndarray or array.dtype.kind not in "biufc"):
            kind = type(array)
            what = f"an array of dtype {array.dtype}" if kind is np.ndarray else f"a {kind.__qualname__}"
            raise self.refuse(UnsupportedError(f"{what} cannot be traced"))
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
            return item if item._recorder is self and item.epoch == self.epoch else self.source(item.value, name)
        if kind is np.ndarray and id(item) in self.known and name:
            self.names[self.known[id(item)].resolve()] = name
        if kind is np.ndarray or kind in (int, float) or (isinstance(item, np.generic) and item.dtype.kind in "iufc"):
            return self.source(item, name)
        if kind in (list, tuple):
            return kind([self.wrap(part) for part in item])
        if kind is dict:
            return {key: self.wrap(part, str(key)) for key, part in item.items()}
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

    # --- calls of NumPy functions -------------------------------------------------------------------------------------

    def operator(self, primitive: Primitive, operands: tuple[Any, ...]) -> Any:
        """Answer one of Python's operators; what is no number is left to Python."""
        for operand in operands:
            kind = type(operand)
            repeats = kind in (list, tuple) and any(type(o) is Traced for o in operands)  # [0] * n
            if repeats or operand is None or kind in (str, bytes, dict, set):
                assert primitive.python is not None
                return primitive.python(*_as_indices(operands))
        return self.emit(primitive, operands, {})

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a NumPy function."""
        if not self.live:
            return function(*plain_deep(list(args)), **plain_deep(kwargs))
        out = kwargs.pop("out", None) if "out" in kwargs else None
        if out is not None:
            return self._into(out[0] if isinstance(out, tuple) else out, self.call(function, args, kwargs))
        traced = holds_traced(args) or holds_traced(kwargs)
        if function in CALLS:
            return self._row(function, args, kwargs)
        if function in BUILD or (traced and function in COMPOSED):
            return self._composed(function, args, kwargs)
        if function in LOOK or (getattr(function, "__module__", "") or "").startswith("numpy.testing"):
            return function(*plain_deep(list(args)), **plain_deep(kwargs))
        if function in ASK:
            answer = function(*plain_deep(list(args)), **plain_deep(kwargs))
            self.note("branch", f"{numpy_name(function)} was {answer}")
            return answer
        if is_draw(function):
            return draw(self, function, args, kwargs)
        if traced and not (function in SIZES and _only_whole(args) and _only_whole(kwargs)):
            raise self.unsupported(numpy_name(function))
        return self._from_outside(function, args, kwargs)

    def _row(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function with a row. On plain numbers NumPy's functions give NumPy's numbers, unlike Python's operators."""
        row, bind = CALLS[function]
        try:
            operands, static = bind(*args, **kwargs)
        except TypeError:
            options = ", ".join(f"{key}=" for key in kwargs) or f"{len(args)} arguments"
            if not holds_traced(args):
                return self._from_outside(function, args, kwargs)
            if function in COMPOSED:
                return self._composed(function, args, kwargs)
            raise self.unsupported(f"{numpy_name(function)} with {options}") from None
        if operands and all(type(plain(o)) in _numbers or isinstance(o, np.generic) for o in operands):
            if not holds_traced(operands):
                return self._from_outside(function, args, kwargs)
            if row.python and isinstance(function, np.ufunc) and all(type(plain(o)) in _numbers for o in operands):
                operands = (self.emit(PRIMITIVES["asarray"], operands[:1], {}), *operands[1:])
        return self.emit(row, operands, static)

    def _composed(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function that is others put together."""
        compose = BUILD.get(function) or COMPOSED[function]
        try:
            inspect.signature(compose).bind(self, *args, **kwargs)
        except TypeError:
            raise self.unsupported(f"{numpy_name(function)} with {', '.join(kwargs)}") from None
        return compose(self, *args, **kwargs)

    def method(self, name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer an ndarray method by its row, or by the function of its name."""
        if not self.live:
            return getattr(plain(owner), name)(*plain_deep(list(args)), **plain_deep(kwargs))
        out = kwargs.pop("out", None)
        if out is not None:
            return self._into(out, self.method(name, owner, args, kwargs))
        if name in METHODS:
            row, bind = METHODS[name]
            try:
                operands, static = bind(owner, *args, **kwargs)
            except TypeError:
                if getattr(np, name, None) not in COMPOSED:
                    raise self.unsupported(f"ndarray.{name} with these arguments") from None
            else:
                return self.emit(row, operands, static)
        return self._composed(getattr(np, name), (owner, *args), kwargs)

    def ufunc_method(self, ufunc: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer np.add.at, np.add.reduce and their kin."""
        if not self.live:
            return getattr(ufunc, method)(*plain_deep(list(args)), **plain_deep(kwargs))
        return ufunc_method(self, ufunc, method, *args, **kwargs)

    def array(self, item: Any) -> Any:
        """An operand as a traced array: lists become arrays, plain arrays enter the trace."""
        item = as_operand(self, item)
        if type(item) is np.ndarray:
            return self._bare(item)
        return item if isinstance(item, TracedArray) else BUILD[np.asarray](self, item)

    def _from_outside(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function that met no traced value: its arrays enter the trace as inputs."""
        result = function(*_as_indices(list(args)), **_as_indices(kwargs))
        if is_generator(result):
            return self.generator(result)
        return self.source(result, made=True) if type(result) is np.ndarray and result.dtype.kind in "biufc" else result

    def generator(self, generator: Any) -> Any:
        """Return the stand-in of a random generator."""
        return Draws(generator, lambda method: lambda *args, **kwargs: self.call(method, args, kwargs))

    def _into(self, out: Any, result: Any) -> Any:
        """`out=`: a result is written where it was asked to go."""
        target, value = self.wrap(out), plain(result)
        np.broadcast_to(value, target.shape)  # NumPy's own error
        if not np.can_cast(value.dtype, target.dtype, "same_kind"):
            raise TypeError(
                f"Cannot cast output from {value.dtype!r} to {target.dtype!r} with casting rule 'same_kind'"
            )
        target[...] = result
        return out

    def unsupported(self, what: str) -> UnsupportedError:
        """Say that `what` has no row, and where it was called."""
        error = UnsupportedError(f"{what} is not in dout's table of primitives, at {self._there()}")
        self.refuse(error)
        return error

    def refuse(self, error: Any) -> Any:
        """Remember the first refusal, also where the user's code catches the exception."""
        if " at " not in str(error):
            error = type(error)(f"{error}, at {self._there()}")
        if self.refused is None:
            self.refused = error
        return error

    def _there(self) -> str:
        frame = source.user_frame(sys._getframe(1))
        return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown place"

    # --- ways out -----------------------------------------------------------------------------------------------------

    def note(self, kind: str, message: str) -> None:
        """Add an event, once for each place."""
        frame = source.user_frame(sys._getframe(1))
        where = Where(frame.f_code.co_filename, frame.f_lineno) if frame else None
        self.events.setdefault(Event(kind, message, where))

    def outcome(self, kind: str, item: Traced, outcome: _T) -> _T:
        """A value steers the program: the recording holds for this outcome."""
        if self.live:
            self.note(kind, f"the program was steered by a value: {source.call_text(sys._getframe(2))} was {outcome}")
        return outcome

    def escape(self, name: str, item: Traced, convert: Callable[[Any], _T]) -> _T:
        """A value turns into a plain number: harmless on its way into text, refused elsewhere."""
        frame = sys._getframe(2)
        if not self.live or source.goes_into_text(frame):
            return convert(item.value)
        if not source.is_user_code(frame.f_code.co_filename):
            self.note("escape", f"{frame.f_globals.get('__name__')} took a traced value as a plain number")
            return convert(item.value)
        instead = "leave the value as it is" + (", or write .item()" if isinstance(item, TracedArray) else "")
        raise self.refuse(
            EscapeError(
                f"{name}(...) turns a traced value into a plain number and its gradient would be lost, "
                f"at {frame.f_code.co_filename}:{frame.f_lineno}; {instead}"
            )
        )

    def leak(self, item: Traced, result: Any) -> Any:
        """A value leaves as an array, through a function that dout does not see into."""
        if self.live:
            self.note("escape", "a traced value left the trace through a function that NumPy does not dispatch")
        return result


def _only_whole(item: Any) -> bool:
    """Whether the traced values in here are whole numbers, which steer a size and carry no gradient."""
    if isinstance(item, list | tuple):
        return all(map(_only_whole, item))
    if type(item) is dict:
        return all(map(_only_whole, item.values()))
    return not isinstance(item, Traced) or np.asarray(plain(item)).dtype.kind in "iub"


def _as_indices(item: Any) -> Any:
    """The same, with traced whole numbers taken as what they are now: an event says so."""
    if type(item) in (list, tuple):
        return type(item)(map(_as_indices, item))
    if type(item) is dict:
        return {key: _as_indices(part) for key, part in item.items()}
    return (int(item) if np.ndim(plain(item)) == 0 else plain(item)) if isinstance(item, Traced) else item


@contextmanager
def trusting(tracer: Tracer | None) -> Iterator[None]:
    """While a graph of ours runs over stand-ins, a bare array is one that its constants made: nothing is lost."""
    if tracer is not None:
        tracer.trusted = True
    try:
        yield
    finally:
        if tracer is not None:
            tracer.trusted = False
