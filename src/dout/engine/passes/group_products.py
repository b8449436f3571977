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
    together = {node: products for products in _joined(steps) for node in products.nodes} if cores() > 1 else {}
    makers = {node: step for step in steps for node in makes(step)} | together
    done: dict[Step, None] = {}

    def put(step: Step) -> None:
        """Add a step once, after the views that it needs."""
        for node in step.inputs:
            if (maker := makers.get(node)) is not None and maker not in done:
                put(maker)
        done[step] = None

    for step in steps:
        step = together.get(step, step) if isinstance(step, Node) else step
        if step not in done:
            put(step)
    return tuple(done)


def _joined(steps: Sequence[Step]) -> list[Products]:
    """The products that run together."""
    ready = _ready(steps)
    waiting = {step: i for i, step in enumerate(steps) if is_matrix_product(step) and _is_small(step)}
    found: list[Products] = []
    while waiting:
        first = next(iter(waiting))
        position = waiting.pop(first)
        assert isinstance(first, Node)
        near = []
        for step, at in waiting.items():
            if at > position + _AHEAD:
                break
            near.append(step)
        fitting = (n for n in near if isinstance(n, Node) and n.dtype == first.dtype)
        others = [n for n in fitting if max(ready.get(i, -1) for i in n.inputs) < position][: _MOST - 1]
        if others and sum(map(flops, [first, *others])) - max(map(flops, [first, *others])) >= _GAIN:
            found.append(Products((first, *others)))
            for node in others:
                del waiting[node]
    return found


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
