"""Indices: what is read at places, and what is written or added at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from dout.export.batch_numbers import BatchInt, FixedBatchError
from dout.export.onnx_writer import OnnxWriter, Rule
from dout.export.operators.array_operators import broadcast, filled, padded, reshaped, transposed
from dout.graph import Node, Primitive, Shape
from dout.ops import by_primitive
from dout.ops.operators import Slot

_INT64, _BOOL = np.dtype(np.int64), np.dtype(bool)
_ALL, _END = slice(None), np.iinfo(np.int64).max


@dataclass(frozen=True)
class IndexKey:
    """A key, taken apart: `parts` says for each axis of the array what is chosen along it, a slice, a number or a Slot.

    `layout` has the axes of what is chosen, in order: an axis of the array, "index" for all those of index arrays
    together, None for a new axis of length one.
    """

    parts: tuple[Any, ...]
    layout: tuple[Any, ...]

    @classmethod
    def of(cls, key: Any, shape: Shape) -> IndexKey | None:
        """The parts of a key of an array; None where a condition alone is one, which chooses by its value."""
        keys, ndim = key if isinstance(key, tuple) else (key,), len(shape)
        if any(isinstance(part, bool | np.bool_) for part in keys):
            return None
        used = sum(part is not None and part is not Ellipsis for part in keys)
        at = next((i for i, part in enumerate(keys) if part is Ellipsis), len(keys))
        keys = (*keys[:at], *(_ALL,) * (ndim - used), *keys[at + 1 :])
        arrays = any(isinstance(part, Slot) for part in keys)
        chosen = [i for i, part in enumerate(keys) if part is not None and not isinstance(part, slice)]
        together = chosen == list(range(chosen[0], chosen[-1] + 1)) if chosen else True
        layout: list[Any] = [] if together or not arrays else ["index"]
        axis = 0
        for i, part in enumerate(keys):
            if part is None:
                layout.append(None)
            elif isinstance(part, slice):
                layout.append(axis)
            elif arrays and together and i == chosen[0]:
                layout.append("index")
            axis += part is not None
        parts = (part for part in keys if part is not None)
        return cls(tuple(_ALL if _is_whole(p, n) else p for p, n in zip(parts, shape, strict=True)), tuple(layout))

    @property
    def arrays(self) -> list[int]:
        """The axes along which index arrays, and numbers beside them, choose."""
        found = [axis for axis, part in enumerate(self.parts) if not isinstance(part, slice)]
        return found if any(isinstance(self.parts[axis], Slot) for axis in found) else []


def _is_whole(part: Any, n: int) -> bool:
    """Whether a part of a key chooses all along an axis, at every size of the batch."""
    if not isinstance(part, slice) or part.step not in (None, 1) or part.start not in (None, 0):
        return False
    if isinstance(part.stop, BatchInt) and isinstance(n, BatchInt):
        return part.stop.text == n.text
    return part.stop is None or (part.stop >= n and not isinstance(part.stop, BatchInt) and not isinstance(n, BatchInt))


def _key(writer: OnnxWriter, node: Node, shape: Shape, index: Sequence[Node]) -> IndexKey:
    """The key of a step into an array of this shape. Raises UnsupportedError where it chooses by values."""
    key = IndexKey.of(node.static["key"], shape)
    if key is None or any(np.dtype(i.dtype) == _BOOL for i in index):
        raise writer.refused(node, "elements that a condition selects", "write np.where(condition, x, 0)")
    return key


# --- reading ----------------------------------------------------------------------------------------------------------


def _getitem(writer: OnnxWriter, node: Node) -> ir.Value:
    x, *index = node.inputs
    key = _key(writer, node, x.shape, index)
    value, arrays = writer.operand(x), key.arrays
    numbers = [a for a, part in enumerate(key.parts) if not isinstance(part, slice) and a not in arrays]
    value = _sliced(writer, value, key, numbers)
    if len(arrays) == 1:
        at = arrays[0]
        value = writer.op("Gather", value, writer.operand(index[key.parts[at]], _INT64), axis=at)
    elif arrays:
        parts = (key.parts[axis] for axis in arrays)
        value = _at_several(writer, value, key, [index[p] if isinstance(p, Slot) else int(p) for p in parts])
    new = _new_axes(node, key, index)
    return writer.op("Unsqueeze", value, writer.numbers(new)) if new else value


def _sliced(writer: OnnxWriter, value: ir.Value, key: IndexKey, numbers: Sequence[int]) -> ir.Value:
    """What slices and plain numbers choose."""
    slices = [a for a, part in enumerate(key.parts) if isinstance(part, slice) and part != _ALL]
    if len(numbers) == 1 and not slices:
        return writer.op("Gather", value, writer.whole(key.parts[numbers[0]]), axis=numbers[0])
    axes = sorted([*slices, *numbers])
    if not axes:
        return value
    bounds = [_bounds(key.parts[a]) for a in axes]
    starts, ends, steps = (writer.numbers(each) for each in zip(*bounds, strict=True))
    more = [] if all(step == 1 for _, _, step in bounds) else [steps]
    value = writer.op("Slice", value, starts, ends, writer.numbers(axes), *more)
    return writer.op("Squeeze", value, writer.numbers(numbers)) if numbers else value


def _bounds(part: Any) -> tuple[int, int, int]:
    """Start, end and step of a slice, or of the one place of a number."""
    if isinstance(part, BatchInt):
        return part, part.after(1), 1
    if not isinstance(part, slice):
        return int(part), (int(part) + 1) or _END, 1
    step = 1 if part.step is None else part.step
    first, last = (0, _END) if step > 0 else (_END, -_END)
    return first if part.start is None else part.start, last if part.stop is None else part.stop, step


def _at_several(writer: OnnxWriter, value: ir.Value, key: IndexKey, chosen: Sequence[Node | int]) -> ir.Value:
    """What index arrays along several axes choose."""
    arrays = key.arrays
    shape = np.broadcast_shapes(*(i.shape for i in chosen if isinstance(i, Node)))
    shape = _with_batch(shape, [i.shape for i in chosen if isinstance(i, Node)])
    rest = [axis for axis in range(len(key.parts)) if axis not in arrays]
    found = writer.op("GatherND", transposed(writer, value, [*arrays, *rest]), stacked(writer, chosen, shape))
    order: list[int] = []
    places = {axis: len(shape) + i for i, axis in enumerate(rest)}
    for part in key.layout:
        order += range(len(shape)) if part == "index" else [] if part is None else [places[part]]
    return transposed(writer, found, order)


def _with_batch(shape: Shape, shapes: Sequence[Shape]) -> Shape:
    """A broadcast shape with the lengths that follow the batch, which broadcasting makes plain numbers of."""
    known: dict[int, int] = {n: n for one in shapes for n in one if isinstance(n, BatchInt)}
    return tuple(known.get(n, n) for n in shape)


def stacked(writer: OnnxWriter, chosen: Sequence[Node | int | np.ndarray], shape: Shape) -> ir.Value:
    """Index arrays side by side, along a last axis; plain ones together, before anything runs."""
    if not any(isinstance(i, Node) for i in chosen) and not any(isinstance(n, BatchInt) for n in shape):
        return writer.constant(np.stack([np.broadcast_to(np.asarray(i, np.int64), shape) for i in chosen], axis=-1))
    last = writer.numbers([-1])
    parts = []
    for i in chosen:
        value = writer.operand(i, _INT64) if isinstance(i, Node) else writer.constant(np.asarray(i, np.int64))
        known = i.shape if isinstance(i, Node) else np.shape(i)
        parts.append(writer.op("Unsqueeze", broadcast(writer, value, known, shape), last))
    return writer.op("Concat", *parts, axis=-1)


def _new_axes(node: Node, key: IndexKey, index: Sequence[Node]) -> list[int]:
    """The places of the new axes of length one."""
    deep = len(node.shape) - (len(key.layout) - ("index" in key.layout))
    places, at = [], 0
    for part in key.layout:
        if part is None:
            places.append(at)
        at += deep if part == "index" else 1
    return places


# --- writing ----------------------------------------------------------------------------------------------------------


def _written(
    writer: OnnxWriter, node: Node, x: ir.Value, value: Node, index: Sequence[Node], selected: Shape, reduction: str
) -> ir.Value:
    """`x` with `value` at the places of the node's key, in the place of what was there or added to it."""
    shape = node.shape
    key = _key(writer, node, shape, index)
    touched = [axis for axis, part in enumerate(key.parts) if part != _ALL or isinstance(part, Slot)]
    given = writer.operand(value, node.dtype)
    given = reshaped(writer, given, value.shape, value.shape[max(len(value.shape) - len(selected), 0) :])
    given = broadcast(writer, given, value.shape[-len(selected) :] if selected else (), selected)
    if not touched:
        return writer.op("Add", x, given) if reduction == "add" else given
    if any(isinstance(shape[axis], BatchInt) and not isinstance(key.parts[axis], Slot) for axis in touched):
        raise FixedBatchError("what is written depends on it", node.where)
    arrays = key.arrays
    slices = [axis for axis in touched if isinstance(key.parts[axis], slice)]
    shapes = [index[key.parts[a]].shape for a in arrays if isinstance(key.parts[a], Slot)]
    block = _with_batch(np.broadcast_shapes(*shapes), shapes)
    rest = [axis for axis in range(len(shape)) if axis not in touched]
    lines = {axis: np.arange(shape[axis])[key.parts[axis]] for axis in slices}
    chosen: list[Any] = []
    for axis in touched:
        part = key.parts[axis]
        if isinstance(part, slice):
            ones = [1] * (len(block) + len(slices))
            ones[len(block) + slices.index(axis)] = -1
            chosen.append(lines[axis].reshape(ones))
        elif isinstance(part, Slot):
            chosen.append(_with_ones(writer, index[part], len(slices)))
        else:
            chosen.append(int(part) % int(shape[axis]))
    whole = (*block, *(len(lines[axis]) for axis in slices))
    given = _in_order(writer, given, selected, key, len(block), [*slices, *rest])
    order = [*touched, *rest]
    data = transposed(writer, x, order)
    places = stacked(writer, chosen, whole)
    made = writer.op("ScatterND", data, places, given, dtype=node.dtype, reduction=reduction)
    return transposed(writer, made, np.argsort(order))


