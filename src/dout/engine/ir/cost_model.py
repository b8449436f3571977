"""What a step costs, counted in bytes moved through memory: the one place where fusion weighs its choices."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from dout.engine.ir.aliasing import IN_PLACE, nbytes
from dout.engine.ir.iteration_space import FREE
from dout.engine.ir.kernel_group import PatchProduct, Products, Step
from dout.engine.ir.scalar_expressions import REDUCTIONS, functions_of
from dout.graph import Node
from dout.ops import PRIMITIVES, primitives
from dout.ops.linalg import multiply_adds
from dout.ops.operators import is_basic

CALL = 16_000  # one more kernel costs 0.3 µs, in which memory would have moved so many bytes
SMALL = 4096  # elements: below, one ufunc of NumPy's is as fast as a kernel, which first must be compiled
_BYTES_A_FLOP = 0.5  # of float32; the machine computes about four numbers while it moves one, less where caches serve

# Operations an element, as the hardware takes them; what is neither here nor calls a function is one.
_FLOPS = {
    **dict.fromkeys(FREE, 0),
    **dict.fromkeys(primitives("copy astype positive asarray"), 0),
    **dict.fromkeys(primitives("divide sqrt reciprocal mod floor_divide"), 4),
}
# Of functions, as vectorised polynomials; of those that have none here, as NumPy computes them.
_FLOPS_OF_FUNCTIONS = {
    **dict.fromkeys(("maximum", "minimum", "abs"), 1),
    **dict.fromkeys(("exp", "exp2", "expm1"), 16),
    "sigmoid": 20,
    **dict.fromkeys(("log", "log2", "log10", "log1p", "tanh", "sinh", "cosh", "sin", "cos"), 26),
    **dict.fromkeys(("erf", "softplus", "log_sigmoid", "tan"), 40),
    "pow": 200,
}
_ELSEWHERE = 48
_PRODUCTS = primitives("matmul dot inner")
_OF_TWO = primitives("matmul dot")
_VIEWS = primitives("broadcast_to reshape ravel transpose diagonal")


def bytes_moved(step: Step, *, in_place: bool = False) -> int:
    """Bytes that a step reads and writes when each of its arrays moves once; a view moves none.

    Of an array from which elements are taken, these move alone; so of one into which they are written `in_place`.

    >>> from dout.graph import INPUT
    >>> from dout.ops.elementwise import add
    >>> x = Node(INPUT, (), {}, (1000,), np.dtype("f4"))
    >>> bytes_moved(Node(add, (x, x), {}, (1000,), x.dtype))
    8000
    """
    if not isinstance(step, Node):
        return _total((*step.inputs, *step.outputs))
    if is_view(step):
        return 0
    row, (first, *others) = step.primitive, step.inputs or (step,)
    if row is PRIMITIVES["getitem"]:
        return _total((step, step, *others))
    if row in IN_PLACE:
        chosen: int = math.prod(step.static["selected"]) * np.dtype(step.dtype).itemsize
        return (
            _total(others) + chosen * (1 + (row is PRIMITIVES["add_at"])) + (0 if in_place else _total((first, step)))
        )
    return _total((*dict.fromkeys(step.inputs), step))


def flops(step: Step) -> int:
    """Operations on numbers in a step, roughly: what the roofline compares with its bytes."""
    return _flops(step) if isinstance(step, Node) else sum(map(_flops, step.nodes))


def work(node: Node) -> float:
    """The bytes that could have moved while a kernel computes this node."""
    return _flops(node) * _BYTES_A_FLOP * np.dtype(node.dtype).itemsize / 4


def is_matrix_product(step: Step) -> bool:
    """Whether a step is one product of two matrices."""
    return isinstance(step, Node) and step.primitive in _OF_TWO and all(len(i.shape) == 2 for i in step.inputs)


def holds_more(values: Iterable[Node], others: Iterable[Node]) -> bool:
    """Whether some values take clearly more memory than others: a row or a column more does not count."""
    return _total(values) > 1.25 * _total(others)


def is_product(step: Step) -> bool:
    """Whether a step is a product of matrices: what counts there are the operations."""
    return isinstance(step, Products | PatchProduct) or (isinstance(step, Node) and step.primitive in _PRODUCTS)


def is_view(node: Node) -> bool:
    """Whether NumPy answers a node with a view (a reshape of what is not contiguous would be a copy)."""
    row = node.primitive
    return row in _VIEWS or (row is PRIMITIVES["getitem"] and is_basic(node.static["key"]))


def _total(values: Iterable[Node]) -> int:
    return sum(map(nbytes, values))


def _flops(node: Node) -> int:
    row = node.primitive
    if row in _PRODUCTS:
        return 2 * multiply_adds(node) or math.prod(node.shape)  # with a number in place of a matrix nothing is summed
    if is_view(node):
        return 0
    elements = math.prod(node.inputs[0].shape if row in REDUCTIONS else node.shape)
    if row in _FLOPS:
        return elements * _FLOPS[row]
    return elements * (sum(_FLOPS_OF_FUNCTIONS.get(f, _ELSEWHERE) for f in functions_of(node)) or 1)
