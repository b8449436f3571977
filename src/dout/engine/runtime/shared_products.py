"""Products of matrices side by side on dout's own threads, each by NumPy's BLAS on one thread.

The BLAS' own threads wait for each other at each block. On a machine with other programs they wait for the system then:
(25, 57600) · (57600, 30) took 2.2 ms on one thread and 2.5 on two, but 20 and 1,000 in the mean.

One native call does several products that do not need each other: steps of a program, or those of a stack of matrices,
as the heads of attention are. A large one is cut into parts. The program that calls has looked at shapes and dtypes,
and made the results. The call looks whether rows and columns of the factors lie as planned, and does nothing otherwise.
"""

from __future__ import annotations

import ctypes
import math
import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from dout.engine.runtime import binding, blas_threads, kernel_cache, threads
from dout.engine.runtime.parallel_threshold import is_small_product
from dout.engine.runtime.product_code import AS_IT_IS, TRANSPOSED, ProductPart, text
from dout.engine.runtime.work_stealing import CODE

Matrix = np.ndarray[Any, Any]
Product = Callable[[Matrix, Matrix, Matrix], Any]

_EACH = 2  # parts of a large product for one thread: where one is slow, the other takes more
_LONG = 4  # times as long as the other sides: then parts of the sums are computed, and added up,
_MOST = 1 << 16  # if the result has no more elements: memory for the parts is kept
_SUMS = 2
_AT_ONCE = 10**6  # multiplications of a product whose factors OpenBLAS does not copy, and which find room in a cache
_LITTLE = 16  # times as many elements has the other factor: then a copy costs next to nothing
_THIN = 32  # lengths of parts below which that gains nothing
_FEW = 4  # rows, below which nothing is gained by another order
_TALL, _NARROW = 96, 32  # rows from which on, and columns up to which, our own code is faster than the BLAS
_THINNEST, _DEEP = 8, 1024  # so it is for so few rows or columns of long sums
_ON_STACK = 1 << 14  # numbers of a copy that lives as long as a product
_LAYOUTS = 4  # ways to lie that one function plans for
_STACK = 4096  # matrices that a plan takes, at most


@cache
def _entries() -> dict[Any, tuple[Any, tuple[int, ...]]]:
    """For each dtype the address of its @entry, and the addresses that a plan begins with."""
    addresses, switch = blas_threads.products(), blas_threads.switch()
    if not addresses or switch is None or not binding.usable():
        return {}
    threads.prepare()
    name, features = binding.host()
    machine = binding.target().create_target_machine(name, features, jit=True, opt=2)
    for name in ("PyEval_SaveThread", "PyEval_RestoreThread"):
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    for truth in (True, False):
        llvm.add_symbol(f"dout.{truth}", id(truth))
    found: dict[Any, tuple[Any, tuple[int, ...]]] = {}
    for kind, dtype in (("float", np.dtype(np.float32)), ("double", np.dtype(np.float64))):
        module = llvm.parse_assembly(CODE + text(kind, dtype.itemsize, _vector()))
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
    sides = [_side(*given[k : k + 3]) for k in range(0, len(given), 3)]
    little = len(sides) == 1 and _meet_in_rows(hows) and _LITTLE * given[1].size <= given[0].size
    if little and (sides == [0] or _is_narrow(_lengths(given), (AS_IT_IS, AS_IT_IS))):
        return _turned(dtype, given)
    parts = [p for i, side in enumerate(sides) for p in _parts(3 * i, given[3 * i :], hows[3 * i :], side)]
    run = _planned(dtype, parts)
    return run if _SUMS not in sides else _summed(run, len(parts), given[2])


def stacked() -> Callable[..., None]:
    """A function of two stacks of matrices and one for their products, as `np.matmul` takes them."""
    natives: list[
        tuple[Any, Callable[..., Any] | None]
    ] = []  # by strides; None where the BLAS cannot take the matrices
    alone = blas_threads.alone(np.matmul)

    def products(x: Matrix, y: Matrix, out: Matrix) -> None:
        strides = x.strides, y.strides, out.strides
        run = next((native for planned, native in natives if planned == strides), None)
        if run is None and len(natives) < _LAYOUTS and all(planned != strides for planned, _ in natives):
            run = _native_stack(x, y, out)
            natives.append((strides, run))
        if run is None or not run(x, y, out):
            alone(x, y, out)

    with kernel_cache.lock:
        _entries()
    return products


def _native_stack(x: Matrix, y: Matrix, out: Matrix) -> Callable[..., Any] | None:
    """The products of matrices in stacks that lie as these do; None where the BLAS cannot take them."""
    lead, (rows, columns), inner = out.shape[:-2], out.shape[-2:], x.shape[-1]
    usual = x.dtype == y.dtype == out.dtype and out.dtype in _entries() and out.flags.c_contiguous
    if not usual or not out.size or not inner or math.prod(lead) > _STACK:
        return None
    wide = [np.broadcast_to(stack, (*lead, *stack.shape[-2:])) for stack in (x, y)]
    hows = [_how(stack[(0,) * len(lead)]) for stack in wide]
    if not all(hows):
        return None
    parts = []
    for number, place in enumerate(np.ndindex(*lead)):
        x_far, y_far = (sum(map(operator.mul, place, stack.strides)) for stack in wide)
        sizes = (rows, columns, inner, 0, 0, x.ndim - 2, x_far, 0, 0, y.ndim - 2, y_far)
        parts.append(
            ProductPart._make((0, 1, 2, *hows, *sizes, number * rows * columns * out.itemsize, columns, 1, 0, 0))
        )
    return _planned(out.dtype, parts)


