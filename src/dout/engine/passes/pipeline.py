"""The passes in their order: one tuple for programs that agree within rounding, one for those that keep every bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dout.engine.passes.decompose import decompose
from dout.engine.passes.flat_products import flat_products
from dout.engine.passes.fold_forms import fold_forms
from dout.engine.passes.own_fills import own_fills
from dout.engine.passes.plain_copies import plain_copies
from dout.engine.passes.sink_writes import sink_writes
from dout.engine.passes.window_extremes import window_extremes
from dout.graph import Graph, Node
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.simplify import merge_equal_nodes, simplify
from dout.rewrite.stable_forms import stable_forms
from dout.rewrite.window_forms import window_forms
from dout.trace.capture.budget import Budget

Pass = Callable[[Graph], Graph]

PASSES: tuple[Pass, ...] = (
    simplify,  # a mask that is written twice becomes one
    masked_write_to_select,
    stable_forms,  # simplifies before it looks for formulas
    window_forms,
    fold_forms,
    window_extremes,
    flat_products,
    decompose,
    sink_writes,
    simplify,
    plain_copies,
    own_fills,
)
# Copies stay here: the last bit of NumPy's sums and products can depend on the order in memory.
STRICT: tuple[Pass, ...] = (merge_equal_nodes, masked_write_to_select, merge_equal_nodes)

after_each: list[Callable[[Graph, Graph, Pass], None]] = []  # called after every pass: the tests verify the graph


def transformed(graph: Graph, orders: Mapping[Node, tuple[int, ...]], budget: Budget, *, strict: bool = False) -> Graph:
    """Return the graph after all passes; `orders` says which inputs lie in another order than C, as `untranspose`.

    Raises UnsupportedError when the budget is exceeded.
    """
    for one in STRICT if strict else PASSES:
        budget.check()
        before, graph = graph, one(graph, orders) if one in (decompose, plain_copies) else one(graph)
        for act in after_each:
            act(before, graph, one)
    return graph
