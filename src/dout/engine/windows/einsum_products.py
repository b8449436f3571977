"""`np.einsum` of two arrays as a product of matrices: NumPy's own goes over elements, without its BLAS.

Letters of the windows of a convolution become axes of patches, which later passes read from the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.graph import Graph, Node, rebuild, renewed
from dout.ops import PRIMITIVES
from dout.rewrite.node_facts import recorded_operands, standing_for

_SMALL = 1 << 12  # multiplications, below which turns and reshapes cost more than NumPy's loop


def einsum_products(graph: Graph) -> Graph:
    """Return the graph in which `einsum` of two arrays is a product of matrices, if it adds up what it multiplies."""
    return rebuild(graph, _changed)


def _changed(old: Node, new: Mapping[Node, Node]) -> Node:
    node = renewed(old, new)
    if node.primitive is not PRIMITIVES["einsum"] or len(node.inputs) != 2 or "." in node.static["subscripts"]:
        return node
    given, _, result = node.static["subscripts"].replace(" ", "").partition("->")
    one, other = given.split(",")
    lengths: dict[str, set[int]] = {}
    for letters, operand in zip((one, other), node.inputs, strict=True):
        for letter, length in zip(letters, operand.shape, strict=True):
            lengths.setdefault(letter, set()).add(length)
    sizes = {letter: max(several) for letter, several in lengths.items()}
    floats = all(operand.dtype == node.dtype for operand in node.inputs) and node.dtype in (np.float32, np.float64)
    added = (set(one) & set(other)) - set(result)
    if not floats or not added or any(len(several) > 1 for several in lengths.values()):
        return node
    if not (set(one) ^ set(other)) <= set(result) or math.prod(sizes.values()) < _SMALL:
        return node  # a letter is added up alone, or there is little to do
    if any(math.prod(sizes[i] for i in set(mine) - set(theirs)) == 1 for mine, theirs in ((one, other), (other, one))):
        return node  # a product with a vector: NumPy's loop is faster
    x, y = recorded_operands(node)
    if result[-1:] in set(one) - set(other):  # the columns of the product are those of the result
        x, y, one, other = y, x, other, one
    return standing_for(node, _product(x, y, one, other, result, sizes).node)


def _product(x: Any, y: Any, one: str, other: str, result: str, sizes: Mapping[str, int]) -> Any:
    """The product, stack by stack of the letters that both arrays and the result have."""
    stack = [letter for letter in result if letter in one and letter in other]
    rows = [letter for letter in result if letter in one and letter not in other]
    columns = [letter for letter in result if letter in other and letter not in one]
    added = [letter for letter in one if letter in other and letter not in result]
    lines, width, inner = (math.prod(sizes[letter] for letter in part) for part in (rows, columns, added))
    many = [math.prod(sizes[letter] for letter in stack)] if stack else []
    left = np.reshape(np.transpose(x, [one.index(i) for i in (*stack, *rows, *added)]), (*many, lines, inner))
    right = np.reshape(np.transpose(y, [other.index(i) for i in (*stack, *added, *columns)]), (*many, inner, width))
    order = [*stack, *rows, *columns]
    apart = np.reshape(np.matmul(left, right), [sizes[letter] for letter in order])
    return np.transpose(apart, [order.index(letter) for letter in result])