def _with_ones(writer: OnnxWriter, index: Node, more: int) -> Node:
    """An index array with axes of length one behind its own, which `writer` knows from now on."""
    if not more:
        return index
    shape = (*index.shape, *(1,) * more)
    wide = Node(index.primitive, (), {}, shape, _INT64)
    writer.define(wide, reshaped(writer, writer.operand(index, _INT64), index.shape, shape))
    return wide


def _in_order(
    writer: OnnxWriter, given: ir.Value, selected: Shape, key: IndexKey, deep: int, axes: Sequence[int]
) -> ir.Value:
    """The written values with the axes of index arrays first, then those of these axes of the array."""
    places: dict[Any, list[int]] = {}
    at, kept = 0, 0
    dropped: list[int] = []
    for part in key.layout:
        length = deep if part == "index" else 1
        if part is None:
            dropped.append(at)
        else:
            places[part] = list(range(kept, kept + length))
            kept += length
        at += length
    if dropped:
        shape = tuple(n for i, n in enumerate(selected) if i not in dropped)
        given = reshaped(writer, given, selected, shape)
    order = [*places.get("index", []), *(places[axis][0] for axis in axes)]
    return transposed(writer, given, order)


def _setitem(writer: OnnxWriter, node: Node) -> ir.Value:
    x, value, *index = node.inputs
    return _written(writer, node, writer.operand(x), value, index, node.static["selected"], "none")


