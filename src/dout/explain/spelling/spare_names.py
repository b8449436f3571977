"""Names for values that the user gave none: by what computes them."""

from __future__ import annotations

from collections.abc import Mapping

from dout.explain.parts.part_calls import PART_GRADIENT
from dout.graph import INPUT, Node, Primitive
from dout.ops import by_primitive
from dout.rewrite.sigmoid_forms import is_sigmoid

_WORDS: Mapping[Primitive, str] = {INPUT: "given"} | by_primitive({
    "sum": "total", "matmul": "product", "dot": "product", "max": "largest", "min": "smallest", "where": "chosen",
    "getitem": "part", "scatter": "spread", "setitem": "changed", "add_at": "added", "multiply": "scaled",
    "divide": "ratio", "add": "sum_", "subtract": "diff", "sigmoid": "sigma", "negative": "minus",
    "reshape": "shaped", "broadcast_to": "repeated", "transpose": "turned", "astype": "number", "absolute": "size",
    "pow": "power", "bitwise_and": "both", "bitwise_or": "either", "invert": "other",
    "equal": "is_same", "maximum": "larger", "minimum": "smaller", "concatenate": "joined",
    "special_softmax": "softmax", "special_log_softmax": "log_softmax", "special_logsumexp": "log_total",
})  # fmt: skip


def word_for(node: Node) -> str:
    """A name for a value that has none."""
    if is_sigmoid(node):
        return "sigma"
    if node.primitive is PART_GRADIENT:
        part = node.static["call"].path.removeprefix("self.")
        return f"from_{part}" if part.isidentifier() else "passed"
    wish = _WORDS.get(node.primitive) or str(node.primitive)
    return wish if wish.isidentifier() else "value"
