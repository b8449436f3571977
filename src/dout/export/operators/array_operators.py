"""Shapes, joining and reductions: what moves or adds up elements without an index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from dout.export.onnx_writer import OnnxWriter, Rule
from dout.export.operators.elementwise_operators import ordered, wide
from dout.graph import Node, Primitive, Shape
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.reduce import axes_of
from dout.rewrite.node_facts import FILLED

_BOOL, _INT32, _INT64 = np.dtype(bool), np.dtype(np.int32), np.dtype(np.int64)

# --- shapes -----------------------------------------------------------------------------------------------------------


def transposed(writer: OnnxWriter, x: ir.Value, axes: Any) -> ir.Value:
    """A value with its axes in another order; itself where they are in that."""
    axes, before = [int(axis) for axis in axes], x.producer()
    if before is not None and before.op_type == "Transpose":  # two in a row are one
        order = before.attributes["perm"].as_ints()
        axes, first = [order[axis] for axis in axes], before.inputs[0]
        assert first is not None
        x = first
    return x if axes == sorted(axes) else writer.op("Transpose", x, perm=axes)


def reshaped(writer: OnnxWriter, x: ir.Value, before: Shape, after: Shape) -> ir.Value:
    """A value in another shape; axes of length one are given and taken by name."""
    return x if before == after else writer.reshape(x, after)


def broadcast(writer: OnnxWriter, x: ir.Value, before: Shape, after: Shape) -> ir.Value:
    """A value repeated along axes of length one; those in front that are too many go."""
    if len(before) > len(after):
        x, before = writer.reshape(x, before[len(before) - len(after) :]), before[len(before) - len(after) :]
    if 0 in after and 0 not in before:
        assert x.dtype is not None
        return filled(writer, 0, after, x.dtype.numpy())
    return x if before == after else writer.op("Expand", x, writer.numbers(after))


def backwards(n: int) -> tuple[int, ...]:
    """The axes in reverse."""
    return tuple(range(n))[::-1]


def _reshape(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,), order = node.inputs, node.static.get("order", "C")
    value, before = writer.operand(x), x.shape
    if order == "C":
        return reshaped(writer, value, before, node.shape)
    if order != "F":  # an order of the axes, of what becomes one axis
        return writer.reshape(transposed(writer, value, order), node.shape)
    value = transposed(writer, value, backwards(len(before)))
    value = reshaped(writer, value, before[::-1], node.shape[::-1])
    return transposed(writer, value, backwards(len(node.shape)))


def _transpose(writer: OnnxWriter, node: Node) -> ir.Value:
    return transposed(writer, writer.operand(node.inputs[0]), node.static["axes"])


def _broadcast_to(writer: OnnxWriter, node: Node) -> ir.Value:
    return broadcast(writer, writer.operand(node.inputs[0], node.dtype), node.inputs[0].shape, node.shape)


def filled(writer: OnnxWriter, number: Any, shape: Shape, dtype: Any) -> ir.Value:
    """An array that has one number everywhere."""
    if not shape:
        return writer.constant(number, dtype)
    value = ir.tensor(np.asarray([number], np.dtype(dtype)))
    return writer.op("ConstantOfShape", writer.numbers(shape), dtype=dtype, value=value)


def _filled(writer: OnnxWriter, node: Node) -> ir.Value:
    return filled(writer, FILLED[node.primitive], node.shape, node.dtype)


def _array(writer: OnnxWriter, node: Node) -> ir.Value:
    front = writer.numbers([0])
    parts = [writer.op("Unsqueeze", writer.operand(i, node.dtype), front) for i in node.inputs]
    return writer.op("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]


def _concatenate(writer: OnnxWriter, node: Node) -> ir.Value:
    return writer.op("Concat", *(writer.operand(i, node.dtype) for i in node.inputs), axis=int(node.static["axis"]))


def _tile(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,), reps = node.inputs, tuple(max(n, 0) for n in node.static["reps"])
    n = max(len(x.shape), len(reps))
    wide = (1,) * (n - len(x.shape)) + x.shape
    return writer.op(
        "Tile", reshaped(writer, writer.operand(x), x.shape, wide), writer.numbers((1,) * (n - len(reps)) + reps)
    )


def padded(writer: OnnxWriter, x: ir.Value, width: Any, value: Any = 0, dtype: Any = None) -> ir.Value:
    """A value with a border."""
    pads = [before for before, _ in width] + [after for _, after in width]
    return writer.op(
        "Pad", x, writer.numbers(pads), writer.constant(np.asarray(value).astype(dtype), dtype), mode="constant"
    )


def _pad(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,) = node.inputs
    if not x.shape:
        return writer.operand(x)
    if np.dtype(node.dtype) == _BOOL:
        return writer.cast(
            padded(writer, writer.operand(x, _INT64), node.static["width"], node.static.get("value", 0), _INT64), _BOOL
        )
    return padded(writer, writer.operand(x), node.static["width"], node.static.get("value", 0), node.dtype)


def _triangle(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,) = node.inputs
    value = broadcast(writer, writer.operand(x), x.shape, node.shape)
    upper = node.primitive is PRIMITIVES["triu"]
    return writer.op("Trilu", value, writer.constant(int(node.static.get("k", 0)), _INT64), upper=int(upper))


# --- reductions -------------------------------------------------------------------------------------------------------

_REDUCING = {"sum": "ReduceSum", "mean": "ReduceMean", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}
_NOTHING = {"sum": 0, "prod": 1, "max": -math.inf, "min": math.inf}


def _reduced(name: str) -> Rule:
    kind = _REDUCING[name]

    def rule(writer: OnnxWriter, node: Node) -> ir.Value:
        x, *where = node.inputs
        dtype = ordered(node.dtype) if name in ("max", "min") else wide(node.dtype)
        dtype = dtype if dtype != _BOOL else _INT32
        value, shape = writer.operand(x, dtype), x.shape
        if where:
            shape = np.broadcast_shapes(x.shape, where[0].shape)
            if name == "mean":
                return _masked_mean(writer, node, value, shape)
            neutral = writer.constant(_neutral(name, np.dtype(dtype)), dtype)
            value = writer.op("Where", writer.operand(where[0], _BOOL), value, neutral, dtype=dtype)
        if 0 in (shape[axis] for axis in axes_of(node.static.get("axis"), len(shape))):
            made = filled(writer, math.nan if name == "mean" else _neutral(name, np.dtype(dtype)), node.shape, dtype)
        else:
            made = along(writer, kind, value, node, shape)
        initial = node.static.get("initial")
        if initial is not None:
            join = {"sum": "Add", "prod": "Mul", "max": "Max", "min": "Min"}[name]
            made = writer.op(join, made, writer.constant(initial, dtype))
        return made

    return rule


def _neutral(name: str, dtype: Any) -> Any:
    """What leaves a sum, a product or an extreme as it is."""
    if dtype.kind in "iu" and name in ("max", "min"):
        return np.iinfo(dtype).min if name == "max" else np.iinfo(dtype).max
    return _NOTHING[name]


def _masked_mean(writer: OnnxWriter, node: Node, value: ir.Value, shape: Shape) -> ir.Value:
    mask = writer.operand(node.inputs[1], node.dtype)
    kept = writer.op(
        "Where", writer.operand(node.inputs[1], _BOOL), value, writer.constant(0, node.dtype), dtype=node.dtype
    )
    wide = broadcast(writer, mask, node.inputs[1].shape, shape)
    return writer.op(
        "Div", along(writer, "ReduceSum", kept, node, shape), along(writer, "ReduceSum", wide, node, shape)
    )


def along(writer: OnnxWriter, kind: str, value: ir.Value, node: Node, shape: Shape) -> ir.Value:
    """A reduction along the axes of a node."""
    axis, keep = node.static.get("axis"), int(node.static.get("keepdims", False))
    axes = axes_of(axis, len(shape))
    if not axes:
        return value
    return writer.op(kind, value, None if axis is None else writer.numbers(axes), keepdims=keep)


def _tested(kind: str) -> Rule:
    def rule(writer: OnnxWriter, node: Node) -> ir.Value:
        x, *where = node.inputs
        value = writer.cast(writer.operand(x, _BOOL), _INT32)
        if where:
            neutral = writer.constant(int(kind == "ReduceMin"), _INT32)
            value = writer.op("Where", writer.operand(where[0], _BOOL), value, neutral, dtype=_INT32)
        if 0 in (x.shape[axis] for axis in axes_of(node.static.get("axis"), len(x.shape))):
            return filled(writer, int(kind == "ReduceMin"), node.shape, _INT32)
        return along(writer, kind, value, node, x.shape)

    return rule


def _place(kind: str) -> Rule:
    def rule(writer: OnnxWriter, node: Node) -> ir.Value:
        (x,) = node.inputs
        dtype = ordered(x.dtype) if np.dtype(x.dtype) != _BOOL else _INT32
        value, axis = writer.operand(x, dtype), node.static["axis"]
        if axis is None or not x.shape:
            flat = writer.op("Reshape", value, writer.constant(np.array([-1])))
            return writer.reshape(writer.op(kind, flat, dtype=_INT64, axis=0, keepdims=0), node.shape)
        keep = int(node.static.get("keepdims", False))
        return writer.op(kind, value, dtype=_INT64, axis=int(axis), keepdims=keep)

    return rule


def _argsort(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,), axis = node.inputs, node.static["axis"]
    value = writer.operand(x, ordered(x.dtype) if np.dtype(x.dtype) != _BOOL else _INT32)
    if axis is None or not x.shape:
        value, axis = writer.op("Reshape", value, writer.constant(np.array([-1]))), 0
    length = writer.numbers([node.shape[axis]])
    writer.op("TopK", value, length, outputs=2, dtype=_INT64, axis=int(axis), largest=0, sorted=1)
    return writer.nodes[-1].outputs[1]


def _cumsum(writer: OnnxWriter, node: Node) -> ir.Value:
    (x,), axis = node.inputs, node.static["axis"]
    value = writer.operand(x, wide(node.dtype))
    if axis is None:
        value = reshaped(writer, value, x.shape, node.shape)
    return writer.op("CumSum", value, writer.constant(int(axis or 0), _INT64))


def _softmax(kind: str) -> Rule:
    def rule(writer: OnnxWriter, node: Node) -> ir.Value:
        (x,), axes = node.inputs, axes_of(node.static.get("axis"), len(node.shape))
        value = writer.operand(x, node.dtype)
        if len(axes) == 1:
            return writer.op(kind, value, axis=axes[0])
        order = [*(a for a in range(len(x.shape)) if a not in axes), *axes]
        rest = tuple(x.shape[a] for a in order[: -len(axes) or None]) if axes else x.shape
        flat = writer.op("Reshape", transposed(writer, value, order), writer.numbers((*rest, -1)))
        moved = writer.reshape(writer.op(kind, flat, axis=-1), tuple(x.shape[a] for a in order))
        return transposed(writer, moved, np.argsort(order))

    return rule


ARRAY_OPERATORS: dict[Primitive, Rule] = by_primitive(
    {
        "reshape": _reshape, "ravel": _reshape, "flatten": _reshape, "transpose": _transpose,
        "broadcast_to": _broadcast_to, "full": _broadcast_to, "zeros": _filled, "ones": _filled, "empty": _filled,
        "array": _array, "concatenate": _concatenate, "tile": _tile, "pad": _pad, "tril": _triangle, "triu": _triangle,
        **{name: _reduced(name) for name in _REDUCING},
        "any": _tested("ReduceMax"), "all": _tested("ReduceMin"),
        "argmax": _place("ArgMax"), "argmin": _place("ArgMin"), "argsort": _argsort, "cumsum": _cumsum,
        "special_softmax": _softmax("Softmax"), "special_log_softmax": _softmax("LogSoftmax"),
    }
)  # fmt: skip
