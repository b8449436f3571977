"""Softmax and its kin as lines of NumPy: a row of the table that takes two lines to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dout.explain.spelling.numpy_text import axis_text
from dout.explain.spelling.spelling_needs import Writing, WrittenLine
from dout.explain.spelling.written_text import ADDED, ATOM, MULTIPLIED, WrittenText, one_or_tuple
from dout.graph import Node, Primitive
from dout.ops import by_primitive


def _soft(text: Writing, node: Node) -> WrittenText:
    """softmax(x), in two lines."""
    x = text.text(node.inputs[0])
    axes = _axis(text, node)
    name = text.name_for(node)
    text.lines.append(WrittenLine(f"{name} = np.exp({x} - np.max({x}, {axes}keepdims=True))", node))
    return WrittenText(f"{name} / np.sum({name}, {axes}keepdims=True)", MULTIPLIED)


def _log_soft(text: Writing, node: Node) -> WrittenText:
    x, axes = text.text(node.inputs[0]), _axis(text, node)
    name = text.name_for(node)
    text.lines.append(WrittenLine(f"{name} = {x} - np.max({x}, {axes}keepdims=True)", node))
    return WrittenText(f"{name} - np.log(np.sum(np.exp({name}), {axes}keepdims=True))", ADDED)


def _log_sum(text: Writing, node: Node) -> WrittenText:
    x, axes = text.text(node.inputs[0]), _axis(text, node)
    name = text.name_for(node)
    text.lines.append(WrittenLine(f"{name} = np.max({x}, {axes}keepdims=True)", node))
    whole = f"{name} + np.log(np.sum(np.exp({x} - {name}), {axes}keepdims=True))"
    if node.static.get("keepdims") or not axes:
        return WrittenText(
            whole if node.static.get("keepdims") else f"np.squeeze({whole})",
            ADDED if node.static.get("keepdims") else ATOM,
        )
    return WrittenText(f"np.squeeze({whole}, {axes.removesuffix(', ')})")


def _axis(text: Writing, node: Node) -> str:
    axis, ndim = node.static.get("axis"), len(node.inputs[0].shape)
    if axis is None:
        return ""
    axes = [axis_text(text, a, ndim) for a in ((axis,) if isinstance(axis, int) else axis)]
    return f"axis={one_or_tuple(axes)}, "


SOFTMAX: Mapping[Primitive, Callable[[Writing, Node], WrittenText]] = by_primitive({
    "special_softmax": _soft, "special_log_softmax": _log_soft, "special_logsumexp": _log_sum,
})  # fmt: skip
