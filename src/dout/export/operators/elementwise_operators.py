"""Element by element: what the operators of ONNX do otherwise than NumPy, for conditions, whole numbers and zeros."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from dout.export.onnx_writer import OnnxWriter, Rule
from dout.graph import DType, Node, Primitive
from dout.ops import PRIMITIVES, by_primitive, primitives

_POINTS = 48
_BOOL, _DOUBLE, _INT32, _INT64 = np.dtype(bool), np.dtype(float), np.dtype(np.int32), np.dtype(np.int64)
_TESTS = primitives("less less_equal greater greater_equal equal not_equal isnan isinf")
_LOGIC = primitives("logical_and logical_or logical_xor logical_not")
_OF_FLOATS = primitives("isnan isinf")
_WHOLE = primitives("floor ceil rint trunc")
_OF_CONDITIONS = by_primitive(  # arithmetic of conditions is logic, as NumPy does it
    {
        "add": "Or", "multiply": "And", "maximum": "Or", "minimum": "And", "bitwise_and": "And", "bitwise_or": "Or",
        "bitwise_xor": "Xor", "invert": "Not",
    }
)  # fmt: skip


def common(nodes: tuple[Node, ...]) -> DType:
    """The dtype in which NumPy compares values, where plain numbers follow the arrays."""
    return np.result_type(*(node.dtype(1) if isinstance(node.dtype, type) else node.dtype for node in nodes))


def wide(dtype: DType) -> np.dtype[Any]:
    """A dtype in which onnxruntime computes: whole numbers of less than 32 bits take 64."""
    found = np.dtype(dtype)
    return _INT64 if found.kind in "iu" and found not in (_INT64, _INT32) else found


def ordered(dtype: DType) -> np.dtype[Any]:
    """A dtype in which onnxruntime compares, in which the numbers have the same order."""
    return np.dtype(dtype) if np.dtype(dtype) == np.uint64 else wide(dtype)


def elementwise(writer: OnnxWriter, node: Node) -> ir.Value:
    """The operator that stands in the row, of operands of one dtype."""
    row = node.primitive
    assert row.onnx is not None
    if row in _LOGIC or (np.dtype(node.dtype) == _BOOL and row in _OF_CONDITIONS):
        kind = row.onnx if row in _LOGIC else _OF_CONDITIONS[row]
        return writer.op(kind, *(writer.operand(i, _BOOL) for i in node.inputs), dtype=_BOOL)
    if row in _TESTS:
        shared = common(node.inputs)
        if np.dtype(shared) == _BOOL and row is not PRIMITIVES["equal"]:
            shared = _INT64
        if row in _OF_FLOATS and np.dtype(shared).kind != "f":
            shared = _DOUBLE
        return writer.op(row.onnx, *(writer.operand(i, shared) for i in node.inputs), dtype=_BOOL)
    if row is PRIMITIVES["reciprocal"] and np.dtype(node.dtype).kind != "f":
        raise writer.refused(node, "the reciprocal of a whole number", "write 1 / x")
    if row is PRIMITIVES["matmul"] and np.dtype(node.dtype) == _BOOL:
        return writer.op(row.onnx, *(writer.cast(writer.operand(i, _BOOL), _INT32) for i in node.inputs))
    if (row in _WHOLE and np.dtype(node.dtype).kind in "biu") or (
        row is PRIMITIVES["absolute"] and np.dtype(node.dtype) == _BOOL
    ):
        return writer.operand(node.inputs[0], node.dtype)
    dtype = node.dtype if np.dtype(node.dtype) == np.uint64 else wide(node.dtype)
    return writer.op(row.onnx, *(writer.operand(i, dtype) for i in node.inputs), dtype=dtype)


def _not_equal(writer: OnnxWriter, node: Node) -> ir.Value:
    shared = common(node.inputs)
    return writer.op("Not", writer.op("Equal", *(writer.operand(i, shared) for i in node.inputs), dtype=_BOOL))


def _where(writer: OnnxWriter, node: Node) -> ir.Value:
    condition, *sides = node.inputs
    if np.dtype(node.dtype) == _BOOL:  # for which onnxruntime has no kernel
        chosen, (one, other) = writer.operand(condition, _BOOL), (writer.operand(i, _BOOL) for i in sides)
        return writer.op("Or", writer.op("And", chosen, one), writer.op("And", writer.op("Not", chosen), other))
    kept = [writer.operand(i, wide(node.dtype)) for i in sides]
    return writer.op("Where", writer.operand(condition, _BOOL), *kept, dtype=wide(node.dtype))


def _same(writer: OnnxWriter, node: Node) -> ir.Value:
    made = writer.operand(node.inputs[0], node.dtype)
    return made if node.inputs[0].shape == node.shape else writer.reshape(made, node.shape)


def _mod(writer: OnnxWriter, node: Node) -> ir.Value:
    dtype = wide(node.dtype)
    x, y = (writer.operand(i, dtype) for i in node.inputs)
    zero = writer.constant(0, dtype)
    if dtype.kind != "f":
        none = writer.op("Equal", y, zero, dtype=_BOOL)
        rest = writer.op("Mod", x, writer.op("Where", none, writer.constant(1, dtype), y, dtype=dtype))
        return writer.op("Where", none, zero, rest, dtype=dtype)
    rest = writer.op("Mod", x, y, fmod=1)
    signs = [writer.op("Less", side, zero, dtype=_BOOL) for side in (rest, y)]
    is_zero = writer.op("Equal", rest, zero, dtype=_BOOL)
    other = writer.op("And", writer.op("Not", is_zero), writer.op("Xor", *signs))
    moved = writer.op("Where", other, writer.op("Add", rest, y), rest, dtype=dtype)
    signed = writer.op("Mul", writer.op("Abs", rest), writer.op("Sign", y))  # a zero has the sign of y
    return writer.op("Where", is_zero, signed, moved, dtype=dtype)


def _whole_quotient(writer: OnnxWriter, node: Node) -> ir.Value:
    """The quotient rounded down; of whole numbers 0 where NumPy warns of a division by zero."""
    dtype = wide(node.dtype)
    x, y = (writer.operand(i, dtype) for i in node.inputs)
    zero, one = (writer.constant(n, dtype) for n in (0, 1))
    none = writer.op("Equal", y, zero, dtype=_BOOL)
    if dtype.kind != "f":
        under = writer.op("Where", none, one, y, dtype=dtype)
        quotient = writer.op("Div", writer.op("Sub", x, writer.op("Mod", x, under)), under)
        return writer.op("Where", none, zero, quotient, dtype=dtype)
    rest = writer.op("Mod", x, y, fmod=1)
    near = writer.op("Div", writer.op("Sub", x, rest), y)
    signs = [writer.op("Less", side, zero, dtype=_BOOL) for side in (rest, y)]
    other = writer.op("And", writer.op("Not", writer.op("Equal", rest, zero, dtype=_BOOL)), writer.op("Xor", *signs))
    near = writer.op("Where", other, writer.op("Sub", near, one), near, dtype=dtype)
    return writer.op("Where", none, writer.op("Div", x, y), writer.op("Round", near), dtype=dtype)


def _erf(writer: OnnxWriter, node: Node) -> ir.Value:
    """The error function; of doubles, for which onnxruntime has none, as the integral that it is.

    Gauss's quadrature with these points has all digits up to 6, where the function has become 1.
    """
    x = writer.operand(node.inputs[0], node.dtype)
    if np.dtype(node.dtype) != _DOUBLE:
        return writer.op("Erf", x, dtype=node.dtype)
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    places, shares = (points + 1) / 2, weights / math.sqrt(math.pi)
    x = writer.op("Max", writer.op("Min", x, writer.constant(6.0)), writer.constant(-6.0))
    along = writer.op("Mul", writer.op("Unsqueeze", x, writer.numbers([-1])), writer.constant(places))
    bells = writer.op("Exp", writer.op("Neg", writer.op("Mul", along, along)))
    return writer.op("Mul", x, writer.op("MatMul", bells, writer.constant(shares)))


ELEMENTWISE_OPERATORS: dict[Primitive, Rule] = {
    **{row: elementwise for row in PRIMITIVES.values() if row.onnx},
    **by_primitive(
        {
            "not_equal": _not_equal, "where": _where, "mod": _mod, "floor_divide": _whole_quotient,
            "special_erf": _erf,
            **dict.fromkeys(("positive", "copy", "asarray", "astype", "item", "float"), _same),
        }
    ),
}  # fmt: skip
