"""Rolled loops: ONNX's Loop, what it leaves, and the part of an array that belongs to a turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from dout.export.loops.loop_rows import LEFT, PART, WITH_PART
from dout.export.onnx_writer import OnnxWriter, Rule, data_type, open_shape
from dout.export.operators.array_operators import transposed
from dout.graph import Node, Primitive


def _left(writer: OnnxWriter, node: Node) -> ir.Value:
    (loop,) = node.inputs
    place: int = node.static["place"]
    if loop not in writer.loops:
        writer.loops[loop] = _loop(writer, loop)
    return writer.loops[loop][place]


def _loop(writer: OnnxWriter, loop: Node) -> Sequence[ir.Value]:
    """The Loop of a node, and all that it leaves."""
    body, count = loop.static["body"], loop.static["states"]
    turn, *inside = body.inputs.values()
    for node, outer in zip(inside[count:], loop.inputs[count:], strict=True):
        writer.define(node, writer.value(outer))
    given = [writer.value(node) for node in loop.inputs[:count]]
    inputs = [_input(writer, "turn", turn), _condition(writer)]
    writer.define(turn, inputs[0])
    for node in inside[:count]:
        inputs.append(_input(writer, writer.forward.names.get(node, "state"), node))
        writer.define(node, inputs[-1])
    graph = writer.body(inputs, body.nodes, body.outputs)
    turns = writer.whole(loop.static["turns"])
    first = writer.op("Loop", turns, writer.constant(True), *given, outputs=len(body.outputs), body=graph)
    producer = first.producer()
    assert producer is not None
    for made, node in zip(producer.outputs, body.outputs.values(), strict=True):
        made.dtype = data_type(np.dtype(node.dtype))
    return producer.outputs


def _input(writer: OnnxWriter, name: str, node: Node) -> ir.Value:
    kind = ir.TensorType(data_type(np.dtype(node.dtype)))
    return ir.Value(name=writer.names.unique(name), shape=open_shape(node), type=kind)


def _condition(writer: OnnxWriter) -> ir.Value:
    return ir.Value(name=writer.names.unique("going"), shape=ir.Shape([]), type=ir.TensorType(ir.DataType.BOOL))


def _places(writer: OnnxWriter, node: Node) -> ir.Value:
    """Where the part of a turn lies along its axis: a number, or as many as it is long."""
    start, step, length = (node.static[name] for name in ("start", "step", "length"))
    turn = writer.value(node.inputs[-1])
    made = turn if step == 1 else writer.op("Mul", turn, writer.whole(step))
    if length is None:
        return made if start == 0 else writer.op("Add", made, writer.whole(start))
    first = writer.op("Add", made, writer.whole(start)) if start != 0 or length == 1 else made
    return writer.op("Add", first, writer.constant(np.arange(length)))


def _part(writer: OnnxWriter, node: Node) -> ir.Value:
    return writer.op("Gather", writer.operand(node.inputs[0]), _places(writer, node), axis=node.static["axis"])


def _with_part(writer: OnnxWriter, node: Node) -> ir.Value:
    x, part, _ = node.inputs
    axis, axes = node.static["axis"], range(len(node.shape))
    order = [axis, *(a for a in axes if a != axis)]
    places = writer.op("Unsqueeze", _places(writer, node), writer.numbers([1]))
    data, given = (transposed(writer, writer.operand(i, node.dtype), order) for i in (x, part))
    return transposed(writer, writer.op("ScatterND", data, places, given), np.argsort(order))


LOOP_OPERATORS: dict[Primitive, Rule] = {LEFT: _left, PART: _part, WITH_PART: _with_part}
