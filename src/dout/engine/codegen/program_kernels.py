"""The kernels of a program: each group's text, its machine code, and whether it runs on one core or on all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.engine.codegen import kernel_source
from dout.engine.codegen.kernel_source import KernelSource
from dout.engine.ir.cost_model import flops
from dout.engine.ir.kernel_group import Group
from dout.engine.memory.buffer_layout import Layout
from dout.engine.runtime import kernel_cache
from dout.engine.runtime.parallel_threshold import parallel_pays
from dout.graph import Node


@dataclass(frozen=True, eq=False)
class Kernel:
    """A group's kernel; `run` is compiled when the driver is written."""

    source: KernelSource
    parallel: bool
    run: Callable[..., Any]


def kernel(
    group: Group, layouts: Mapping[Node, Layout], names: Mapping[Node, str], places: Mapping[Node, Node]
) -> Kernel:
    """Write and load the kernel of a group, for the sizes that it has here; `places` are outputs over other values."""
    elements = int(np.prod(group.space, dtype=float))
    parallel = parallel_pays(elements, flops(group) / max(1, elements))
    over = {node: places[node] for node in group.outputs if places.get(node) in group.inputs}
    source = kernel_source.source(group, layouts, parallel=parallel, names=names, over=over)
    run = kernel_cache.load(source.name, source.text, source.types, results=source.results, meaning=source.meaning)
    return Kernel(source, parallel, run)