def _planned(dtype: Any, parts: Sequence[ProductPart]) -> Callable[..., Any]:
    """The function that computes all parts, of the arguments that these number."""
    address, head = _entries()[dtype]
    plan = struct.pack(f"{len(head) + 1}q", *head, len(parts)) + b"".join(struct.pack(f"{len(p)}q", *p) for p in parts)
    definition = threads.keep(binding.MethodDef(b"products", address, binding.METH_FASTCALL, None))
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
        ("PyCFunction_NewEx", ctypes.pythonapi)
    )
    run: Callable[..., Any] = make(ctypes.addressof(definition), plan, None)
    return run


def _side(x: Matrix, y: Matrix, out: Matrix) -> int | None:
    """Which of rows, columns and sums of a product is cut; None where it is small."""
    (rows, inner), columns = x.shape, y.shape[1]
    if is_small_product(2 * rows * columns * inner, out.itemsize) or threads.number() == 1:
        return None
    return _SUMS if inner > _LONG * max(rows, columns) and out.size <= _MOST else int(columns > rows)


def _parts(k: int, matrices: Sequence[Matrix], hows: Sequence[int], side: int | None) -> Iterator[ProductPart]:
    """The parts of a product, whose matrices are the arguments from number `k` on."""
    out, lengths = matrices[2], _lengths(matrices)
    narrow = _is_narrow(lengths, hows)
    many = 1 if side is None else _EACH * threads.number()
    fitting = max(*lengths, 1) if narrow else _fitting(lengths, hows, _SUMS if side is None else side)
    pieces = math.ceil(lengths[_SUMS] / many / fitting) if side in (None, _SUMS) else 1
    many = max(many, math.ceil(lengths[side] / fitting)) if side in (0, 1) else many
    for i in range(many):
        sizes, cuts = list(lengths), (0, 0, 0, 0, 0)
        if side is not None:
            begin, end = (lengths[side] * j // many for j in (i, i + 1))
            sizes[side] = end - begin
            far = (begin * out.strides[0], begin * out.itemsize, i * out.nbytes)[side]
            cuts = ((0, begin, 0, 0, far), (0, 0, 1, begin, far), (1, begin, 0, begin, far))[side]
        x_cut, y_cut = cuts[:2], cuts[2:4]
        turned = side is None and _meet_in_rows(hows) and _is_flat(*lengths)
        how = pieces, int(turned), int(narrow)
        yield ProductPart._make(
            (k, k + 1, k + 2, *hows[:2], *sizes, *x_cut, 0, 0, *y_cut, 0, 0, cuts[4], lengths[1], *how)
        )


def _lengths(matrices: Sequence[Matrix]) -> list[int]:
    """The rows and columns of a product, and how many products each sum has."""
    x, y = matrices[:2]
    return [*x.shape[:1], *y.shape[1:], *x.shape[1:]]


@cache
def _vector() -> int:
    """Bytes of a vector of this processor; 0 where our own code for narrow products was not tried."""
    _, features = binding.host()
    return 0 if "+fma" not in features else 64 if "+avx512f" in features else 32


def _is_narrow(lengths: Sequence[int], hows: Sequence[int]) -> bool:
    """Whether our own code does a product faster than the BLAS, which copies both factors first."""
    rows, columns, inner = lengths
    if not _vector() or hows[1] != AS_IT_IS or not inner:
        return False
    tall = hows[0] == AS_IT_IS and rows >= _TALL and min(columns, inner) <= _NARROW
    return tall or (min(rows, columns) <= _THINNEST and inner >= _DEEP)


def _fitting(lengths: Sequence[int], hows: Sequence[int], side: int) -> int:
    """How long a part may be on a side, so that OpenBLAS takes its factors as they lie; all where that gains nothing.

    It does so slowly where the rows of both factors meet.
    """
    fitting = _AT_ONCE * lengths[side] // max(math.prod(lengths), 1)
    return max(lengths[side], 1) if _meet_in_rows(hows) or fitting < _THIN else fitting


def _meet_in_rows(hows: Sequence[int]) -> bool:
    """Whether rows of the first factor are multiplied by rows of the second."""
    return hows[0] == AS_IT_IS and hows[1] == TRANSPOSED


def _is_flat(rows: int, columns: int, inner: int) -> bool:
    """Whether so few rows meet many that copies of the few, and of the result, cost little beside their product."""
    few = _FEW <= rows <= _THIN <= columns // 2 and inner >= _THIN and rows * (inner + columns) <= _ON_STACK
    return few and rows * columns * inner <= _AT_ONCE


def _turned(dtype: Any, given: Sequence[Matrix]) -> Callable[..., Any]:
    """A product by a small second factor, of which a copy in rows is multiplied."""
    run, spare = _planned(dtype, list(_parts(0, given, (AS_IT_IS, AS_IT_IS, AS_IT_IS), 0))), list[Matrix]()

    def product(x: Matrix, y: Matrix, out: Matrix) -> bool:
        try:
            rows = spare.pop()
        except IndexError:  # another thread has it
            rows = np.empty(y.shape, y.dtype)
        rows[...] = y
        done: bool = run(x, rows, out)
        spare.append(rows)
        return done

    return product


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
    for how, step, line in ((AS_IT_IS, across, down), (TRANSPOSED, down, across)):
        length = matrix.shape[1 if how == AS_IT_IS else 0]
        if step == size and line % size == 0 and line >= length * size:
            return how
    return 0
