"""How rows use memory: which may return a view, and which can compute into a given array."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from dout.graph import CONSTANT, Node
from dout.ops import PRIMITIVES, primitives
from dout.ops.operators import is_basic
from dout.rewrite.node_facts import FILLED

# Rows through which a view may be written say so themselves (`write_back`); these return views, or their input, too.
_VIEWS = primitives("broadcast_to asarray diag windows around places")
# Views of any array; the others look at its memory first.
_ALWAYS = primitives("transpose getitem broadcast_to windows diagonal")

IN_PLACE = primitives("setitem add_at")  # a copy with some elements changed, or the same array where nobody minds

_WITH_OUT = primitives("matmul dot fold argmax argmin")  # always in C order
_TAKING_OUT = primitives("sum mean var std prod max min any all concatenate")
_DIVIDED = primitives("mean var std")  # of halves NumPy rounds once, but into an array of them twice


def is_array(node: Node) -> bool:
    """Whether its value is NumPy's and lies in memory; a plain Python number does not."""
    return isinstance(node.dtype, np.dtype)


def nbytes(value: Node) -> int:
    """The memory of a value; a literal has none."""
    return 0 if value.primitive is CONSTANT else math.prod(value.shape) * np.dtype(value.dtype).itemsize


def bases(node: Node) -> tuple[Node, ...]:
    """The inputs whose memory a node's value may lie in."""
    row = node.primitive
    if row.write_back is None and row not in _VIEWS:
        return ()
    if row is PRIMITIVES["getitem"] and not is_basic(node.static["key"]) and any(i.shape for i in node.inputs[1:]):
        return ()  # but a number in an array is a number to NumPy, which gives a view
    inputs = node.inputs if row in primitives("einsum places") else node.inputs[:1]
    return tuple(i for i in inputs if is_array(i))


def is_view(node: Node, contiguous: Collection[Node]) -> bool:
    """Whether a node with `bases` is a view for certain; `contiguous` are known to lie in C order."""
    sure = node.primitive in _ALWAYS and is_basic(node.static.get("key"))
    return sure or keeps_order(node, contiguous)


def keeps_order(node: Node, contiguous: Collection[Node]) -> bool:
    """Whether it reshapes a C-contiguous input, so that all elements keep their order."""
    flat = node.primitive in primitives("reshape ravel") and node.static.get("order", "C") == "C"
    return flat and node.inputs[0] in contiguous


def way(node: Node) -> str:
    """How a row computes into a C-contiguous array that it is given, or "" where it does not.

    "out": its forward takes the array as `out`. "fill": `array[...] = ` the number. "copy": `array[...] = ` its input.
    "write": as "copy", unless the array is that of its first input, and then the elements.
    """
    row = node.primitive
    if node.shape == () or not is_array(node):
        return ""
    full = row is PRIMITIVES["full"] and np.can_cast(node.inputs[0].dtype, np.dtype(node.dtype), "same_kind")
    if full or row in FILLED:
        return "fill"
    if row in primitives("copy astype"):
        return "copy"
    if row in IN_PLACE:
        return "write"
    if row in _DIVIDED and node.dtype == np.float16:
        return ""
    return "out" if row in _WITH_OUT or row in _TAKING_OUT or isinstance(row.forward, np.ufunc) else ""


def into(node: Node, contiguous: Collection[Node]) -> str:
    """The `way` of a row where NumPy's own result would lie in C order too: then no bit of what follows changes."""
    row, order = node.primitive, node.static.get("order", "C" if way(node) == "fill" else "K")
    if order not in ("C", "K"):
        return ""
    orderly = way(node) == "fill" or row in _WITH_OUT or order == "C"
    return way(node) if orderly or all(i in contiguous or i.shape == () for i in node.inputs) else ""


def elementwise(node: Node) -> bool:
    """Whether NumPy may compute it over one of its inputs."""
    forward = node.primitive.forward
    return isinstance(forward, np.ufunc) and forward.signature is None
