"""Softmax and its kin as lines of NumPy: rows of the table that take two lines to write."""

from __future__ import annotations

from collections.abc import Mapping

from dout.explain.spelling.numpy_text import axis_text
from dout.explain.spelling.spelling_needs import Writing, WrittenLine
from dout.explain.spelling.written_text import ADDED, MULTIPLIED, WrittenText, one_or_tuple
from dout.graph import Node, Primitive
from dout.ops import by_primitive

_MOST = "np.max({x}, {axes}keepdims=True)"
SOFTMAX: Mapping[Primitive, tuple[str, str, int]] = by_primitive({  # a line, what stands for the value, how that binds
    "special_softmax": (f"np.exp({{x}} - {_MOST})", "{name} / np.sum({name}, {axes}keepdims=True)", MULTIPLIED),
    "special_log_softmax": (f"{{x}} - {_MOST}", "{name} - np.log(np.sum(np.exp({name}), {axes}keepdims=True))", ADDED),
    "special_logsumexp": (_MOST, "{name} + np.log(np.sum(np.exp({x} - {name}), {axes}keepdims=True))", ADDED),
})  # fmt: skip


def softmax_text(text: Writing, node: Node) -> WrittenText:
    """A value of these rows, behind the line that it takes; without the axes that NumPy leaves out."""
    x, axis = text.text(node.inputs[0]), node.static.get("axis")
    each = [axis_text(text, a, len(node.inputs[0].shape)) for a in ((axis,) if isinstance(axis, int) else axis or ())]
    along = "" if axis is None else f"axis={one_or_tuple(each)}"
    words = {"x": x, "axes": along and f"{along}, ", "name": text.name_for(node)}
    line, whole, binds = SOFTMAX[node.primitive]
    text.lines.append(WrittenLine(f"{words['name']} = {line.format(**words)}", node))
    if len(node.shape) == len(node.inputs[0].shape):
        return WrittenText(whole.format(**words), binds)
    return WrittenText(f"np.squeeze({', '.join(filter(None, (whole.format(**words), along)))})")