def _add_at(writer: OnnxWriter, node: Node) -> ir.Value:
    x, value, *index = node.inputs
    return _written(writer, node, writer.operand(x), value, index, node.static["selected"], "add")


def _scatter(writer: OnnxWriter, node: Node) -> ir.Value:
    value, *index = node.inputs
    shape, key = node.shape, IndexKey.of(node.static["key"], node.shape)
    if key is not None and not index and all(not isinstance(p, slice) or p.step in (None, 1) for p in key.parts):
        return _bordered(writer, node, value, key)
    zeros = filled(writer, 0, shape, node.dtype)
    return _written(writer, node, zeros, value, index, value.shape, "add")


def _bordered(writer: OnnxWriter, node: Node, value: Node, key: IndexKey) -> ir.Value:
    """What was chosen by slices and numbers, with zeros around it."""
    spans = []
    for part, n in zip(key.parts, node.shape, strict=True):
        if part == _ALL:
            spans.append((0, 0))
            continue
        if isinstance(n, BatchInt):
            raise FixedBatchError("a part of it is written", node.where)
        start, stop, _ = part.indices(n) if isinstance(part, slice) else (part % n, part % n + 1, 1)
        spans.append((start, n - max(stop, start)))
    inner = tuple(n if s == (0, 0) else int(n) - sum(s) for s, n in zip(spans, node.shape, strict=True))
    whole = reshaped(writer, writer.operand(value, node.dtype), value.shape, inner)
    return padded(writer, whole, spans, 0, node.dtype) if any(map(any, spans)) else whole


