"""A stack of matrices times one matrix is one product: of all their rows.

NumPy makes a product for each matrix of the stack. Each is small, and its BLAS lets threads wait in each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dout.graph import Graph, Node, rebuild, renewed, same_kind
from dout.ops import primitives
from dout.ops.abstract import AbstractRecorder

_OF_TWO = primitives("matmul dot")


def flat_products(graph: Graph) -> Graph:
    """Return the graph in which a stack of matrices times one matrix is one product, of all their rows."""
    return rebuild(graph, lambda node, new: _flat(renewed(node, new)))


def _flat(node: Node) -> Node:
    if node.primitive not in _OF_TWO or len(node.inputs[0].shape) < 3 or len(node.inputs[1].shape) != 2:
        return node
    recorder = AbstractRecorder(node.where)
    stack, matrix = (recorder.wrap(operand) for operand in node.inputs)
    *lengths, inner = node.inputs[0].shape
    product: Any = node.primitive(np.reshape(stack, (math.prod(lengths), inner)), matrix, **node.static)
    result: Any = np.reshape(product, node.shape)
    made: Node = result.node
    return made if made.shape == node.shape and same_kind(made.dtype, node.dtype) else node
