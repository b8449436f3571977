"""A product of matrices that only goes into an array of the user's, `dW += x.T @ dout`, is added as it is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from dout.engine.ir.cost_model import is_matrix_product
from dout.engine.ir.kernel_group import Group, Products, Step
from dout.graph import Node
from dout.ops import PRIMITIVES


def add_products(steps: Sequence[Step], written: Mapping[Node, Node], kept: Collection[Node]) -> tuple[Step, ...]:
    """Return the steps, in which such a product and its addition are one step, where the addition was.

    `written` are the inputs with their final values, `kept` the values that somebody needs after the steps.
    """
    uses = Counter(node for step in steps for node in step.inputs)
    targets = {final: given for given, final in written.items()}
    joined: dict[Step, Products] = {}
    for step in steps:
        total = step.nodes[0] if isinstance(step, Group) and len(step.nodes) == 1 else step
        if isinstance(total, Node) and total.primitive is PRIMITIVES["add"]:
            product = _added(total, targets.get(total))
            if product is not None and uses[product] == 1 and product not in kept:
                joined[step] = Products((product,), (total,))
    gone = {node for step in joined.values() for node in step.nodes}
    return tuple(joined.get(step, step) for step in steps if step not in gone)


def _added(total: Node, target: Node | None) -> Node | None:
    """The product of two matrices in `target + product`, whose result is the final value of the target."""
    if target is None or target not in total.inputs:
        return None
    others = [node for node in total.inputs if node is not target]
    alike = all((node.shape, node.dtype) == (total.shape, total.dtype) for node in total.inputs)
    if len(others) != 1 or not alike or not is_matrix_product(others[0]) or target in others[0].inputs:
        return None
    return others[0]
