"""How a kernel reads arrays whose rows are contiguous, though the whole is not: views like `A[:, H:2*H]`.

Numba takes the strides of an array that is not contiguous from the array, also that of the last axis: a loop along it
gathers its elements one by one. A loop over the few elements of a window takes longer than to move them as a vector.
The file imports Numba only, so that its text can stand in a module of its own.
"""

from __future__ import annotations

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
