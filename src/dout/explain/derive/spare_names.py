"""Names for values that the user gave none: by what computes them."""

from __future__ import annotations

from collections.abc import Mapping

from dout.graph import Node, Primitive
from dout.ops import by_primitive

_WORDS: Mapping[Primitive, str] = by_primitive({
    "sum": "total", "matmul": "product", "dot": "product", "max": "largest", "min": "smallest", "where": "chosen",
    "getitem": "part", "scatter": "spread", "setitem": "changed", "add_at": "added", "multiply": "scaled",
    "divide": "ratio", "add": "sum_", "subtract": "diff", "sigmoid": "sigma", "negative": "minus",
    "special_softmax": "softmax", "special_log_softmax": "log_softmax", "special_logsumexp": "log_total",
})  # fmt: skip


def word_for(node: Node) -> str:
    """A name for a value that has none."""
    wish = _WORDS.get(node.primitive) or str(node.primitive)
    return wish if wish.isidentifier() else "value"
