"""Numbers of a recording that follow the size of the batch: found by comparing the same forward at several sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dout.errors import UnsupportedError
from dout.graph import CONSTANT, INPUT, Graph, Node, Where

POWERS = (1.0, -1.0, 0.5, -0.5)


class BatchInt(int):
    """A whole number that is `times` the size of the batch, and `plus`; its own value is that of the first recording.

    Nobody computes with it: the result would be a plain number, which holds at one size alone.

    >>> rows = BatchInt.of(5, 1, 0)
    >>> rows, rows.times, rows.plus, rows.after(2).text
    (5, 1, 0, 'batch+2')
    >>> rows + 1
    Traceback (most recent call last):
    dout.export.batch_numbers.FixedBatchError: a number is computed from it
    """

    times: int
    plus: int

    @classmethod
    def of(cls, value: int, times: int, plus: int) -> BatchInt:
        """The number that is `value` in the first recording."""
        made = cls(value)
        made.times, made.plus = times, plus
        return made

    @property
    def text(self) -> str:
        """The name of an axis of this length."""
        times = "batch" if self.times == 1 else f"{self.times}*batch"
        return f"{times}{self.plus:+}" if self.plus else times

    def after(self, more: int) -> BatchInt:
        """The number that is larger by so much, at every size."""
        return BatchInt.of(int.__add__(self, more), self.times, self.plus + more)

    def _refused(self, *_: Any) -> Any:
        raise FixedBatchError("a number is computed from it")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __rfloordiv__ = _refused
    __mod__ = __rmod__ = __neg__ = __int__ = __index__ = _refused
    __hash__ = int.__hash__


@dataclass(frozen=True)
class BatchNumber:
    """A plain number that is `scale` times a power of the size of the batch: 1 / N, √N, or N itself as a float."""

    scale: float
    power: float
    value: Any


@dataclass(frozen=True, eq=False)
class BatchRange:
    """An array that counts along its one axis: `start`, `start + step` …, of a length that follows the batch."""

    start: int
    step: int
    length: BatchInt
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class BatchFill:
    """An array whose shape follows the batch, with one number everywhere."""

    number: Any


class FixedBatchError(UnsupportedError):
    """Something depends on the size of the batch in a way that no formula here tells; `where` in the user's code."""

    def __init__(self, what: str, where: Where | None = None) -> None:
        super().__init__(what)
        self.where = where


class StepCountError(FixedBatchError):
    """The number of steps depends on the size of the batch: a loop over it was written turn by turn."""


def joined(
    graphs: Sequence[Graph], data: Sequence[Mapping[Node, Any]], sizes: Sequence[int]
) -> tuple[Graph, dict[Node, Any]]:
    """One graph that stands for the same forward at several sizes of the batch, and the values of its inputs.

    Lengths that follow the size are BatchInt in it. Raises FixedBatchError where the graphs differ in more.
    """
    columns = list(zip(*(graph.nodes for graph in graphs), strict=False))
    if len({len(graph.nodes) for graph in graphs}) > 1:
        other = next((c for c in columns if len({n.primitive for n in c}) > 1), columns[-1])
        raise StepCountError("the number of steps depends on the size of the batch", _line(graphs[0], other[0]))
    made: dict[Node, Node] = {}
    values: dict[Node, Any] = {}
    places = [{node: i for i, node in enumerate(graph.nodes)} for graph in graphs]
    for nodes in columns:
        first = nodes[0]
        wiring = {tuple(place[i] for i in node.inputs) for node, place in zip(nodes, places, strict=True)}
        if len({node.primitive for node in nodes}) > 1 or len(wiring) > 1:
            raise FixedBatchError("the steps depend on the size of the batch", _line(graphs[0], first))
        try:
            shape = _followed([node.shape for node in nodes], sizes)
            static = _followed([dict(node.static) for node in nodes], sizes, first.primitive is CONSTANT)
            if first.primitive is INPUT:
                values[first] = _followed([known.get(n) for known, n in zip(data, nodes, strict=True)], sizes)
        except _UnknownError:
            raise FixedBatchError(
                "a number depends on the size of the batch in no way that dout knows", _line(graphs[0], first)
            ) from None
        inputs = tuple(made[i] for i in first.inputs)
        made[first] = replace(first, inputs=inputs, shape=shape, static=static)
    named = {name: made[node] for name, node in graphs[0].inputs.items() if node in made}
    outputs = {name: made[node] for name, node in graphs[0].outputs.items()}
    return Graph(tuple(made.values()), named, outputs), {made[node]: value for node, value in values.items()}


def _line(graph: Graph, node: Node) -> Where | None:
    """Where a node was made; a number, which has no line, where it is read first."""
    readers = (other.where for other in graph.nodes if node in other.inputs)
    return node.where or next((where for where in readers if where is not None), None)


def at_size(graph: Graph, values: Mapping[Node, Any], rows: int) -> tuple[dict[Node, Node], dict[Node, Any]]:
    """The nodes of a joined graph, and the values of its inputs, as they are for so many rows.

    Raises FixedBatchError for what has no value there.
    """
    made = _nodes_at_size(graph, rows)
    known = {made[node]: _at_size(value, rows, made[node].shape) for node, value in values.items()}
    return made, known


