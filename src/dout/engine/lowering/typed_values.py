"""What names and expressions of a kernel stand for while its code is written: numbers and arrays in LLVM's values.

Numbers meet as Numba has them meet: whole numbers in 64 bits, floats of two sizes in the larger, a whole number and a
float in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
POINTER = I8.as_pointer()
_FLOATS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}


class FloatBuilder(ir.IRBuilder):  # type: ignore[misc]
    """LLVM's builder; what it computes with floats may be rounded as `rounding` allows."""

    rounding: tuple[str, ...] = ()

    def fadd(self, lhs: Any, rhs: Any, name: str = "", flags: Any = ()) -> Any:
        """The sum."""
        return super().fadd(lhs, rhs, name, flags=flags or self.rounding)

    def fsub(self, lhs: Any, rhs: Any, name: str = "", flags: Any = ()) -> Any:
        """The difference."""
        return super().fsub(lhs, rhs, name, flags=flags or self.rounding)

    def fmul(self, lhs: Any, rhs: Any, name: str = "", flags: Any = ()) -> Any:
        """The product."""
        return super().fmul(lhs, rhs, name, flags=flags or self.rounding)

    def fdiv(self, lhs: Any, rhs: Any, name: str = "", flags: Any = ()) -> Any:
        """The quotient."""
        return super().fdiv(lhs, rhs, name, flags=flags or self.rounding)


@dataclass(frozen=True, slots=True, eq=False)
class TypedNumber:
    """A number of the dtype that NumPy calls `kind`; a truth value has one bit."""

    value: Any
    kind: str

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point number."""
        return self.kind in _FLOATS

    @property
    def is_signed(self) -> bool:
        """Whether it is a whole number that may be negative."""
        return self.kind.startswith("int")


@dataclass(frozen=True, slots=True, eq=False)
class TypedArray:
    """An array: where its elements begin, and its lengths; strides in bytes, but none of one in C order."""

    dtype: np.dtype[Any]
    data: Any
    shape: tuple[Any, ...]
    strides: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """The whole numbers from first to last, which is not among them; a parallel one is shared among threads."""

    first: TypedNumber
    last: TypedNumber
    step: int = 1
    parallel: bool = False


def llvm_type(kind: str) -> Any:
    """LLVM's type of a number of this kind."""
    if kind == "bool":
        return I1
    return _FLOATS.get(kind) or ir.IntType(8 * np.dtype(kind).itemsize)


def memory_type(dtype: np.dtype[Any]) -> Any:
    """LLVM's type of an element in memory."""
    return I8 if dtype == np.bool_ else llvm_type(dtype.name)


def is_symbolic(value: Any) -> bool:
    """Whether a value is known only when the kernel runs."""
    return isinstance(value, TypedNumber | TypedArray | Range) or (
        isinstance(value, tuple) and any(map(is_symbolic, value))
    )


def number(value: Any) -> TypedNumber:
    """A number; one of Python's, or of NumPy's, as a constant."""
    if isinstance(value, TypedNumber):
        return value
    if isinstance(value, bool | np.bool_):
        return TypedNumber(I1(int(value)), "bool")
    if isinstance(value, int):
        return TypedNumber(I64(value), "int64")
    if isinstance(value, float) and type(value) is float:
        return TypedNumber(_FLOATS["float64"](value), "float64")
    if isinstance(value, np.generic):
        return TypedNumber(llvm_type(value.dtype.name)(value.item()), value.dtype.name)
    raise TypeError(f"a kernel has no number {value!r}")


def together(*numbers: TypedNumber) -> str:
    """The kind in which numbers meet."""
    kinds = {one.kind for one in numbers}
    if len(kinds) == 1 and kinds <= {"float32", "float64"}:
        return kinds.pop()
    if any(one.is_float for one in numbers) or {"int64", "uint64"} <= kinds:
        return "float64"
    return "uint64" if all(kind.startswith("uint") for kind in kinds) else "int64"


def cast(builder: ir.IRBuilder, given: TypedNumber, kind: str) -> TypedNumber:
    """A number as one of another kind."""
    if given.kind == kind:
        return given
    value, target = given.value, llvm_type(kind)
    if kind == "bool":
        zero = value.type(0)
        test = builder.fcmp_unordered if given.is_float else builder.icmp_unsigned
        return TypedNumber(test("!=", value, zero), kind)
    if given.is_float:
        if kind in _FLOATS:
            name = "fpext" if kind == "float64" else "fptrunc"
        else:
            name = "fptoui" if kind.startswith("uint") else "fptosi"
    elif kind in _FLOATS:
        name = "sitofp" if given.is_signed else "uitofp"
    elif value.type.width == target.width:
        return TypedNumber(value, kind)
    elif value.type.width > target.width:
        name = "trunc"
    else:
        name = "sext" if given.is_signed else "zext"
    return TypedNumber(getattr(builder, name)(value, target), kind)


def load(builder: ir.IRBuilder, place: Any, dtype: np.dtype[Any]) -> TypedNumber:
    """The element at a place."""
    value = builder.load(place)
    if dtype == np.bool_:
        return TypedNumber(builder.icmp_unsigned("!=", value, I8(0)), "bool")
    return TypedNumber(value, dtype.name)


def store(builder: ir.IRBuilder, given: TypedNumber, place: Any, dtype: np.dtype[Any]) -> None:
    """Write an element."""
    value = cast(builder, given, dtype.name).value
    builder.store(builder.zext(value, I8) if dtype == np.bool_ else value, place)


def element(builder: ir.IRBuilder, array: TypedArray, index: tuple[TypedNumber, ...], *, in_row: bool = False) -> Any:
    """Where an element is; no index is negative. The elements of a row lie one after the other, if that is said."""
    if not array.shape:
        return array.data
    places = [cast(builder, one, "int64").value for one in index]
    if array.strides is None:
        at = places[0]
        for place, length in zip(places[1:], array.shape[1:], strict=True):
            at = builder.add(builder.mul(at, length, flags=["nsw"]), place, flags=["nsw"])
        return builder.gep(array.data, [at], inbounds=True)
    strided = places[:-1] if in_row else places
    parts = [builder.mul(place, stride, flags=["nsw"]) for place, stride in zip(strided, array.strides, strict=False)]
    far, *others = parts or (I64(0),)
    for part in others:
        far = builder.add(far, part, flags=["nsw"])
    kind = array.data.type
    row = builder.bitcast(builder.gep(builder.bitcast(array.data, POINTER), [far], inbounds=True), kind)
    return builder.gep(row, places[-1:], inbounds=True) if in_row else row


def size(builder: ir.IRBuilder, shape: tuple[Any, ...]) -> Any:
    """How many elements an array of a shape has."""
    many, *others = shape or (I64(1),)
    for length in others:
        many = builder.mul(many, length, flags=["nsw"])
    return many
