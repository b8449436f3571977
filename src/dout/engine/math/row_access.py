"""How a kernel reads arrays whose rows are contiguous, though the whole is not: views like `A[:, H:2*H]`.

Numba takes the strides of an array that is not contiguous from the array, also that of the last axis: a loop along it
gathers its elements one by one. A loop over the few elements of a window takes longer than to move them as a vector.
Where rows of one array are columns of the other, elements are moved by squares.
The file imports Numba only, so that its text can stand in a module of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import load_item, make_array
from numba.types import intp, void


def _in_row(typing: Any, x: Any, index: Any) -> Any:
    """The element x[index], where the elements of a row lie one after the other and no index is negative."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = make_array(x)(context, builder, values[0])
        places = zip(cgutils.unpack_tuple(builder, values[1]), index, strict=True)
        *before, last = (context.cast(builder, place, kind, intp) for place, kind in places)
        strides = cgutils.unpack_tuple(builder, array.strides)
        row = array.data
        for place, stride in zip(before, strides, strict=False):
            row = cgutils.pointer_add(builder, row, builder.mul(place, stride))
        return load_item(context, builder, x, builder.gep(row, [last]))

    return x.dtype(x, index), generate


in_row = intrinsic(_in_row)


def _move_row(typing: Any, x: Any, out: Any, index: Any, length: Any) -> Any:
    """Set out[index] to x[index], rows of so many elements that lie one after the other; no index is negative."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        places = zip(cgutils.unpack_tuple(builder, values[2]), signature.args[2], strict=True)
        before = [context.cast(builder, place, kind, intp) for place, kind in places]
        rows = []
        for kind, value in ((x, values[0]), (out, values[1])):
            array = make_array(kind)(context, builder, value)
            row, strides = array.data, cgutils.unpack_tuple(builder, array.strides)
            for place, stride in zip(before, strides, strict=False):
                row = cgutils.pointer_add(builder, row, builder.mul(place, stride))
            vector = ir.VectorType(row.type.pointee, length.literal_value)
            rows.append(builder.bitcast(row, vector.as_pointer()))
        size = x.dtype.bitwidth // 8
        builder.store(builder.load(rows[0], align=size), rows[1], align=size)
        return context.get_dummy_value()

    return void(x, out, index, length), generate


move_row = intrinsic(prefer_literal=True)(_move_row)


SQUARE = 4  # elements along each of its two sides
_NEAR, _FAR = ([0, 4, 1, 5], [2, 6, 3, 7]), ([0, 1, 4, 5], [2, 3, 6, 7])


def turn_square(builder: Any, read: Sequence[Any], written: Sequence[Any], size: int) -> None:
    """Move the rows of a square that begin at the first four places to where its columns begin, at the other four."""

    def mixed(one: Any, other: Any, lanes: Sequence[int]) -> Any:
        return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(ir.IntType(32), SQUARE), lanes))

    vector = ir.VectorType(read[0].type.pointee, SQUARE).as_pointer()
    rows: list[Any] = [builder.load(builder.bitcast(place, vector), align=size) for place in read]
    upper, lower = ([mixed(rows[k], rows[k + 1], lanes) for k in (0, 2)] for lanes in _NEAR)
    columns = [mixed(one, other, lanes) for one, other in (upper, lower) for lanes in _FAR]
    for column, place in zip(columns, written, strict=True):
        builder.store(column, builder.bitcast(place, vector), align=size)


def _move_square(typing: Any, x: Any, out: Any, index: Any, axis: Any) -> Any:
    """Set four by four elements of `out` to those of `x`, from an index on, which has no negative number.

    They go along the last axis, along which those of `out` lie one after the other, and along another, where those of
    `x` do.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        places = zip(cgutils.unpack_tuple(builder, values[2]), signature.args[2], strict=True)
        start = [context.cast(builder, place, kind, intp) for place, kind in places]
        squares = []
        for kind, value, across in ((x, values[0], -1), (out, values[1], axis.literal_value)):
            array = make_array(kind)(context, builder, value)
            row, strides = array.data, cgutils.unpack_tuple(builder, array.strides)
            for place, stride in zip(start, strides, strict=True):
                row = cgutils.pointer_add(builder, row, builder.mul(place, stride))
            squares.append([row])
            for _ in range(SQUARE - 1):
                squares[-1].append(cgutils.pointer_add(builder, squares[-1][-1], strides[across]))
        turn_square(builder, squares[0], squares[1], x.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return void(x, out, index, axis), generate


move_square = intrinsic(prefer_literal=True)(_move_square)
