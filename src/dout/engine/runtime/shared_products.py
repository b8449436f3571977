"""Large products of matrices on dout's own threads: each takes parts, and calls NumPy's BLAS for them on one thread.

The BLAS' own threads wait for each other at each block. On a machine with other programs they wait for the system then:
(25, 57600) · (57600, 30) took 2.2 ms on one thread and 2.5 on two, but 20 and 1,000 in the mean.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from dout.engine.runtime import binding, blas_threads, kernel_cache, threads
from dout.engine.runtime.entry_point import DATA
from dout.engine.runtime.work_stealing import CODE

_EACH = 2  # parts for one thread: where one is slow, the other takes more
_LONG = 4  # times as long as the other sides: then parts of the sums are computed, and added up,
_MOST = 1 << 16  # if the result has no more elements: memory for the parts is kept
_ROW_MAJOR, _AS_IT_IS, _TRANSPOSED = 101, 111, 112  # as CBLAS counts
_FIELDS = ("x", "y", "out", "gemm", "left", "right", "rows", "columns", "inner", "x_line", "y_line", "out_line",
           "length", "side", "x_step", "y_step", "out_step", "out_part")  # fmt: skip
_Job = ctypes.c_int64 * len(_FIELDS)

# One part: lines of x, of y's columns, or of what is summed; `side` says which of the three lengths is cut.
_PART = """
define internal void @part.{kind}(ptr %data, i64 %index, i64 %total, i64 %turns) {{
{loads}
  %from.all = mul i64 %index, %length
  %from = udiv i64 %from.all, %total
  %next = add i64 %index, 1
  %to.all = mul i64 %next, %length
  %to = udiv i64 %to.all, %total
  %count = sub i64 %to, %from
{sizes}
{places}
  %f = inttoptr i64 %gemm to ptr
  %left32 = trunc i64 %left to i32
  %right32 = trunc i64 %right to i32
  %part.far = mul i64 %index, %out_part
  %c.part = getelementptr i8, ptr %c, i64 %part.far
  call void %f(i32 {major}, i32 %left32, i32 %right32, i64 %rows.n, i64 %columns.n, i64 %inner.n, {kind} 1.0, ptr %a,
    i64 %x_line, ptr %b, i64 %y_line, {kind} 0.0, ptr %c.part, i64 %out_line)
  ret void
}}

define void @product.{kind}(ptr %data, i64 %turns) {{
  call void @dout.share(ptr @part.{kind}, ptr %data, i64 %turns)
  ret void
}}
"""


def _text(kind: str) -> str:
    loads = "\n".join(
        f"  %at.{name} = getelementptr i64, ptr %data, i64 {i}\n  %{name} = load i64, ptr %at.{name}"
        for i, name in enumerate(_FIELDS)
    )
    sizes = "\n".join(
        f"  %cut.{name} = icmp eq i64 %side, {i}\n  %{name}.n = select i1 %cut.{name}, i64 %count, i64 %{name}"
        for i, name in enumerate(("rows", "columns", "inner"))
    )
    places = "\n".join(
        f"  %{name}.far = mul i64 %from, %{name}_step\n"
        f"  %{name}.array = inttoptr i64 %{name} to ptr\n"
        f"  %{name}.slot = getelementptr i8, ptr %{name}.array, i64 {DATA}\n"
        f"  %{name}.data = load ptr, ptr %{name}.slot\n"
        f"  %{pointer} = getelementptr i8, ptr %{name}.data, i64 %{name}.far"
        for name, pointer in (("x", "a"), ("y", "b"), ("out", "c"))
    )
    return _PART.format(kind=kind, loads=loads, sizes=sizes, places=places, major=_ROW_MAJOR)


@cache
def _functions() -> dict[Any, tuple[Any, int]]:
    """For each dtype what runs a product's parts on all threads, and the address of the BLAS' function."""
    addresses = blas_threads.products()
    if not addresses or not binding.usable() or threads.number() == 1:
        return {}
    threads.prepare()
    machine = binding.target().create_target_machine(jit=True, opt=2)
    module = llvm.parse_assembly(CODE + _text("float") + _text("double"))
    engine = threads.keep(llvm.create_mcjit_compiler(module, machine))
    engine.finalize_object()
    threads.start(engine.get_function_address("dout.worker"))
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)  # without Python's lock, as NumPy's own products
    names = {np.dtype(np.float32): "product.float", np.dtype(np.float64): "product.double"}
    return {dtype: (kind(engine.get_function_address(name)), addresses[dtype]) for dtype, name in names.items()}


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """A product of two matrices on all threads; as it is where they lie otherwise, or the BLAS is none that we know."""
    plans: dict[Any, _Plan | None] = {}
    run = blas_threads.alone(lambda plan, job, turns: plan.run(ctypes.addressof(job), turns))

    def product(x: Any, y: Any, out: Any) -> Any:
        key = (x.shape, x.strides, x.dtype, y.shape, y.strides, y.dtype, out.strides, out.dtype)
        if key not in plans:
            plans[key] = _plan(x, y, out)
        plan = plans[key]
        if plan is None:
            return function(x, y, out)
        parts: Any = None
        if plan.spare is not None:
            try:
                parts = plan.spare.pop()
            except IndexError:  # another thread has it
                parts = np.empty((plan.turns, *out.shape), out.dtype)
            parts[...] = 0  # one thread may do all of it, as one part
        job = _Job.from_buffer_copy(plan.job)
        job[0], job[1], job[2] = id(x), id(y), id(out if parts is None else parts)
        run(plan, job, plan.turns)
        if plan.spare is not None:
            np.add.reduce(parts, 0, None, out)
            plan.spare.append(parts)
        return out

    with kernel_cache.lock:  # no fork while LLVM compiles
        return product if _functions() else function


@dataclass(frozen=True)
class _Plan:
    """How products of matrices that lie so are cut: a job without its arrays; `spare` has memory for parts of sums."""

    run: Callable[..., None]
    job: bytes
    turns: int
    spare: list[Any] | None


def _plan(x: Any, y: Any, out: Any) -> _Plan | None:
    left, right = _lines(x), _lines(y)
    known = _functions().get(out.dtype)
    if known is None or not (x.dtype == y.dtype == out.dtype) or not left or not right or not out.flags.c_contiguous:
        return None
    run, gemm = known
    (rows, inner), columns, size = x.shape, y.shape[1], out.itemsize
    lengths = rows, columns, inner
    summed = inner > _LONG * max(rows, columns) and rows * columns <= _MOST
    side = 2 if summed else int(columns > rows)
    steps = ((x.strides[0], 0, columns * size), (0, y.strides[1], size), (x.strides[1], y.strides[0], 0))[side]
    given = (gemm, left[0], right[0], *lengths, left[1], right[1], columns)
    job = _Job(0, 0, 0, *given, lengths[side], side, *steps, out.nbytes * summed)
    return _Plan(run, bytes(job), _EACH * threads.number(), [] if summed else None)


def _lines(matrix: Any) -> tuple[int, int] | None:
    """How CBLAS takes a matrix: as it is or transposed, and how far apart its lines lie; None where it cannot."""
    (down, across), size = matrix.strides, matrix.itemsize
    for how, step, line in ((_AS_IT_IS, across, down), (_TRANSPOSED, down, across)):
        length = matrix.shape[1 if how == _AS_IT_IS else 0]
        if step == size and line % size == 0 and line >= length * size:
            return how, line // size
    return None
