"""Products of matrices side by side on dout's own threads, each by NumPy's BLAS on one thread.

The BLAS' own threads wait for each other at each block. On a machine with other programs they wait for the system then:
(25, 57600) · (57600, 30) took 2.2 ms on one thread and 2.5 on two, but 20 and 1,000 in the mean.

One native call does several products that do not need each other. A large one is cut into parts. The program that calls
has looked at shapes and dtypes, and made the results. The call looks whether rows and columns of the factors lie as
planned, and does nothing otherwise.
"""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

from dout.engine.runtime import binding, blas_threads, kernel_cache, threads
from dout.engine.runtime.entry_point import DATA, SHAPE, STRIDES
from dout.engine.runtime.parallel_threshold import SMALL_PRODUCT
from dout.engine.runtime.work_stealing import CODE

Matrix = np.ndarray[Any, Any]
Product = Callable[[Matrix, Matrix, Matrix], Any]

_EACH = 2  # parts of a large product for one thread: where one is slow, the other takes more
_LONG = 4  # times as long as the other sides: then parts of the sums are computed, and added up,
_MOST = 1 << 16  # if the result has no more elements: memory for the parts is kept
_ROW_MAJOR, _AS_IT_IS, _TRANSPOSED = 101, 111, 112  # as CBLAS counts
_SUMS = 2
_LAYOUTS = 4  # ways to lie that one function plans for


class _Part(NamedTuple):
    """A product, or a part of one, as the machine code reads it: all numbers have 64 bits.

    `x`, `y` and `out` are numbers of arguments. `x_axis` is cut, from `x_from` on. `out_far` counts bytes.
    """

    x: int
    y: int
    out: int
    left: int
    right: int
    rows: int
    columns: int
    inner: int
    x_axis: int
    x_from: int
    y_axis: int
    y_from: int
    out_far: int
    out_line: int


