"""Small products of matrices that do not need each other become one step: one call, which two threads share.

Each alone is too short to be cut. In a step of a recurrent layer there are two in forward, and four in backward.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dout.engine.ir.cost_model import flops, is_matrix_product, is_view
from dout.engine.ir.kernel_group import Products, Step
from dout.engine.memory.memory_plan import makes
from dout.engine.runtime.parallel_threshold import cores, is_small_product
from dout.graph import Node

_MOST = 8  # in one step
_GAIN = 1_500_000  # operations that another thread takes: 20 µs
_AHEAD = 64  # steps: what is computed earlier waits in memory for its use


def group_products(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps, in which products go with the first one that could run at the same time."""
    together = {step: products for products, parts in _joined(steps) for step in parts} if cores() > 1 else {}
    makers = {node: together.get(step, step) for step in steps for node in makes(step)}
    done: dict[Step, None] = {}

    def put(step: Step) -> None:
        """Add a step once, after the views that it needs."""
        for node in step.inputs:
            if (maker := makers.get(node)) is not None and maker not in done:
                put(maker)
        done[step] = None

    for step in steps:
        if (joined := together.get(step, step)) not in done:
            put(joined)
    return tuple(done)


def _joined(steps: Sequence[Step]) -> list[tuple[Products, list[Step]]]:
    """The products that run together, and the steps that they were."""
    ready = _ready(steps)
    waiting = {step: i for i, step in enumerate(steps) if _products(step) and _is_small(step)}
    found: list[tuple[Products, list[Step]]] = []
    while waiting:
        first = next(iter(waiting))
        position = waiting.pop(first)
        near = []
        for step, at in waiting.items():
            if at > position + _AHEAD:
                break
            near.append(step)
        fitting = [step for step in near if _dtype(step) == _dtype(first)]
        others = [step for step in fitting if max(ready.get(i, -1) for i in step.inputs) < position][: _MOST - 1]
        if others and sum(map(flops, [first, *others])) - max(map(flops, [first, *others])) >= _GAIN:
            parts = [first, *others]
            nodes = tuple(node for step in parts for node in _products(step))
            found.append((Products(nodes, tuple(total for step in parts for total in _sums(step))), parts))
            for step in others:
                del waiting[step]
    return found


def _products(step: Step) -> tuple[Node, ...]:
    alone = (step,) if isinstance(step, Node) and is_matrix_product(step) else ()
    return step.nodes if isinstance(step, Products) else alone


def _sums(step: Step) -> tuple[Node | None, ...]:
    return step.sums if isinstance(step, Products) else (None,)


def _dtype(step: Step) -> object:
    return makes(step)[0].dtype


def _is_small(step: Step) -> bool:
    return is_small_product(flops(step), min(np.dtype(node.dtype).itemsize for node in makes(step)))


def _ready(steps: Sequence[Step]) -> dict[Node, int]:
    """The step after which each value is there. A view is as soon as what it looks into."""
    ready: dict[Node, int] = {}
    for i, step in enumerate(steps):
        view = isinstance(step, Node) and is_view(step)
        for node in makes(step):
            ready[node] = max((ready.get(one, -1) for one in node.inputs), default=-1) if view else i
    return ready
