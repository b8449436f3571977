"""The kernels of a program: each group's text, its machine code, and whether it runs on one core or on all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.engine import cache, emit
from dout.engine.cost import flops
from dout.engine.emit import Source
from dout.engine.group import Group
from dout.engine.rehearsal import Layout
from dout.engine.threshold import parallel_pays
from dout.graph import Node


@dataclass(frozen=True, eq=False)
class Kernel:
    """A group's kernel; `run` is compiled when the driver is written."""

    group: Group
    source: Source
    parallel: bool
    run: Callable[..., Any]


def kernel(
    group: Group, layouts: Mapping[Node, Layout], names: Mapping[Node, str], places: Mapping[Node, Node]
) -> Kernel:
    """Write and load the kernel of a group, for the sizes that it has here; `places` are outputs over other values."""
    elements = int(np.prod(group.space, dtype=float))
    parallel = parallel_pays(elements, flops(group) / max(1, elements))
    over = {node: places[node] for node in group.outputs if places.get(node) in group.inputs}
    source = emit.source(group, layouts, parallel=parallel, names=names, over=over)
    run = cache.load(source.name, source.text, source.types, results=source.results, meaning=source.meaning)
    return Kernel(group, source, parallel, run)