# @entry takes x, y and out of every product. Its `self` is a plan: what tells and sets the number of the BLAS' threads,
# its product, how many parts there are, and the parts. What @place finds is on the stack: lines of x and y, and where
# x, y and the result begin.
_CODE = """
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
@"dout.True" = external global i8
@"dout.False" = external global i8

define internal i64 @at(ptr %base, i64 %index) alwaysinline {
  %place = getelementptr i64, ptr %base, i64 %index
  %value = load i64, ptr %place
  ret i64 %value
}

define internal ptr @to(ptr %base, i64 %index) alwaysinline {
  %place = getelementptr ptr, ptr %base, i64 %index
  %value = load ptr, ptr %place
  ret ptr %value
}

define internal ptr @part(ptr %plan, i64 %index) alwaysinline {
  %far = mul i64 %index, FIELDS
  %place = add i64 %far, 4
  %part = getelementptr i64, ptr %plan, i64 %place
  ret ptr %part
}

define internal i1 @place(ptr %array, i64 %how, ptr %cut, ptr %line.at, ptr %begin.at) {
  %data = call ptr @to(ptr %array, i64 DATA)
  %shape = call ptr @to(ptr %array, i64 SHAPE)
  %strides = call ptr @to(ptr %array, i64 STRIDES)
  %lines = sub i64 %how, AS_IT_IS
  %along = sub i64 1, %lines
  %step = call i64 @at(ptr %strides, i64 %along)
  %line = call i64 @at(ptr %strides, i64 %lines)
  %length = call i64 @at(ptr %shape, i64 %along)
  %least = mul i64 %length, SIZE
  %elements = sdiv i64 %line, SIZE
  %whole = mul i64 %elements, SIZE
  %good.1 = icmp eq i64 %step, SIZE
  %good.2 = icmp eq i64 %line, %whole
  %good.3 = icmp sge i64 %line, %least
  %good.4 = and i1 %good.1, %good.2
  %good = and i1 %good.3, %good.4
  %axis = call i64 @at(ptr %cut, i64 0)
  %from = call i64 @at(ptr %cut, i64 1)
  %stride = call i64 @at(ptr %strides, i64 %axis)
  %far = mul i64 %from, %stride
  %begin = getelementptr i8, ptr %data, i64 %far
  store i64 %elements, ptr %line.at
  store ptr %begin, ptr %begin.at
  ret i1 %good
}

define internal void @run(ptr %data, i64 %index, i64 %total, i64 %turns) {
begin:
  %plan = call ptr @to(ptr %data, i64 0)
  %gemm = call ptr @to(ptr %plan, i64 2)
  %from.all = mul i64 %index, %turns
  %from = udiv i64 %from.all, %total
  %next = add i64 %index, 1
  %to.all = mul i64 %next, %turns
  %to = udiv i64 %to.all, %total
  br label %look
look:
  %k = phi i64 [ %from, %begin ], [ %more, %work ]
  %over = icmp uge i64 %k, %to
  br i1 %over, label %end, label %work
work:
  %far = mul i64 %k, 5
  %found = getelementptr i64, ptr %data, i64 %far
  %x.line = call i64 @at(ptr %found, i64 1)
  %x = call ptr @to(ptr %found, i64 2)
  %y.line = call i64 @at(ptr %found, i64 3)
  %y = call ptr @to(ptr %found, i64 4)
  %out = call ptr @to(ptr %found, i64 5)
  %part = call ptr @part(ptr %plan, i64 %k)
  %left.64 = call i64 @at(ptr %part, i64 3)
  %left = trunc i64 %left.64 to i32
  %right.64 = call i64 @at(ptr %part, i64 4)
  %right = trunc i64 %right.64 to i32
  %rows = call i64 @at(ptr %part, i64 5)
  %columns = call i64 @at(ptr %part, i64 6)
  %inner = call i64 @at(ptr %part, i64 7)
  %out.line = call i64 @at(ptr %part, i64 13)
  call void %gemm(i32 ROW_MAJOR, i32 %left, i32 %right, i64 %rows, i64 %columns, i64 %inner, KIND 1.0, ptr %x,
    i64 %x.line, ptr %y, i64 %y.line, KIND 0.0, ptr %out, i64 %out.line)
  %more = add i64 %k, 1
  br label %look
end:
  ret void
}

define ptr @entry.KIND(ptr %self, ptr %given, i64 %count) {
begin:
  %plan = getelementptr i8, ptr %self, i64 HEAD
  %turns = call i64 @at(ptr %plan, i64 3)
  %room.found = mul i64 %turns, 5
  %room = add i64 %room.found, 1
  %data = alloca i64, i64 %room
  store ptr %plan, ptr %data
  br label %look
look:
  %k = phi i64 [ 0, %begin ], [ %more, %next ]
  %over = icmp uge i64 %k, %turns
  br i1 %over, label %go, label %work
work:
  %far = mul i64 %k, 5
  %found = getelementptr i64, ptr %data, i64 %far
  %x.line = getelementptr i64, ptr %found, i64 1
  %x.begin = getelementptr i64, ptr %found, i64 2
  %y.line = getelementptr i64, ptr %found, i64 3
  %y.begin = getelementptr i64, ptr %found, i64 4
  %out.begin = getelementptr i64, ptr %found, i64 5
  %part = call ptr @part(ptr %plan, i64 %k)
  %x.number = call i64 @at(ptr %part, i64 0)
  %x = call ptr @to(ptr %given, i64 %x.number)
  %x.how = call i64 @at(ptr %part, i64 3)
  %x.cut = getelementptr i64, ptr %part, i64 8
  %x.good = call i1 @place(ptr %x, i64 %x.how, ptr %x.cut, ptr %x.line, ptr %x.begin)
  %y.number = call i64 @at(ptr %part, i64 1)
  %y = call ptr @to(ptr %given, i64 %y.number)
  %y.how = call i64 @at(ptr %part, i64 4)
  %y.cut = getelementptr i64, ptr %part, i64 10
  %y.good = call i1 @place(ptr %y, i64 %y.how, ptr %y.cut, ptr %y.line, ptr %y.begin)
  %out.number = call i64 @at(ptr %part, i64 2)
  %out = call ptr @to(ptr %given, i64 %out.number)
  %out.data = call ptr @to(ptr %out, i64 DATA)
  %out.far = call i64 @at(ptr %part, i64 12)
  %out.part = getelementptr i8, ptr %out.data, i64 %out.far
  store ptr %out.part, ptr %out.begin
  %good = and i1 %x.good, %y.good
  br i1 %good, label %next, label %no
next:
  %more = add i64 %k, 1
  br label %look
no:
  call void @Py_IncRef(ptr @"dout.False")
  ret ptr @"dout.False"
go:
  %number = call ptr @to(ptr %plan, i64 0)
  %put = call ptr @to(ptr %plan, i64 1)
  %lock = call ptr @PyEval_SaveThread()
  %before = call i32 %number()
  %many = icmp ne i32 %before, 1
  br i1 %many, label %fewer, label %share
fewer:
  call void %put(i32 1)
  br label %share
share:
  call void @dout.share(ptr @run, ptr %data, i64 %turns, i64 -1)
  br i1 %many, label %back, label %end
back:
  call void %put(i32 %before)
  br label %end
end:
  call void @PyEval_RestoreThread(ptr %lock)
  call void @Py_IncRef(ptr @"dout.True")
  ret ptr @"dout.True"
}
"""