# --- windows and diagonals --------------------------------------------------------------------------------------------


def _check_windows(writer: OnnxWriter, node: Node, lengths: Sequence[int]) -> None:
    if any(isinstance(n, BatchInt) for n in lengths):
        raise FixedBatchError("windows lie along it", node.where)
    if len(set(node.static["axes"])) < len(lengths):
        raise writer.refused(node, "windows twice along one axis")


def _windows(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,), axes, window = node.inputs, node.static["axes"], node.static["window"]
    steps = node.static.get("steps") or (1,) * len(axes)
    _check_windows(writer, node, [x.shape[axis] for axis in axes])
    value = writer.operand(x)
    for axis, length, step in sorted(zip(axes, window, steps, strict=True), reverse=True):
        places = np.arange(0, int(x.shape[axis]) - length + 1, step)[:, None] + np.arange(length)
        value = writer.op("Gather", value, writer.constant(places), axis=axis)
    own, inside, at = [], {}, 0
    for axis in range(len(x.shape)):
        own.append(at)
        at += 1
        if axis in axes:
            inside[axis] = at
            at += 1
    return transposed(writer, value, [*own, *(inside[axis] for axis in axes)])


def _fold(writer: OnnxWriter, node: Node) -> ir.Value:
    """Axis by axis: the places of all windows are added to zeros."""
    (x,), axes, window = node.inputs, node.static["axes"], node.static["window"]
    value, shape = writer.operand(x, node.dtype), list(x.shape)
    _check_windows(writer, node, [node.shape[axis] for axis in axes])
    for axis, length, step in reversed(list(zip(axes, window, node.static["steps"], strict=True))):
        rest = [a for a in range(len(shape) - 1) if a != axis]
        value = transposed(writer, value, [axis, len(shape) - 1, *rest])
        places = step * np.arange(int(shape[axis]))[:, None] + np.arange(length)
        whole = (node.shape[axis], *(shape[a] for a in rest))
        zeros = filled(writer, 0, whole, node.dtype)
        value = writer.op("ScatterND", zeros, writer.constant(places[..., None]), value, reduction="add")
        shape = [*shape[:axis], node.shape[axis], *shape[axis + 1 : -1]]
        value = transposed(writer, value, np.argsort([axis, *rest]))
    return value


def _diagonal(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,), (one, two) = node.inputs, (node.static["axis1"], node.static["axis2"])
    rows, columns, offset = x.shape[one], x.shape[two], node.static["offset"]
    if isinstance(rows, BatchInt) or isinstance(columns, BatchInt):
        raise FixedBatchError("a diagonal lies along it", node.where)
    rest = [axis for axis in range(len(x.shape)) if axis not in (one, two)]
    count = int(node.shape[-1])
    places = np.stack([np.arange(count) + max(-offset, 0), np.arange(count) + max(offset, 0)], axis=-1)
    found = writer.op("GatherND", transposed(writer, writer.operand(x), [one, two, *rest]), writer.constant(places))
    return transposed(writer, found, [*range(1, len(rest) + 1), 0])


# --- products ---------------------------------------------------------------------------------------------------------


def _einsum(writer: OnnxWriter, node: Node) -> ir.Value:
    formula = node.static["subscripts"]
    terms = formula.partition("->")[0].split(",")
    lengths: dict[str, int] = {}
    for term, i in zip(terms, node.inputs, strict=True):
        lengths |= {letter: n for letter, n in zip(term, i.shape, strict=True) if n != 1 or letter not in lengths}
    operands = []
    for term, i in zip(terms, node.inputs, strict=True):
        wide = tuple(lengths[letter] for letter in term)  # NumPy repeats axes of length one
        operands.append(broadcast(writer, writer.operand(i, node.dtype), i.shape, wide))
    return writer.op("Einsum", *operands, equation=formula)


INDEX_OPERATORS: dict[Primitive, Rule] = by_primitive(
    {
        "getitem": _getitem, "setitem": _setitem, "add_at": _add_at, "scatter": _scatter, "windows": _windows,
        "fold": _fold, "diagonal": _diagonal, "einsum": _einsum,
    }
)  # fmt: skip