def _nodes_at_size(graph: Graph, rows: int) -> dict[Node, Node]:
    made: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = tuple(made[i] for i in node.inputs)
        shape, static = (_at_size(part, rows) for part in (node.shape, dict(node.static)))
        made[node] = replace(node, inputs=inputs, shape=shape, static=static)
    return made


def length_at(length: int, rows: int) -> int:
    """A length where the batch has so many rows."""
    return length.times * rows + length.plus if isinstance(length, BatchInt) else length


def _at_size(item: Any, rows: int, shape: tuple[int, ...] | None = None) -> Any:
    """A number, or an array of this shape, or all that are in something, for so many rows."""
    if isinstance(item, BatchInt):
        return length_at(item, rows)
    if isinstance(item, BatchNumber):
        return type(item.value)(item.scale * float(rows) ** item.power)
    if isinstance(item, BatchRange | BatchFill):
        if shape is None or min(shape, default=0) < 0:
            raise FixedBatchError("an array depends on the size of the batch")
        if isinstance(item, BatchFill):
            return np.full(shape, item.number)
        count = np.arange(length_at(item.length, rows)) * item.step + item.start
        return count.astype(item.dtype).reshape(shape)
    if isinstance(item, Graph):
        made = _nodes_at_size(item, rows)
        inputs, outputs = ({name: made[node] for name, node in part.items()} for part in (item.inputs, item.outputs))
        return Graph(tuple(made.values()), inputs, outputs)
    if isinstance(item, slice):
        return slice(*(_at_size(part, rows) for part in (item.start, item.stop, item.step)))
    if type(item) in (tuple, list):
        return type(item)(_at_size(part, rows) for part in item)
    return {key: _at_size(part, rows) for key, part in item.items()} if type(item) is dict else item


class _UnknownError(Exception):
    """What several recordings have in one place follows the size in no known way."""


def _followed(found: Sequence[Any], sizes: Sequence[int], is_number: bool = False) -> Any:
    """What stands in one place in all recordings, with the numbers that follow the size of the batch."""
    first = found[0]
    if any(type(item) is not type(first) for item in found):
        raise _UnknownError
    if isinstance(first, Graph):  # the body of a loop
        return joined(found, [{}] * len(found), sizes)[0]
    if isinstance(first, dict):
        if any(item.keys() != first.keys() for item in found):
            raise _UnknownError
        return {key: _followed([item[key] for item in found], sizes, is_number) for key in first}
    if isinstance(first, slice):
        parts = zip(*((item.start, item.stop, item.step) for item in found), strict=True)
        return slice(*(_followed(part, sizes) for part in parts))
    if type(first) in (tuple, list):
        if len({len(item) for item in found}) > 1:
            raise _UnknownError
        return type(first)(_followed(part, sizes) for part in zip(*found, strict=True))
    if isinstance(first, np.ndarray) and first.shape:
        return _array(found, sizes)
    if all(item is first or _is_same(item, first) for item in found):
        return first
    if isinstance(first, int | float | np.number) and is_number:
        return _number(found, sizes)
    if type(first) is int:
        return _whole(found, sizes)
    raise _UnknownError


def _is_same(one: Any, other: Any) -> bool:
    same = one == other or (one != one and other != other)
    return bool(same) if isinstance(same, bool | np.bool_) else False


def _whole(found: Sequence[int], sizes: Sequence[int]) -> BatchInt:
    (one, other, *_), (a, b, *_) = found, sizes
    times, rest = divmod(other - one, b - a)
    plus = one - times * a
    if rest or any(times * n + plus != item for item, n in zip(found, sizes, strict=True)):
        raise _UnknownError
    return BatchInt.of(one, times, plus)


def _number(found: Sequence[Any], sizes: Sequence[int]) -> BatchNumber | BatchInt:
    if type(found[0]) is int:
        return _whole(found, sizes)
    for power in POWERS:
        scale = float(found[0]) / sizes[0] ** power
        if all(
            np.isclose(float(item), scale * n**power, rtol=1e-6, atol=0) for item, n in zip(found, sizes, strict=True)
        ):
            near = float(round(scale))
            return BatchNumber(near if np.isclose(near, scale, rtol=1e-12, atol=0) else scale, power, found[0])
    raise _UnknownError


def _array(found: Sequence[Any], sizes: Sequence[int]) -> Any:
    first = found[0]
    if any(item.dtype != first.dtype or item.ndim != first.ndim for item in found):
        raise _UnknownError
    if all(item.shape == first.shape for item in found):
        if any(item.tobytes() != first.tobytes() for item in found):
            raise _UnknownError
        return first
    if all(np.array_equal(item, np.full(item.shape, first.flat[0])) for item in found):
        return BatchFill(first.flat[0])
    shapes = [item.shape for item in found]
    (axis,) = [i for i, n in enumerate(first.shape) if n != 1][:1] or [0]
    length = _whole([len(item.ravel()) for item in found], sizes)
    if first.dtype.kind not in "iu" or any(shape[axis] != item.size for shape, item in zip(shapes, found, strict=True)):
        raise _UnknownError
    start, step = int(found[-1].flat[0]), int(found[-1].flat[1]) - int(found[-1].flat[0])
    if any(not np.array_equal(item.ravel(), start + step * np.arange(item.size)) for item in found):
        raise _UnknownError
    return BatchRange(start, step, length, first.dtype)