def _text(kind: str, size: int) -> str:
    """The machine code for one dtype, in LLVM's words; its own functions have the kind in their names."""
    words = {"FIELDS": len(_Part._fields), "HEAD": bytes.__basicsize__ - 1, "SIZE": size, "KIND": kind}
    words |= {"DATA": DATA // 8, "SHAPE": SHAPE // 8, "STRIDES": STRIDES // 8}
    words |= {"AS_IT_IS": _AS_IT_IS, "ROW_MAJOR": _ROW_MAJOR}
    return re.sub("|".join(rf"\b{word}\b" for word in words), lambda found: str(words[found[0]]), _CODE)


@cache
def _entries() -> dict[Any, tuple[Any, tuple[int, ...]]]:
    """For each dtype the address of its @entry, and the addresses that a plan begins with."""
    addresses, switch = blas_threads.products(), blas_threads.switch()
    if not addresses or switch is None or not binding.usable():
        return {}
    threads.prepare()
    machine = binding.target().create_target_machine(jit=True, opt=2)
    for name in ("PyEval_SaveThread", "PyEval_RestoreThread"):
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    for truth in (True, False):
        llvm.add_symbol(f"dout.{truth}", id(truth))
    found: dict[Any, tuple[Any, tuple[int, ...]]] = {}
    for kind, dtype in (("float", np.dtype(np.float32)), ("double", np.dtype(np.float64))):
        module = llvm.parse_assembly(CODE + _text(kind, dtype.itemsize))
        engine = threads.keep(llvm.create_mcjit_compiler(module, machine))
        engine.finalize_object()
        threads.start(engine.get_function_address("dout.worker"))
        found[dtype] = engine.get_function_address(f"entry.{kind}"), (*switch, addresses[dtype])
    return found


def together(functions: Sequence[Product]) -> Callable[..., None]:
    """A function of x, y and out of every product: `functions` are NumPy's, for matrices that the BLAS cannot take."""
    natives: list[Callable[..., Any]] = []
    refused: set[tuple[tuple[int, ...], ...]] = set()  # strides of matrices that the BLAS cannot take
    alone = [blas_threads.alone(function) for function in functions]

    def products(*given: Matrix) -> None:
        for run in natives:
            if run(*given):
                return
        strides = tuple(matrix.strides for matrix in given)
        if len(natives) < _LAYOUTS and strides not in refused:
            made = _native(given)
            if made is not None and made(*given):
                natives.append(made)
                return
            if len(refused) < _LAYOUTS:
                refused.add(strides)
        for function, own, x, y, out in zip(functions, alone, given[::3], given[1::3], given[2::3], strict=True):
            (own if _side(x, y, out) is None else function)(x, y, out)

    with kernel_cache.lock:  # no fork while LLVM compiles
        _entries()
    return products


def _native(given: Sequence[Matrix]) -> Callable[..., Any] | None:
    """The products of matrices that lie as these do; None where the BLAS cannot take them."""
    dtype = given[0].dtype
    hows = [_how(matrix) for matrix in given]
    if dtype not in _entries() or not all(hows) or any(matrix.dtype != dtype for matrix in given):
        return None
    if not all(out.flags.c_contiguous for out in given[2::3]):
        return None
    address, head = _entries()[dtype]
    sides = [_side(*given[k : k + 3]) for k in range(0, len(given), 3)]
    parts = [p for i, side in enumerate(sides) for p in _parts(3 * i, given[3 * i :], hows[3 * i :], side)]
    plan = struct.pack(f"{len(head) + 1}q", *head, len(parts)) + b"".join(struct.pack(f"{len(p)}q", *p) for p in parts)
    definition = threads.keep(binding.MethodDef(b"products", address, binding.METH_FASTCALL, None))
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
        ("PyCFunction_NewEx", ctypes.pythonapi)
    )
    run: Callable[..., Any] = make(ctypes.addressof(definition), plan, None)
    return run if _SUMS not in sides else _summed(run, len(parts), given[2])


