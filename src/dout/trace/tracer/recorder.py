"""Recording: nodes with their values, inputs by identity, events; and the ways out for a value."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from dout.clock import check_time, spent
from dout.errors import EscapeError, UnsupportedError
from dout.graph import CONSTANT, INPUT, NUMPY_VALUES, PYTHON_NUMBERS, Node, Primitive
from dout.ops import PRIMITIVES, kind_of
from dout.ops.shape import same_layout
from dout.run import flat
from dout.trace.model import user_source as source
from dout.trace.model.uses_of_answers import goes_into_text
from dout.trace.tracer.numpy_calls import as_operand
from dout.trace.tracer.run_record import RunRecord, there
from dout.trace.tracer.shared_memory import owner_of, way_to
from dout.trace.tracer.traced import DotResult, Traced, TracedArray, of_product, plain, plain_deep
from dout.trace.tracer.writes import ArrayWriter

_STEERED_BY_SIZE = "the program was steered by a size that depends on values"
_numbers = frozenset(PYTHON_NUMBERS)
_T = TypeVar("_T")

_ASKING = 2e-5  # seconds that it takes to ask NumPy for something small, from here


class Recording(RunRecord):
    """Turns operations on stand-ins into nodes, and lets values out only in ways that are known."""

    known: dict[int, TracedArray]
    roots: dict[int, list[TracedArray]]

    def __init__(self, *, rounds: int | None = None) -> None:
        super().__init__(rounds=rounds)
        self.writer = ArrayWriter(self)

    # --- nodes --------------------------------------------------------------------------------------------------------

    def emit(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Run a primitive on the real values and record it."""
        if not self.live:
            return primitive.apply([plain_deep(operand) for operand in operands], static)
        check_time()
        first, nodes, values = None, [], []
        for operand in operands:
            operand = of_product(operand)
            if type(operand) is np.ndarray:
                operand = self._bare(operand)
            elif isinstance(operand, Traced) and (operand._recorder is not self or operand.epoch != self.epoch):
                operand = self._of_another(operand)
            operand = as_operand(self, operand)
            first = operand if first is None else first
            nodes.append(self.node_of(operand))
            values.append(plain(operand))
        start = spent()
        try:
            value = primitive.apply(values, static)
        except Exception:
            self.fails()
            raise
        self.computing += max(0.0, spent() - start - _ASKING)
        node = self.record(primitive, tuple(nodes), static, value)
        if type(value) is not np.ndarray:
            return Traced(self, value, node) if not isinstance(value, np.generic) else TracedArray(self, value, node)
        if value.base is not None and isinstance(first, TracedArray) and owner_of(value) is owner_of(first.value):
            return TracedArray(self, value, node, first, (primitive, tuple(nodes[1:]), static))
        return TracedArray(self, value, node)

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
            return self.node_of(operand.traced if kind is DotResult else self.source(operand))
        if issubclass(kind, Enum) and issubclass(kind, int):
            return self.node_of(int(operand))
        raise self.refuse(UnsupportedError(f"a {kind.__name__} cannot be an operand of a traced operation"))

    def _bare(self, array: np.ndarray[Any, Any]) -> TracedArray:
        known = self.known.get(id(array))
        known = self._viewed(array) if known is None else known
        if known is None:
            # A script may bring arrays along as long as no layer is at work.
            if (self.rounds is None or self.stack) and not self.trusted and array.size:
                self.note("orphan", f"an array of shape {array.shape} came from outside the trace: an edge is lost")
            known = self.source(array)
        return known

    def _viewed(self, array: np.ndarray[Any, Any]) -> TracedArray | None:
        """What stands for a view that plain code has made of an array that is known: `self.W.T`; None of others."""
        for whole in self.roots.get(id(owner_of(array)), ()) if array.base is not None else ():
            if whole.epoch == self.epoch and (way := way_to(array, whole.value)) is not None:
                before, made = len(self.nodes), way(whole)
                for node in self.nodes[before:]:  # plain code may write into it, unseen
                    self.data[node] = same_layout(self.data[node])
                return made  # type: ignore[no-any-return]
        return None

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
        if is_strange(array):
            message = f"{described(array)} cannot be traced, at {there()}; {_instead(type(array))}"
            raise self.refuse(UnsupportedError(message))
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
        item = of_product(item)
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

    # --- ways out -----------------------------------------------------------------------------------------------------

    def escape(self, name: str, item: Traced, convert: Callable[[Any], _T]) -> _T:
        """A value turns into a plain number because C asks for one: harmless on its way into text, refused elsewhere.

        The user's own `float(...)` does not come here: it is recorded.
        """
        frame: Any = sys._getframe(2)
        while source.is_ours(frame.f_code.co_filename) and frame.f_back is not None:
            frame = frame.f_back
        if not self.live or goes_into_text(frame):
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

    def leak(self, item: Any, result: Any, frame: Any = None) -> Any:
        """As of any; in `x.dot(item)`, of a plain array, what makes the result a product that is traced."""
        if self.live and frame is not None and source.in_user_code(frame) and (name := source.dotted(frame)):
            other = eval(name, frame.f_globals, frame.f_locals)
            if type(other) is np.ndarray:
                made = np.ndarray.view(result, DotResult)
                vars(made)["traced"] = self.wrap(other).dot(item)
                return made
        return super().leak(item, result)

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
        if frame is None or goes_into_text(frame):
            return
        for array in arrays:
            if array not in self.sizes:
                whole = {"function": "size", "shape": (), "dtype": np.dtype(int)}
                self.sizes[array] = self.record(PRIMITIVES["places"], (array,), whole, self.data[array].size)
            self.steered[self.sizes[array]] = None
        self.note("index", f"{_STEERED_BY_SIZE}: {source.call_text(frame, 'a loop')}")

    def attribute(self, item: Traced, name: str) -> Any:
        """An attribute without a row: that of the plain value if nothing is recorded, else a refusal."""
        if not self.live:
            return getattr(item.value, name)
        raise self.refuse(UnsupportedError(f"{type(item.value).__name__}.{name} of a traced value"))

    def flags(self, item: TracedArray) -> Any:
        """The flags of an array; setting one is no part of a recording."""
        return item.value.flags

    def set_attribute(self, item: Traced, name: str, value: Any) -> None:
        """As `attribute`, to set one."""
        self.attribute(item, name)
        setattr(item.value, name, plain_deep(value))


def is_strange(item: Any) -> bool:
    """Whether an array is of a kind that no stand-in stands for: of text, of objects, masked."""
    return isinstance(item, np.ndarray) and (type(item) is not np.ndarray or item.dtype.kind not in "biufc")


def described(array: Any) -> str:
    """How a message calls such an array."""
    kind = type(array)
    return f"an array of dtype {array.dtype}" if kind is np.ndarray else f"a {kind.__qualname__}"


def _instead(kind: type) -> str:
    """Advice: what to pass in the place of an array that cannot be traced."""
    if issubclass(kind, np.ma.MaskedArray):
        return "keep the numbers in one plain array and the mask in another"
    return "give a plain array of numbers" if kind is np.ndarray else "give np.asarray of it"
