"""How a kernel reads arrays whose rows are contiguous, though the whole is not: views like `A[:, H:2*H]`.

Numba takes the strides of an array that is not contiguous from the array, also that of the last axis: a loop along it
gathers its elements one by one. The file imports Numba only, so that its text can stand in a module of its own.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import load_item, make_array
from numba.types import intp


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
