"""What calls mean in a kernel: functions of Python's and NumPy's, and instructions that write their own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from llvmlite import ir

from dout.engine.lowering.function_sources import NumberType, TupleType, module, prange
from dout.engine.lowering.routine import Routine
from dout.engine.lowering.typed_values import (
    I64,
    Range,
    TypedArray,
    TypedNumber,
    cast,
    element,
    llvm_type,
    load,
    number,
    together,
)


def _range(of: Any, *given: Any, parallel: bool = False) -> Range:
    first, last, step = (0, *given, 1) if len(given) == 1 else (*given, 1)[:3]
    return Range(number(first), number(last), step, parallel)


def _extreme(sign: str) -> Callable[..., TypedNumber]:
    """The first of whole numbers to which none of the others is preferred."""

    def extreme(of: Any, *given: Any) -> TypedNumber:
        found = number(given[0])
        for other in map(number, given[1:]):
            kind = together(found, other)
            one, two = (cast(of.builder, each, kind).value for each in (found, other))
            compare = of.builder.icmp_signed if kind == "int64" else of.builder.icmp_unsigned
            found = TypedNumber(of.builder.select(compare(sign, two, one), two, one), kind)
        return found

    return extreme


def _absolute(of: Any, given: Any) -> TypedNumber:
    one, builder = number(given), of.builder
    if one.is_float:
        return _by_intrinsic("fabs")(of, one)
    kind = together(one)
    value = cast(builder, one, kind).value
    if kind == "uint64":
        return TypedNumber(value, kind)
    return TypedNumber(builder.select(builder.icmp_signed("<", value, value.type(0)), builder.neg(value), value), kind)


def _by_intrinsic(name: str) -> Callable[..., TypedNumber]:
    """A function of one float that LLVM has an instruction for."""

    def function(of: Any, given: Any) -> TypedNumber:
        one = number(given)
        one = one if one.is_float else cast(of.builder, one, "float64")
        kind = one.value.type
        declared = of.routine.module.declare_intrinsic(f"llvm.{name}", [kind], ir.FunctionType(kind, [kind]))
        return TypedNumber(of.builder.call(declared, [one.value]), one.kind)

    return function


def _by_ours(name: str) -> Callable[..., Any]:
    """A function of `vector_math`, in the version for its argument."""

    def function(of: Any, given: Any) -> Any:
        one = number(given)
        one = one if one.is_float else cast(of.builder, one, "float64")
        return of.call(module("dout.engine.math.vector_math").FUNCTIONS[name][getattr(np, one.kind)], [one])

    return function


def _empty(of: Any, shape: Any, dtype: Any = float) -> TypedArray:
    lengths = shape if isinstance(shape, tuple) else (shape,)
    made: TypedArray = of.routine.empty(np.dtype(dtype), tuple(map(number, lengths)))
    return made


def _in_row(of: Any, x: TypedArray, index: Sequence[Any]) -> TypedNumber:
    return load(of.builder, element(of.builder, x, tuple(map(number, index)), in_row=True), x.dtype)


def _move_row(of: Any, x: TypedArray, out: TypedArray, index: Sequence[Any], length: int) -> None:
    """Rows of a few elements move as one vector."""
    builder, start = of.builder, (*map(number, index), number(0))
    kind = ir.VectorType(x.data.type.pointee, length).as_pointer()
    here, there = (builder.bitcast(element(builder, one, start, in_row=True), kind) for one in (x, out))
    builder.store(builder.load(here, align=x.dtype.itemsize), there, align=x.dtype.itemsize)


def _move_square(of: Any, x: TypedArray, out: TypedArray, index: Sequence[Any], axis: int) -> None:
    """Four by four elements move, of which rows become columns."""
    builder, start, access = of.builder, [*map(number, index)], module("dout.engine.math.row_access")
    squares = []
    for array, across in ((x, len(start) - 1), (out, axis)):
        each = [
            (*start[:across], _farther(builder, start[across], k), *start[across + 1 :]) for k in range(access.SQUARE)
        ]
        squares.append([element(builder, array, one) for one in each])
    access.turn_square(builder, squares[0], squares[1], x.dtype.itemsize)


def _farther(builder: ir.IRBuilder, place: TypedNumber, steps: int) -> TypedNumber:
    return TypedNumber(builder.add(cast(builder, place, "int64").value, I64(steps), flags=["nsw"]), "int64")


def _summed(of: Any, x: TypedArray, count: Any) -> TypedNumber:
    kind = x.data.type.pointee
    pairwise_sum = module("dout.engine.math.pairwise_sum").pairwise_sum
    total = of.builder.call(pairwise_sum(of.routine.module, kind), [x.data, number(count).value])
    return TypedNumber(of.builder.fadd(kind(0.0), total), x.dtype.name)


ANSWERS: dict[Any, Callable[..., Any]] = {
    range: _range,
    prange: lambda of, count: _range(of, count, parallel=True),
    min: _extreme("<"),
    max: _extreme(">"),
    abs: _absolute,
    np.empty: _empty,
    np.rint: _by_intrinsic("rint"),
    **{getattr(np, name): _by_intrinsic(name) for name in ("sqrt", "floor", "ceil", "trunc")},
    **{getattr(np, name): _by_ours(name) for name in ("exp", "log", "tanh", "sin", "cos")},
}
_OVER_ARRAYS: dict[str, Callable[..., Any]] = {
    "in_row": _in_row,
    "move_row": _move_row,
    "move_square": _move_square,
    "summed": _summed,
}


def instruction(of: Any, function: Any, arguments: Sequence[Any]) -> Any:
    """What an instruction of `engine.math` gives, by the code that it writes."""
    if (name := function.build.__name__.strip("_")) in _OVER_ARRAYS:
        return _OVER_ARRAYS[name](of, *arguments)
    kinds: list[Any] = []
    values: list[Any] = []
    for argument in arguments:
        if isinstance(argument, tuple):
            numbers = [number(one) for one in argument]
            kinds.append([NumberType(one.kind) for one in numbers])
            values.append(ir.Constant.literal_array([one.value for one in numbers]))
        else:
            kinds.append(NumberType(number(argument).kind))
            values.append(number(argument).value)
    kind, generate = function.build(None, *kinds)
    found = generate(_surroundings(of), of.builder, kind, values)
    if isinstance(kind, TupleType):
        return tuple(TypedNumber(one, each.name) for one, each in zip(found, kind, strict=True))
    return TypedNumber(found, kind.name)


def _surroundings(of: Any) -> Any:
    """What instructions ask of the compiler that calls them."""

    def subroutine(builder: Any, function: Any, signature: Any) -> Any:
        kind = signature.name
        routine = Routine(of.routine.module, f"dout.slow.{len(of.routine.module.globals)}",
                          [llvm_type(kind).as_pointer(), llvm_type(kind)])  # fmt: skip
        routine.function.linkage = "internal"
        out, given = routine.function.args
        inner = type(of)(routine, {}, frozenset(), of.rounding)
        found = inner.called(function, [TypedNumber(given, kind)], of.rounding)
        routine.builder.store(number(found).value, out)
        routine.finish()
        return SimpleNamespace(fndesc=routine.function)

    def call(builder: Any, callee: Any, returned: Any, kinds: Any, given: Any) -> Any:
        place = builder.alloca(given[0].type)
        builder.call(callee, [place, *given])
        return None, builder.load(place)

    return SimpleNamespace(
        get_value_type=lambda kind: llvm_type(kind.name),
        make_tuple=lambda builder, kind, values: tuple(values),
        compile_subroutine=subroutine,
        declare_function=lambda module, made: made,
        call_conv=SimpleNamespace(call_function=call),
    )
