"""A product of matrices that only goes into a sum, `dW += x.T @ dout`, is added as it is computed.

The sum is an array of the user's, or one of ours that nothing else reads, as in a loop that a recording unrolls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from dout.engine.ir.cost_model import is_matrix_product, is_view
from dout.engine.ir.kernel_group import Group, Products, Step
from dout.graph import INPUT, Node
from dout.ops import PRIMITIVES


def add_products(steps: Sequence[Step], written: Mapping[Node, Node], kept: Collection[Node]) -> tuple[Step, ...]:
    """Return the steps, in which such a product and its addition are one step, where the addition was.

    `written` are the inputs with their final values, `kept` the values that somebody needs after the steps.
    """
    uses = Counter(node for step in steps for node in step.inputs)
    ends = {node for node, times in uses.items() if times == 1} - {*kept}
    targets = {final: given for given, final in written.items()}
    joined: dict[Step, Products] = {}
    for step in steps:
        total = step.nodes[0] if isinstance(step, Group) and len(step.nodes) == 1 else step
        if isinstance(total, Node) and total.primitive is PRIMITIVES["add"]:
            product = _added(total, targets.get(total), ends)
            if product is not None:
                joined[step] = Products((product,), (total,))
    gone = {node for step in joined.values() for node in step.nodes}
    return tuple(joined.get(step, step) for step in steps if step not in gone)


def _added(total: Node, target: Node | None, ends: Collection[Node]) -> Node | None:
    """The product of two matrices in `onto + product`, of which nothing else reads either.

    The sum is the final value of `onto`, a `target` of the user's, or may take its memory.
    """
    if any((node.shape, node.dtype) != (total.shape, total.dtype) for node in total.inputs):
        return None
    for onto, product in (total.inputs, total.inputs[::-1]):
        takes = onto is target if target else onto in ends and onto.primitive is not INPUT and not is_view(onto)
        if takes and product in ends and is_matrix_product(product) and onto not in (product, *product.inputs):
            return product
    return None
