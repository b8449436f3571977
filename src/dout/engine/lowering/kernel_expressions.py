"""The expressions of a kernel: what is known now is computed now, by Python; everything else becomes LLVM's code."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir

from dout.engine.lowering.function_sources import Inlined, Instruction
from dout.engine.lowering.kernel_calls import ANSWERS, instruction
from dout.engine.lowering.routine import Routine, StackVariable
from dout.engine.lowering.typed_values import (
    I1,
    I64,
    TypedArray,
    TypedNumber,
    cast,
    element,
    is_symbolic,
    llvm_type,
    load,
    memory_type,
    number,
    size,
    together,
)

_PYTHON: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.USub: operator.neg, ast.Not: operator.not_, ast.Invert: operator.invert, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_FLOAT = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_WHOLE = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul"}
_BITS = {ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor", ast.LShift: "shl"}


class KernelExpressions:
    """The values of expressions; `names` are those of the surroundings, `values` those that statements have set."""

    def __init__(self, routine: Routine, names: Mapping[str, Any], rounding: Any) -> None:
        self.routine, self.names, self.rounding = routine, names, rounding
        self.values: dict[str, Any] = {}

    @property
    def builder(self) -> Any:
        """LLVM's builder."""
        return self.routine.builder

    def called(self, function: Any, arguments: Sequence[Any], rounding: Any) -> Any:
        """What a function returns that is written in place of its call."""
        raise NotImplementedError

    def value(self, node: ast.expr) -> Any:
        """What an expression stands for."""
        answer = getattr(self, f"_{type(node).__name__.lower()}", None)
        if answer is None:
            raise TypeError(f"a kernel cannot compute {ast.unparse(node)}")
        return answer(node)

    def truth(self, value: Any) -> Any:
        """A condition, in one bit."""
        return cast(self.builder, number(value), "bool").value

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.values:
            held = self.values[node.id]
            return held.load() if isinstance(held, StackVariable) else held
        if node.id in self.names:
            return self.names[node.id]
        return getattr(builtins, node.id)

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(
            part
            for one in node.elts
            for part in (self.value(one.value) if isinstance(one, ast.Starred) else (self.value(one),))
        )

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, TypedArray):
            return self._of_array(owner, node.attr)
        return getattr(owner, node.attr)

    def _of_array(self, array: TypedArray, name: str) -> Any:
        if name == "shape":
            return tuple(TypedNumber(length, "int64") for length in array.shape)
        if name == "size":
            return TypedNumber(size(self.builder, array.shape), "int64")
        if name == "dtype":
            return array.dtype
        if name == "reshape":
            return partial(self._reshaped, array)
        if name == "transpose":
            return partial(self._turned, array)
        raise TypeError(f"a kernel has no {name} of an array")

    def _reshaped(self, array: TypedArray, *shape: Any) -> TypedArray:
        return self.routine.reshaped(array, tuple(map(number, shape[0] if isinstance(shape[0], tuple) else shape)))

    def _turned(self, array: TypedArray, axes: Sequence[int]) -> TypedArray:
        strides = list(array.strides or ())
        step = I64(array.dtype.itemsize)
        for length in reversed(array.shape if array.strides is None else ()):
            strides.insert(0, step)
            step = self.builder.mul(step, length)
        return TypedArray(array.dtype, array.data, *(tuple(of[a] for a in axes) for of in (array.shape, strides)))

    def index(self, node: ast.expr) -> tuple[TypedNumber, ...]:
        """The numbers in brackets."""
        found = self.value(node)
        return tuple(map(number, found if isinstance(found, tuple) else (found,)))

    def _subscript(self, node: ast.Subscript) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, TypedArray):
            return load(self.builder, element(self.builder, owner, self.index(node.slice)), owner.dtype)
        key = self.value(node.slice)
        if isinstance(owner, np.ndarray) and is_symbolic(key):
            return self._of_table(owner, number(key))
        return owner[key]

    def _of_table(self, table: Any, at: TypedNumber) -> TypedNumber:
        """An element of an array that is known now."""
        name, kind = f"dout.table.{id(table)}", ir.ArrayType(memory_type(table.dtype), len(table))
        module = self.routine.module
        if name not in module.globals:
            held = ir.GlobalVariable(module, kind, name)
            held.global_constant, held.linkage, held.initializer = True, "internal", kind(table.tolist())
        place = self.builder.gep(module.globals[name], [I64(0), cast(self.builder, at, "int64").value], inbounds=True)
        return load(self.builder, place, table.dtype)

    # --- operators ----------------------------------------------------------------------------------------------------

    def _binop(self, node: ast.BinOp) -> Any:
        return self.binary(node.op, self.value(node.left), self.value(node.right))

    def binary(self, sign: ast.operator, left: Any, right: Any) -> Any:
        """An operator of two numbers."""
        if not is_symbolic(left) and not is_symbolic(right):
            return _PYTHON[type(sign)](left, right)
        one, other, builder = number(left), number(right), self.builder
        if isinstance(sign, ast.BitAnd | ast.BitOr | ast.BitXor) and one.kind == other.kind == "bool":
            return TypedNumber(getattr(builder, _BITS[type(sign)])(one.value, other.value), "bool")
        kind = "float64" if isinstance(sign, ast.Div) and not (one.is_float or other.is_float) else together(one, other)
        both = [cast(builder, each, kind).value for each in (one, other)]
        if kind.startswith("float"):
            if type(sign) not in _FLOAT:
                raise TypeError("a kernel has no such operator of floats")
            return TypedNumber(getattr(builder, _FLOAT[type(sign)])(*both), kind)
        if isinstance(sign, ast.RShift):
            return TypedNumber((builder.ashr if kind == "int64" else builder.lshr)(*both), kind)
        if isinstance(sign, ast.FloorDiv | ast.Mod):
            return self._divided(sign, kind, *both)
        return TypedNumber(getattr(builder, (_WHOLE | _BITS)[type(sign)])(*both), kind)

    def _divided(self, sign: ast.operator, kind: str, one: Any, other: Any) -> TypedNumber:
        """A whole quotient, rounded down, or what it leaves; 0 where the divisor is."""
        builder = self.builder
        nothing = builder.icmp_unsigned("==", other, other.type(0))
        divisor = builder.select(nothing, other.type(1), other)
        if kind == "uint64":
            found = (builder.udiv if isinstance(sign, ast.FloorDiv) else builder.urem)(one, divisor)
        else:
            rest = builder.srem(one, divisor)
            odd = builder.icmp_unsigned("!=", rest, rest.type(0))
            down = builder.and_(odd, builder.icmp_signed("<", builder.xor(rest, divisor), rest.type(0)))
            if isinstance(sign, ast.FloorDiv):
                found = builder.sub(builder.sdiv(one, divisor), builder.zext(down, rest.type))
            else:
                found = builder.add(rest, builder.select(down, divisor, rest.type(0)))
        return TypedNumber(builder.select(nothing, other.type(0), found), kind)

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        operand = self.value(node.operand)
        if not is_symbolic(operand):
            return _PYTHON[type(node.op)](operand)
        builder = self.builder
        if isinstance(node.op, ast.Not):
            return TypedNumber(builder.not_(self.truth(operand)), "bool")
        if isinstance(node.op, ast.Invert):
            return TypedNumber(builder.not_(operand.value), operand.kind)
        if operand.is_float:
            return TypedNumber(builder.fneg(operand.value), operand.kind)
        kind = together(operand)
        return TypedNumber(builder.neg(cast(builder, operand, kind).value), kind)

    def _compare(self, node: ast.Compare) -> Any:
        found: Any = None
        left = self.value(node.left)
        for sign, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            one = self._compared(sign, left, right)
            found = one if found is None else self.binary(ast.BitAnd(), found, one)
            left = right
        return found

    def _compared(self, sign: ast.cmpop, left: Any, right: Any) -> Any:
        if not is_symbolic(left) and not is_symbolic(right):
            return _PYTHON[type(sign)](left, right)
        one, other, builder, word = number(left), number(right), self.builder, _SIGNS[type(sign)]
        kind = "bool" if one.kind == other.kind == "bool" else together(one, other)
        both = [cast(builder, each, kind).value for each in (one, other)]
        if kind.startswith("float"):
            return TypedNumber((builder.fcmp_unordered if word == "!=" else builder.fcmp_ordered)(word, *both), "bool")
        return TypedNumber((builder.icmp_signed if kind == "int64" else builder.icmp_unsigned)(word, *both), "bool")

    def _boolop(self, node: ast.BoolOp) -> Any:
        """One after the other: what comes later may not be looked at where it is not asked for."""
        found = self.truth(self.value(node.values[0]))
        for part in node.values[1:]:
            place = self.routine.place(I1)
            self.builder.store(found, place)
            asked = found if isinstance(node.op, ast.And) else self.builder.not_(found)
            with self.builder.if_then(asked):
                self.builder.store(self.truth(self.value(part)), place)
            found = self.builder.load(place)
        return TypedNumber(found, "bool")

    def _ifexp(self, node: ast.IfExp) -> Any:
        condition = self.value(node.test)
        if not is_symbolic(condition):
            return self.value(node.body if condition else node.orelse)
        truth = self.truth(condition)
        if any(isinstance(inner, ast.Subscript) for one in (node.body, node.orelse) for inner in ast.walk(one)):
            return self._one_of(truth, node.body, node.orelse)
        return self._chosen(truth, self.value(node.body), self.value(node.orelse))

    def _chosen(self, truth: Any, left: Any, right: Any) -> Any:
        """One of two values that are both there."""
        if isinstance(left, tuple):
            return tuple(self._chosen(truth, *pair) for pair in zip(left, right, strict=True))
        one, other = number(left), number(right)
        kind = one.kind if one.kind == other.kind else together(one, other)
        both = [cast(self.builder, each, kind).value for each in (one, other)]
        return TypedNumber(self.builder.select(truth, *both), kind)

    def _one_of(self, truth: Any, body: ast.expr, orelse: ast.expr) -> Any:
        """One of two values, of which the other is not looked at."""
        builder, ends = self.builder, []
        with builder.if_else(truth) as sides:
            for side, node in zip(sides, (body, orelse), strict=True):
                with side:
                    found = number(self.value(node))
                    ends.append((found, builder.block))
        kinds = {one.kind for one, _ in ends}
        if len(kinds) > 1:
            raise TypeError(f"a kernel chooses between {' and '.join(sorted(kinds))}")
        chosen = builder.phi(llvm_type(ends[0][0].kind))
        for one, block in ends:
            chosen.add_incoming(one.value, block)
        return TypedNumber(chosen, ends[0][0].kind)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        arguments = self._tuple(ast.Tuple(node.args))
        return self.call(function, arguments)

    def call(self, function: Any, arguments: Sequence[Any]) -> Any:
        """What a call gives."""
        if isinstance(function, type) and issubclass(function, np.generic):
            (given,) = arguments
            if not is_symbolic(given):
                return function(given)
            return cast(self.builder, number(given), np.dtype(function).name)
        if function in ANSWERS:
            return ANSWERS[function](self, *arguments)
        if isinstance(function, Instruction):
            return instruction(self, function, arguments)
        if isinstance(function, Inlined):
            own = function.rounding
            return self.called(function.function, arguments, self.rounding if own is None else own)
        if isinstance(function, FunctionType):
            return self.called(function, arguments, self.rounding)
        return function(*arguments)
