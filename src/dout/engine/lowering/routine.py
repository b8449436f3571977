"""One function of LLVM's while it is written: its memory, its variables, and the one place at which it ends."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from dout.engine.lowering.typed_values import (
    I32,
    I64,
    POINTER,
    FloatBuilder,
    TypedArray,
    TypedNumber,
    cast,
    llvm_type,
    memory_type,
    number,
    size,
)

FAILED = 1  # the status of a kernel whose shapes do not fit, or for which there is no memory
_ALIGNED = 64


class Routine:
    """A function with its builder; it returns a status, 0 where it came to its end."""

    def __init__(self, module: ir.Module, name: str, arguments: Any) -> None:
        self.module = module
        self.function = ir.Function(module, ir.FunctionType(I32, arguments), name)
        self.builder = FloatBuilder(self.function.append_basic_block())
        self.begin = self.builder.block
        self.owners: list[Any] = []  # where the addresses of memory stand that it has taken
        self.exit = self.function.append_basic_block()
        self.statuses: list[tuple[Any, Any]] = []
        self.builder.position_at_end(self.function.append_basic_block())
        self.first = self.builder.block

    def place(self, kind: Any) -> Any:
        """Memory on the stack."""
        with self.builder.goto_block(self.begin):
            return self.builder.alloca(kind)

    def leave(self, status: int = 0) -> None:
        """End with a status."""
        self.statuses.append((I32(status), self.builder.block))
        self.builder.branch(self.exit)

    def leave_if(self, condition: Any) -> None:
        """Fail where this holds."""
        with self.builder.if_then(condition, likely=False):
            self.leave(FAILED)

    def finish(self) -> None:
        """Write the end."""
        if not self.builder.block.is_terminated:
            self.leave()
        self.builder.position_at_end(self.begin)
        self.builder.branch(self.first)
        self.builder.position_at_end(self.exit)
        status = self.builder.phi(I32)
        for value, block in self.statuses:
            status.add_incoming(value, block)
        for owner in self.owners:
            self.builder.call(self.outside("PyMem_RawFree", ir.VoidType(), [POINTER]), [self.builder.load(owner)])
        self.builder.ret(status)

    def outside(self, name: str, returned: Any, arguments: Any) -> Any:
        """A function that is elsewhere."""
        if name in self.module.globals:
            return self.module.globals[name]
        return ir.Function(self.module, ir.FunctionType(returned, arguments), name)

    def empty(self, dtype: Any, shape: tuple[TypedNumber, ...]) -> TypedArray:
        """A new array, in place of the one that was made here before."""
        builder, free = self.builder, self.outside("PyMem_RawFree", ir.VoidType(), [POINTER])
        lengths = tuple(cast(builder, one, "int64").value for one in shape)
        with builder.goto_block(self.begin):
            owner = builder.alloca(POINTER)
            builder.store(POINTER(None), owner)
        self.owners.append(owner)
        builder.call(free, [builder.load(owner)])
        allocated = builder.add(builder.mul(size(builder, lengths), I64(dtype.itemsize)), I64(_ALIGNED))
        memory = builder.call(self.outside("PyMem_RawMalloc", POINTER, [I64]), [allocated])
        builder.store(memory, owner)
        self.leave_if(builder.icmp_unsigned("==", memory, POINTER(None)))
        address = builder.add(builder.ptrtoint(memory, I64), I64(_ALIGNED - 1))
        data = builder.inttoptr(builder.and_(address, I64(-_ALIGNED)), memory_type(dtype).as_pointer())
        return TypedArray(dtype, data, lengths)

    def reshaped(self, array: TypedArray, shape: tuple[TypedNumber, ...]) -> TypedArray:
        """A contiguous array with other axes."""
        if array.strides is not None:
            raise TypeError("only contiguous arrays take another shape")
        lengths = tuple(cast(self.builder, one, "int64").value for one in shape)
        same = [size(self.builder, one) for one in (lengths, array.shape)]
        self.leave_if(self.builder.icmp_unsigned("!=", *same))
        return TypedArray(array.dtype, array.data, lengths)


class StackVariable:
    """A variable that changes: the places of the numbers that it is made of, each on the stack."""

    def __init__(self, routine: Routine, like: Any) -> None:
        self.routine = routine
        self.parts = [StackVariable(routine, one) for one in like] if isinstance(like, tuple) else []
        self.array = like if isinstance(like, TypedArray) else None
        if self.array:
            self.places = [routine.place(one.type) for one in parts_of(self.array)]
        elif not self.parts:
            self.kind = number(like).kind
            self.places = [routine.place(llvm_type(self.kind))]

    def store(self, value: Any) -> None:
        """Set it to a value of its kind, or to one that becomes it without loss."""
        builder = self.routine.builder
        if self.parts:
            for part, one in zip(self.parts, value, strict=True):
                part.store(one)
        elif self.array:
            for place, one in zip(self.places, parts_of(value), strict=True):
                builder.store(one, place)
        else:
            given = number(value)
            if given.is_float and self.kind not in ("float64", given.kind):
                raise TypeError(f"a variable of {self.kind} is set to a {given.kind}")
            builder.store(cast(builder, given, self.kind).value, self.places[0])

    def load(self) -> Any:
        """Its value."""
        builder = self.routine.builder
        if self.parts:
            return tuple(part.load() for part in self.parts)
        values = [builder.load(place) for place in self.places]
        return with_parts(self.array, values) if self.array else TypedNumber(values[0], self.kind)


def parts_of(value: Any) -> list[Any]:
    """The values of LLVM's that a number, an array or a tuple of these is made of."""
    if isinstance(value, tuple):
        return [part for one in value for part in parts_of(one)]
    if isinstance(value, TypedArray):
        return [value.data, *value.shape, *(value.strides or ())]
    return [number(value).value]


def with_parts(like: Any, parts: list[Any]) -> Any:
    """A number or an array like another, made of other values."""
    if not isinstance(like, TypedArray):
        return TypedNumber(parts[0], number(like).kind)
    axes = len(like.shape)
    return TypedArray(
        like.dtype, parts[0], tuple(parts[1 : 1 + axes]), tuple(parts[1 + axes :]) if like.strides else None
    )
