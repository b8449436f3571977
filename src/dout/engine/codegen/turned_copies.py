"""Copies in which rows become columns: they go by squares of elements, and by so many that the first cache holds them.

An array of images with the channels last, copied channel by channel, is read and written a line of the cache at a time.
Element by element each line would be fetched as often as it has elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from dout.engine.ir.iteration_space import LARGE, SIDE
from dout.engine.lowering.entry_point import WORK, ArrayType
from dout.engine.memory.buffer_layout import BufferLayout
from dout.engine.runtime import kernel_cache
from dout.engine.runtime.parallel_threshold import OVERHEAD, parallel_pays
from dout.graph import Node, Primitive, Shape
from dout.ops import by_primitive
from dout.rewrite.window_forms import basic_key

_BLOCK = 32  # squares along the last axis: with as many lines of the cache as elements they fill a quarter of the first
_COST = 2  # operations an element, about

Move = Callable[[Any, Any], None]  # of an array, and of one that is set to it


def turned_copy(node: Node, forms: Mapping[Node, BufferLayout]) -> Callable[..., Any] | None:
    """The function for a copy, or for a write into a part of an array; None where rows stay rows, or are short.

    That of a copy takes an array and one in C order, which it sets to it; that of a write takes an array in C order and
    what is written, and returns True.
    """
    make = _MAKERS.get(node.primitive)
    return make(node, forms) if make else None


def _copy(node: Node, forms: Mapping[Node, BufferLayout]) -> Move | None:
    (x,) = node.inputs
    if x not in forms or x.dtype != node.dtype:
        return None
    joined = _joined(node.shape, forms[x])
    shape = tuple(math.prod(node.shape[k] for k in axes) for axes in joined)
    along = next((k for k, axes in enumerate(joined) if forms[x].along in axes), None)
    move = _moving(shape, along, forms[x], np.dtype(node.dtype))
    if move is None or shape == node.shape:
        return move
    inner = move

    def wide(given: Any, out: Any) -> None:
        inner(given.reshape(shape), out.reshape(shape))

    return wide


def _write(node: Node, forms: Mapping[Node, BufferLayout]) -> Callable[[Any, Any], bool] | None:
    whole, part, *index = node.inputs
    key = None if index else basic_key(node.static["key"], whole.shape)
    if key is None or not all(isinstance(one, slice) and one.step in (None, 1) for one in key):
        return None
    if part not in forms or part.shape != node.static["selected"] or part.dtype != node.dtype:
        return None
    at, move = tuple(key), _moving(part.shape, forms[part].along, forms[part], np.dtype(part.dtype))
    if move is None:
        return None
    inner = move

    def write(target: Any, value: Any) -> bool:
        place = target[at]
        if np.may_share_memory(value, place):  # another part of the same array: NumPy copies first where they overlap
            place[...] = value
        else:
            inner(value, place)
        return True

    return write


def _joined(shape: Shape, form: BufferLayout) -> list[list[int]]:
    """The axes, in groups of which each is one axis of another view of an array, without those of length one."""
    order = form.order if isinstance(form.order, tuple) else range(len(shape))
    lying = [axis for axis in order if shape[axis] > 1]
    after = dict(pairwise(lying)) if isinstance(form.order, tuple) else {}
    groups: list[list[int]] = []
    for axis in sorted(lying):
        if groups and after.get(groups[-1][-1]) == axis:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups


def _moving(shape: Shape, along: int | None, form: BufferLayout, dtype: np.dtype[Any]) -> Move | None:
    """A function that sets an array to another one of this shape, whose elements lie along one of its axes."""
    last = len(shape) - 1
    if along is None or along == last or not form.readable or dtype.kind not in "fiub" or dtype == np.float16:
        return None
    if math.prod(shape) < LARGE or min(shape[along], shape[last]) < SIDE:
        return None
    text = _text(last + 1, along, parallel=parallel_pays(math.prod(shape), _COST) and last > 1)
    kind = np.dtype(np.uint8) if dtype == np.bool_ else dtype
    types = ArrayType(kind, last + 1, "A"), ArrayType(kind, last + 1, "A", written=True)
    run = kernel_cache.load(_name(last + 1, along), text, types, meaning=text)

    def move(x: Any, out: Any) -> None:
        if x.strides[along] == out.strides[last] == x.itemsize:
            run(*((x, out) if kind == dtype else (x.view(kind), out.view(kind))))
        else:
            out[...] = x

    return move


def _name(rank: int, axis: int) -> str:
    return f"turn_{rank}_{axis}"


def _text(rank: int, axis: int, *, parallel: bool) -> str:
    """The module of the function that moves arrays with so many axes; those of the first lie along one of them."""
    last, outer = rank - 1, [k for k in range(rank - 1) if k != axis]
    at = ", ".join(f"i{k}" for k in range(rank))
    square = ", ".join("4 * a" if k == axis else "4 * b" if k == last else f"i{k}" for k in range(rank))
    opened = [f"for i{k} in {'prange' if parallel and k == outer[0] else 'range'}(x.shape[{k}]):" for k in outer]
    inside = [
        f"for first in range(0, wide, {_BLOCK}):",
        f"    end = min(first + {_BLOCK}, wide)",
        "    for a in range(high):",
        "        for b in range(first, end):",
        f"            move_square(x, out, ({square}), {axis})",
        f"    for i{axis} in range(4 * high, x.shape[{axis}]):",
        f"        for i{last} in range(4 * first, 4 * end):",
        f"            out[{at}] = x[{at}]",
        f"for i{last} in range(4 * wide, x.shape[{last}]):",
        f"    for i{axis} in range(x.shape[{axis}]):",
        f"        out[{at}] = x[{at}]",
    ]
    lines = [f"high, wide = x.shape[{axis}] // 4, x.shape[{last}] // 4"]
    lines += [f"{WORK} = x.size * {OVERHEAD + _COST}"] if parallel else []
    lines += ["    " * depth + line for depth, line in enumerate(opened)]
    lines += ["    " * len(opened) + line for line in inside]
    options = 'error_model="numpy"' + (", parallel=True" if parallel else "")
    head = f"import numpy as np\nfrom numba import njit{', prange' if parallel else ''}\n\n"
    head += f"from dout.engine.math.row_access import move_square\n\n\n@njit({options})\n"
    return head + "\n".join([f"def {_name(rank, axis)}(x, out):", *(f"    {line}" for line in lines), ""])


_MAKERS: Mapping[Primitive, Callable[[Node, Mapping[Node, BufferLayout]], Callable[..., Any] | None]] = by_primitive(
    {"copy": _copy, "setitem": _write}
)
