"""Products of matrices side by side on dout's own threads, each by NumPy's BLAS on one thread, or by our own code.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from dout.engine.runtime import binding, blas_threads, kernel_cache, product_tiles, threads
from dout.engine.runtime.parallel_threshold import is_small_product
from dout.engine.runtime.product_code import ONE_TURN, ProductPart, text
from dout.engine.runtime.product_tiles import AS_IT_IS, TRANSPOSED
from dout.engine.runtime.work_stealing import CODE

Matrix = np.ndarray[Any, Any]
Product = Callable[[Matrix, Matrix, Matrix], Any]

_EACH = 2  # parts of a large product for one thread: where one is slow, the other takes more
_LONG = 4  # times as long as the other sides: then parts of the sums are computed, and added up,
_MOST = 1 << 16  # if the result has no more elements: memory for the parts is kept
_SUMS = 2
_AT_ONCE = 10**6  # multiplications of a product whose factors OpenBLAS does not copy, and which find room in a cache
_MANY_SUMS = 128  # beside which a result is turned for next to nothing
_LITTLE = 16  # times as many elements has the other factor: then a copy costs next to nothing
_THIN = 32  # lengths of parts below which that gains nothing
_LAYOUTS = 4  # ways to lie that one function plans for
_STACK = 4096  # matrices that a plan takes, at most


@dataclass(frozen=True)
class _Entry:
    """The machine code of products of one dtype: its entry, the addresses that a plan begins with, and its tiles."""

    address: Any
    head: tuple[int, ...]
    tiles: Mapping[str | None, int]


def _entry(dtype: np.dtype[Any]) -> _Entry | None:
    """The machine code for a dtype; None where the BLAS has none that we can call."""
    with kernel_cache.lock:  # no fork while LLVM compiles
        return _compiled(dtype)


@cache
def _compiled(dtype: np.dtype[Any]) -> _Entry | None:
    addresses, switch = blas_threads.products(), blas_threads.switch()
    if dtype not in addresses or switch is None or not binding.usable():
        return None
    threads.prepare()
    for name in ("PyEval_SaveThread", "PyEval_RestoreThread"):
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    kind = "float" if dtype.itemsize == 4 else "double", dtype.itemsize, binding.vector()
    engine = binding.loaded(kernel_cache.object_code("products", repr(kind), lambda: CODE + text(*kind)))
    threads.start(engine.get_function_address("dout.worker"))
    tiles = {None: 0} | {name: engine.get_function_address(name) for name in product_tiles.NAMES}
    return _Entry(engine.get_function_address("entry"), (*switch, addresses[dtype]), tiles)


def together(functions: Sequence[Product], adds: Sequence[bool] = ()) -> Callable[..., None]:
    """A function of x, y and out of every product: `functions` are NumPy's, for matrices that the BLAS cannot take.

    Those that `adds` says are added to what is in `out`.
    """
    onto = tuple(adds) or (False,) * len(functions)
    natives: list[Callable[..., Any]] = []
    refused: set[tuple[tuple[int, ...], ...]] = set()  # strides of matrices that the BLAS cannot take
    alone = [blas_threads.alone(function) for function in functions]

    def products(*given: Matrix) -> None:
        for run in natives:
            if run(*given):
                return
        strides = tuple(matrix.strides for matrix in given)
        if len(natives) < _LAYOUTS and strides not in refused:
            made = _native(given, onto)
            if made is not None and made(*given):
                natives.append(made)
                return
            if len(refused) < _LAYOUTS:
                refused.add(strides)
        for i, (function, own) in enumerate(zip(functions, alone, strict=True)):
            x, y, out = given[3 * i : 3 * i + 3]
            result = np.empty_like(out) if onto[i] else out
            (own if _side(x, y, out) is None else function)(x, y, result)
            if onto[i]:
                np.add(out, result, out=out)

    return products


def _native(given: Sequence[Matrix], onto: Sequence[bool]) -> Callable[..., Any] | None:
    """The products of matrices that lie as these do; None where the BLAS cannot take them."""
    dtype = given[0].dtype
    hows = [_how(matrix) for matrix in given]
    if not all(hows) or any(matrix.dtype != dtype or not matrix.size for matrix in given) or _entry(dtype) is None:
        return None
    if not all(out.flags.c_contiguous for out in given[2::3]):
        return None
    sides = [_side(*given[k : k + 3]) for k in range(0, len(given), 3)]
    if len(sides) == 1 and hows[:2] == [TRANSPOSED, TRANSPOSED] and _of_columns_is_slow(dtype, given):
        return _of_columns(given, onto[0])
    if len(sides) == 1 and _meet_in_rows(hows) and _LITTLE * given[1].size <= given[0].size:
        turned = _turned(dtype, given, sides[0], onto[0])
        if turned is not None:
            return turned
    each = enumerate(zip(sides, onto, strict=True))
    parts = [p for i, (side, adds) in each for p in _parts(3 * i, given[3 * i :], hows[3 * i :], side, adds)]
    run = _planned(dtype, parts)
    return run if _SUMS not in sides else _summed(run, len(parts), given[2], onto[0])


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

    return products


def _native_stack(x: Matrix, y: Matrix, out: Matrix) -> Callable[..., Any] | None:
    """The products of matrices in stacks that lie as these do; None where the BLAS cannot take them."""
    lead, (rows, columns), inner = out.shape[:-2], out.shape[-2:], x.shape[-1]
    usual = x.dtype == y.dtype == out.dtype and out.flags.c_contiguous and _entry(out.dtype) is not None
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
        far = number * rows * columns * out.itemsize
        parts.append(ProductPart._make((0, 1, 2, *hows, *sizes, far, columns, 1, 0, 0, *ONE_TURN)))
    return _planned(out.dtype, parts)


def takes_patches(dtype: Any) -> bool:
    """Whether this machine has products of patches of a dtype."""
    return binding.vector() >= product_tiles.MASKS and _entry(np.dtype(dtype)) is not None


def of_patches(window: Sequence[int], transposed: bool) -> Callable[..., None]:
    """A function of images (N, H, W, C) in C order, a matrix and an array for the product of the images' patches by it.

    The patches of this window are rows, which go along (window, C); their transpose is multiplied if it is
    `transposed`. They are not written: each line of a window lies in the image.
    """
    natives, plain = dict[tuple[int, ...], Callable[..., Any]](), by_numpy(window, transposed)

    def product(image: Matrix, matrix: Matrix, out: Matrix) -> None:
        if not image.size or not matrix.size:
            plain(image, matrix, out)
            return
        image, matrix = np.ascontiguousarray(image), np.ascontiguousarray(matrix)  # as they are, almost always
        run = natives.get(image.shape)
        if run is None:
            if len(natives) == _LAYOUTS:
                natives.clear()
            natives[image.shape] = run = _planned(out.dtype, list(_patches(image, matrix, window, transposed)))
        if not run(image.swapaxes(2, 3) if transposed else image, matrix, out):
            plain(image, matrix, out)

    return product


def by_numpy(window: Sequence[int], transposed: bool) -> Callable[..., None]:
    """The same function by NumPy, which writes the patches."""

    def product(image: Matrix, matrix: Matrix, out: Matrix) -> None:
        patches = np.lib.stride_tricks.sliding_window_view(image, tuple(window), (1, 2)).transpose(0, 1, 2, 4, 5, 3)
        rows = patches.reshape(math.prod(patches.shape[:3]), math.prod(patches.shape[3:]))
        np.dot(rows.T if transposed else rows, matrix, out=out)

    return product


def _patches(image: Matrix, matrix: Matrix, window: Sequence[int], transposed: bool) -> Iterator[ProductPart]:
    """The parts of a product of patches: lines of results, or for their transpose lines of the window."""
    entry = _entry(image.dtype)
    assert entry is not None, "who asks for a plan has asked for that"
    (count, height, width, depth), columns = image.shape, matrix.shape[1]
    (high, wide), size = window, image.itemsize
    down, across, line, patch = height - high + 1, width - wide + 1, width * depth, wide * depth
    if transposed:
        parts = min(_EACH, patch) if threads.number() > 1 else 1
        for place in range(high):
            for part in range(parts):
                begin, end = (patch * i // parts for i in (part, part + 1))
                sizes = (TRANSPOSED, AS_IT_IS, end - begin, columns, across)
                far = (place * line + begin) * size, 0, 0, 0, 0, (place * patch + begin) * columns * size
                jumps = count, height * line, down * across * columns, 0, line, across * columns
                yield ProductPart(0, 1, 2, *sizes, 0, 0, 2, *far, columns, down, entry.tiles["beside"], 0, *jumps)
        return
    parts = min(down, -(-_EACH * threads.number() // count)) if threads.number() > 1 else 1
    for number in range(count):
        for part in range(parts):
            begin, end = (down * i // parts for i in (part, part + 1))
            sizes = (AS_IT_IS, AS_IT_IS, across, columns, patch)
            far = (number * height + begin) * line * size, 0, 0, 0, 0, (number * down + begin) * across * columns * size
            jumps = end - begin, line, 0, across * columns, line, patch * columns
            yield ProductPart(0, 1, 2, *sizes, 0, 0, 2, *far, columns, high, entry.tiles["beside"], 0, *jumps)


def _planned(dtype: Any, parts: Sequence[ProductPart]) -> Callable[..., Any]:
    """The function that computes all parts, of the arguments that these number."""
    entry = _entry(dtype)
    assert entry is not None, "who asks for a plan has asked for that"
    least = min(min(part.rows, part.columns, part.inner, part.pieces, part.turns) for part in parts)
    assert least > 0, "a loop of the machine code has one turn at least"
    tiled = [_with_tiles(part, dtype, entry) for part in parts]
    plan = b"".join(struct.pack(f"{len(one)}q", *one) for one in ((*entry.head, len(parts)), *tiled))
    definition = threads.keep(binding.MethodDef(b"products", entry.address, binding.METH_FASTCALL, None))
    return binding.function(definition, plan)


def _with_tiles(part: ProductPart, dtype: Any, entry: _Entry) -> ProductPart:
    """A part with the address of what stands for the BLAS, if anything does; that takes the sums in one piece."""
    if part.tiles or (name := _tiles(part, dtype)) is None:
        return part
    return part._replace(tiles=entry.tiles[name], pieces=1)


def _side(x: Matrix, y: Matrix, out: Matrix) -> int | None:
    """Which of rows, columns and sums of a product is cut; None where it is small."""
    (rows, inner), columns = x.shape, y.shape[1]
    if is_small_product(2 * rows * columns * inner, out.itemsize) or threads.number() == 1:
        return None
    return _SUMS if inner > _LONG * max(rows, columns) and out.size <= _MOST else int(columns > rows)


def _parts(
    k: int, matrices: Sequence[Matrix], hows: Sequence[int], side: int | None, adds: bool
) -> Iterator[ProductPart]:
    """The parts of a product, whose matrices are the arguments from number `k` on."""
    adds = adds and side != _SUMS
    out, lengths = matrices[2], _lengths(matrices)
    many = 1 if side is None else _EACH * threads.number()
    fitting = _fitting(lengths, hows, _SUMS if side is None else side)
    pieces = math.ceil(lengths[_SUMS] / many / fitting) if side in (None, _SUMS) else 1
    many = max(many, math.ceil(lengths[side] / fitting)) if side in (0, 1) else many
    many = many if side is None else min(many, lengths[side])
    for i in range(many):
        sizes, cuts = list(lengths), (0, 0, 0, 0, 0)
        if side is not None:
            begin, end = (lengths[side] * j // many for j in (i, i + 1))
            sizes[side] = end - begin
            far = (begin * out.strides[0], begin * out.itemsize, i * out.nbytes)[side]
            cuts = ((0, begin, 0, 0, far), (0, 0, 1, begin, far), (1, begin, 0, begin, far))[side]
        x_cut, y_cut = cuts[:2], cuts[2:4]
        numbers = (k, k + 1, k + 2, *hows[:2], *sizes, *x_cut, 0, 0, *y_cut, 0, 0, cuts[4], lengths[1], pieces, 0)
        yield ProductPart._make((*numbers, int(adds), *ONE_TURN))


def _lengths(matrices: Sequence[Matrix]) -> list[int]:
    """The rows and columns of a product, and how many products each sum has."""
    x, y = matrices[:2]
    return [*x.shape[:1], *y.shape[1:], *x.shape[1:]]


def _fitting(lengths: Sequence[int], hows: Sequence[int], side: int) -> int:
    """How long a part may be on a side, so that OpenBLAS takes its factors as they lie; all where that gains nothing.

    It does so slowly where the rows of both factors meet.
    """
    fitting = _AT_ONCE * lengths[side] // max(math.prod(lengths), 1)
    return max(lengths[side], 1) if _meet_in_rows(hows) or fitting < _THIN else fitting


def _meet_in_rows(hows: Sequence[int]) -> bool:
    """Whether rows of the first factor are multiplied by rows of the second."""
    return hows[0] == AS_IT_IS and hows[1] == TRANSPOSED


def _tiles(part: ProductPart, dtype: np.dtype[Any]) -> str | None:
    """The name of our own code for a part; None where the BLAS is faster."""
    sizes = part.rows, part.columns, part.inner, part.left, part.right
    return product_tiles.function(*sizes, size=dtype.itemsize, vector=binding.vector())


def _turned(dtype: Any, given: Sequence[Matrix], side: int | None, adds: bool) -> Callable[..., Any] | None:
    """A product by a small second factor, of which a copy in rows is multiplied; None where that gains nothing."""
    cut = None if side is None else 0
    meeting, parts = (list(_parts(0, given, (AS_IT_IS, how), cut, adds)) for how in (TRANSPOSED, AS_IT_IS))
    if side != 0 and (_tiles(meeting[0], dtype) is not None or _tiles(parts[0], dtype) is None):
        return None
    run = _planned(dtype, parts)

    def product(x: Matrix, y: Matrix, out: Matrix, rows: Matrix) -> bool:
        rows[...] = y
        return bool(run(x, rows, out))

    return _with_spare(given[1].shape, dtype, product)


def _of_columns_is_slow(dtype: np.dtype[Any], given: Sequence[Matrix]) -> bool:
    """Whether a product of factors that lie by columns is slower than the one of these columns as rows.

    Its result is turned then: that costs little beside long sums, and where it is small beside the factors.
    """
    rows, columns, inner = _lengths(given)
    x, y, out = given
    if inner < _MANY_SUMS or out.size > min(_MOST, (x.size + y.size) // _LITTLE):
        return False
    how = {"size": dtype.itemsize, "vector": binding.vector()}
    return product_tiles.function(columns, rows, inner, AS_IT_IS, AS_IT_IS, **how) is not None


def _of_columns(given: Sequence[Matrix], adds: bool) -> Callable[..., Any] | None:
    """A product of factors that lie by columns: of these as rows, in the other order, which gives its transpose."""
    x, y, out = given
    run = _native((y.T, x.T, np.empty(out.shape[::-1], out.dtype)), (False,))

    def product(x: Matrix, y: Matrix, out: Matrix, turned: Matrix) -> bool:
        done = run is not None and bool(run(y.T, x.T, turned))
        if done:
            np.add(out, turned.T, out=out) if adds else np.copyto(out, turned.T)
        return done

    return _with_spare(out.shape[::-1], out.dtype, product)


def _summed(run: Callable[..., Any], many: int, like: Matrix, adds: bool) -> Callable[..., Any]:
    """A product from parts of its sums."""

    def product(x: Matrix, y: Matrix, out: Matrix, parts: Matrix) -> bool:
        done = bool(run(x, y, parts))
        if done and adds:
            np.add(out, np.add.reduce(parts, 0), out=out)
        elif done:
            np.add.reduce(parts, 0, out=out)
        return done

    return _with_spare((many, *like.shape), like.dtype, product)


def _with_spare(shape: tuple[int, ...], dtype: Any, product: Callable[..., bool]) -> Callable[..., bool]:
    """A product that needs an array of its own while it runs, which is kept for the next time."""
    spare: list[Matrix] = []

    def run(*given: Matrix) -> bool:
        try:
            own = spare.pop()
        except IndexError:  # another thread has it
            own = np.empty(shape, dtype)
        done = product(*given, own)
        spare.append(own)
        return done

    return run


def _how(matrix: Matrix) -> int:
    """How CBLAS takes a matrix: as it is or transposed; 0 where it cannot."""
    (down, across), size = matrix.strides, matrix.itemsize
    for how, step, line in ((AS_IT_IS, across, down), (TRANSPOSED, down, across)):
        length = matrix.shape[1 if how == AS_IT_IS else 0]
        if step == size and line % size == 0 and line >= length * size:
            return how
    return 0