def _side(x: Matrix, y: Matrix, out: Matrix) -> int | None:
    """Which of rows, columns and sums of a product is cut; None where it is small."""
    (rows, inner), columns = x.shape, y.shape[1]
    if 2 * rows * columns * inner <= SMALL_PRODUCT or threads.number() == 1:
        return None
    return _SUMS if inner > _LONG * max(rows, columns) and out.size <= _MOST else int(columns > rows)


def _parts(k: int, matrices: Sequence[Matrix], hows: Sequence[int], side: int | None) -> Iterator[_Part]:
    """The parts of a product, whose matrices are the arguments from number `k` on."""
    x, y, out = matrices[:3]
    lengths = [*x.shape[:1], *y.shape[1:], *x.shape[1:]]
    many = 1 if side is None else _EACH * threads.number()
    for i in range(many):
        sizes, cuts = list(lengths), (0, 0, 0, 0, 0)
        if side is not None:
            begin, end = (lengths[side] * j // many for j in (i, i + 1))
            sizes[side] = end - begin
            far = (begin * out.strides[0], begin * out.itemsize, i * out.nbytes)[side]
            cuts = ((0, begin, 0, 0, far), (0, 0, 1, begin, far), (1, begin, 0, begin, far))[side]
        yield _Part._make((k, k + 1, k + 2, hows[0], hows[1], *sizes, *cuts, lengths[1]))


def _summed(run: Callable[..., Any], many: int, like: Matrix) -> Callable[..., Any]:
    """A product from parts of its sums."""
    spare: list[Matrix] = []

    def product(x: Matrix, y: Matrix, out: Matrix) -> bool:
        try:
            parts = spare.pop()
        except IndexError:  # another thread has it
            parts = np.empty((many, *like.shape), like.dtype)
        done: bool = run(x, y, parts)
        if done:
            np.add.reduce(parts, 0, out=out)
        spare.append(parts)
        return done

    return product


def _how(matrix: Matrix) -> int:
    """How CBLAS takes a matrix: as it is or transposed; 0 where it cannot."""
    (down, across), size = matrix.strides, matrix.itemsize
    for how, step, line in ((_AS_IT_IS, across, down), (_TRANSPOSED, down, across)):
        length = matrix.shape[1 if how == _AS_IT_IS else 0]
        if step == size and line % size == 0 and line >= length * size:
            return how
    return 0
