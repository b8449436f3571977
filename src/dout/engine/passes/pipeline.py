"""The passes in their order: one tuple for programs that agree within rounding, one for those that keep every bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dout.engine.passes.before_reshape import before_reshape
from dout.engine.passes.decompose import decompose
from dout.engine.passes.own_fills import own_fills
from dout.engine.passes.plain_copies import plain_copies
from dout.engine.passes.sink_writes import sink_writes
from dout.engine.passes.stack_products import stack_products
from dout.engine.windows.borders import borders
from dout.engine.windows.einsum_products import einsum_products
from dout.engine.windows.fold_forms import fold_forms
from dout.engine.windows.fold_products import fold_products
from dout.engine.windows.index_windows import index_windows
from dout.engine.windows.join_places import join_places
from dout.engine.windows.patch_products import patch_products
from dout.engine.windows.reads_of_fills import reads_of_fills
from dout.engine.windows.spread_extremes import spread_extremes
from dout.engine.windows.window_extremes import window_extremes
from dout.graph import Graph, Node
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.simplify import merge_equal_nodes, simplify
from dout.rewrite.stable_forms import stable_forms
from dout.rewrite.window_forms import window_forms
from dout.trace.capture.budget import Budget

Pass = Callable[..., Graph]

PASSES: tuple[Pass, ...] = (
    simplify,  # a mask that is written twice becomes one
    masked_write_to_select,
    stable_forms,  # simplifies before it looks for formulas
    einsum_products,
    index_windows,
    window_forms,
    join_places,
    fold_forms,
    spread_extremes,  # while it is seen that places are those of extremes
    window_extremes,
    patch_products,
    fold_products,
    reads_of_fills,  # once it is seen which loops are `fold`
    borders,
    stack_products,
    decompose,
    before_reshape,
    sink_writes,
    simplify,
    plain_copies,
    own_fills,
)
# Copies stay here: the last bit of NumPy's sums and products can depend on the order in memory.
STRICT: tuple[Pass, ...] = (merge_equal_nodes, masked_write_to_select, merge_equal_nodes)

after_each: list[Callable[[Graph, Graph, Pass], None]] = []  # called after every pass: the tests verify the graph


def transformed(
    graph: Graph,
    orders: Mapping[Node, tuple[int, ...]],
    known: Mapping[Node, Any],
    budget: Budget,
    *,
    strict: bool = False,
) -> Graph:
    """Return the graph after all passes.

    `orders` says which inputs lie in another order than C, as `untranspose`; `known` are inputs that are the same at
    each call.

    Raises UnsupportedError when the budget is exceeded.
    """
    told: dict[Pass, Mapping[Node, Any]] = {
        decompose: orders,
        before_reshape: orders,
        patch_products: orders,
        stack_products: orders,
        plain_copies: orders,
        index_windows: known,
        spread_extremes: known,
    }
    for one in STRICT if strict else PASSES:
        budget.check()
        before, graph = graph, one(graph, told[one]) if one in told else one(graph)
        for act in after_each:
            act(before, graph, one)
    return graph
