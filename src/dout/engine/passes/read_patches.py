"""Products of patches that are read where the images lie: patches that nobody else needs are not written.

`windows(image)`, its axes in the order of the products' sums, and a product of them are one step then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

import numpy as np

from dout.engine.ir.cost_model import is_matrix_product
from dout.engine.ir.kernel_group import PatchProduct, Step
from dout.engine.memory.buffer_layout import BufferLayout
from dout.engine.memory.memory_plan import makes
from dout.engine.runtime.shared_products import takes_patches
from dout.engine.windows.patch_costs import reading_pays, written_in_lines
from dout.engine.windows.patch_products import patches_in
from dout.graph import Node
from dout.ops import PRIMITIVES


def read_patches(steps: Sequence[Step], forms: Mapping[Node, BufferLayout], kept: Collection[Node]) -> tuple[Step, ...]:
    """Return the steps, in which products read patches where their image lies; `kept` is needed after the steps."""
    joined = {step: found for step in steps if (found := _read(step, forms)) is not None}
    others = _needed([step for step in steps if step not in joined], joined, kept)
    wanted = {*kept}.union(*(step.inputs for step in others))
    joined = {step: found for step, found in joined.items() if _pays(found, wanted)}
    return _needed([joined.get(step, step) for step in steps], joined, kept) if joined else tuple(steps)


def _needed(steps: Sequence[Step], joined: Mapping[Step, PatchProduct], kept: Collection[Node]) -> tuple[Step, ...]:
    """The steps without those that do nothing but arrange windows of joined products, which nobody else needs."""
    arranged = {node for product in joined.values() for node in _chain(product.node.inputs[0])}
    needed, left = {*kept}, list[Step]()
    for step in reversed(steps):
        if not arranged.issuperset(makes(step)) or not needed.isdisjoint(makes(step)):
            needed.update(step.inputs)
            left.append(step)
    return tuple(left[::-1])


def _pays(step: PatchProduct, wanted: Collection[Node]) -> bool:
    """Whether a product costs less where it reads the image than by its patches, which may be `wanted` anyway."""
    rows = step.node.inputs[0]
    written = takewhile(lambda node: node.inputs[0].primitive is not PRIMITIVES["windows"], _chain(rows))
    shape, columns, alone = step.image.shape, step.node.shape[1], not any(node in wanted for node in written)
    other = written_in_lines(shape, step.window, columns, alone=alone)
    return reading_pays(shape, step.window, columns, other, np.dtype(step.node.dtype), transposed=step.transposed)


def _chain(node: Node) -> list[Node]:
    """A factor, and what it is made of without arithmetic."""
    chain = [node]
    while chain[-1].primitive in _ARRANGED:
        chain.append(chain[-1].inputs[0])
    return chain


_ARRANGED = {PRIMITIVES[name] for name in ("transpose", "reshape", "copy", "windows")}


def _read(step: Step, forms: Mapping[Node, BufferLayout]) -> PatchProduct | None:
    """The product of patches that a step is; None for other steps."""
    if not isinstance(step, Node) or not is_matrix_product(step):
        return None
    rows, matrix = step.inputs
    transposed = rows.primitive is PRIMITIVES["transpose"]
    found = patches_in(rows.inputs[0] if transposed else rows)
    if found is None or not takes_patches(step.dtype):
        return None
    image, window = found
    usual = all(forms[node].array and forms[node].readable and node.dtype == step.dtype for node in (image, matrix))
    return PatchProduct(step, image, window, transposed) if usual else None
