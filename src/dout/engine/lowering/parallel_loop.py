"""Parallel loops of kernels: each becomes a function of some of its turns, which threads call for their parts."""

from __future__ import annotations

import ast
from typing import Any

from llvmlite import ir

from dout.engine.lowering.entry_point import WORK
from dout.engine.lowering.routine import Routine, StackVariable, parts_of, with_parts
from dout.engine.lowering.typed_values import (
    I32,
    I64,
    POINTER,
    FloatBuilder,
    Range,
    TypedNumber,
    cast,
    is_symbolic,
    number,
)

SHARE = "dout.share"  # void(chunk, data, turns, work), where a chunk is void(data, its number, their number, turns)


def shared(body: Any, loop: ast.For, turns: Range) -> None:
    """Run the turns of a loop on all threads, unless there is little work."""
    routine, builder = body.routine, body.builder
    own, read = (_names(loop, context) for context in (ast.Store, ast.Load))
    held = {name: body.values[name] for name in sorted(read - own) if name in body.values}
    given = {name: value.load() if isinstance(value, StackVariable) else value for name, value in held.items()}
    symbolic = {name: value for name, value in given.items() if is_symbolic(value)}
    flat = parts_of(tuple(symbolic.values()))
    part = _part(body, loop, given, symbolic, [one.type for one in flat])
    status = routine.place(I32)
    builder.store(I32(0), status)
    record = ir.LiteralStructType([status.type, *(one.type for one in flat)])
    data = routine.place(record)
    for place, one in enumerate([status, *flat]):
        builder.store(one, builder.gep(data, [I32(0), I32(place)]))
    chunk = _chunk(routine.module, part, record)
    share = routine.outside(SHARE, ir.VoidType(), [chunk.type, POINTER, I64, I64])
    work = body.values.get(WORK, -1)  # all that there is
    counts = [cast(builder, number(one), "int64").value for one in (turns.last, work)]
    builder.call(share, [chunk, builder.bitcast(data, POINTER), *counts])
    routine.leave_if(builder.icmp_unsigned("!=", builder.load(status), I32(0)))


def _names(item: ast.AST, context: type) -> set[str]:
    return {one.id for one in ast.walk(item) if isinstance(one, ast.Name) and isinstance(one.ctx, context)}


def _part(body: Any, loop: ast.For, given: dict[str, Any], symbolic: dict[str, Any], kinds: list[Any]) -> Any:
    """The function of the first turn, the last one, and what the loop reads."""
    outer = body.routine
    name = f"{outer.function.name}.part{len(outer.module.globals)}"
    routine = Routine(outer.module, name, [I64, I64, *kinds])
    routine.function.linkage = "internal"
    routine.builder.rounding = body.builder.rounding
    first, last, *flat = routine.function.args
    for argument in flat:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")  # an output that is also an input has one name
    inner = type(body)(routine, body.names, body.changing, body.rounding)
    inner.values = {name: value for name, value in given.items() if name not in symbolic}
    for name, value in symbolic.items():
        many = len(parts_of(value))
        inner.values[name], flat = with_parts(value, flat[:many]), flat[many:]
    inner.loop(loop, Range(TypedNumber(first, "int64"), TypedNumber(last, "int64")))
    routine.finish()
    return routine.function


def _chunk(module: Any, part: Any, record: Any) -> Any:
    """The function that threads call: the part of one chunk, with what `data` points at."""
    kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, I64])
    chunk = ir.Function(module, kind, f"{part.name}.chunk")
    chunk.linkage = "internal"
    builder = FloatBuilder(chunk.append_basic_block())
    data, place, many, turns = chunk.args
    first = builder.udiv(builder.mul(place, turns), many)
    last = builder.udiv(builder.mul(builder.add(place, I64(1)), turns), many)
    held = builder.bitcast(data, record.as_pointer())
    status, *given = [builder.load(builder.gep(held, [I32(0), I32(k)])) for k in range(len(record.elements))]
    failed = builder.call(part, [first, last, *given])
    with builder.if_then(builder.icmp_unsigned("!=", failed, I32(0)), likely=False):
        builder.store(failed, status)
    builder.ret_void()
    return chunk
