"""An index as NumPy text: `:, i:i + n`, with its bounds as lengths of arrays at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dout.explain.spelling.size_words import UnspelledError
from dout.explain.spelling.spelling_needs import Operands, Spelling
from dout.graph import Node
from dout.ops.operators import Slot


def key_text(spelling: Spelling, node: Node, index: Operands, base: Node) -> str:
    """An index, with the arrays in it filled in."""
    keys = spelling.statics(node, "key")
    if not isinstance(keys[0], tuple):
        return _key_part(spelling, keys, index)
    whole = _whole_axes(spelling, keys, base)
    parts = [":" if i in whole else _key_part(spelling, part, index) for i, part in enumerate(zip(*keys, strict=True))]
    while len(parts) > 1 and parts[-1] == ":" and "..." not in parts:
        parts.pop()
    return ", ".join(parts) if parts else "()"


def _whole_axes(spelling: Spelling, keys: Sequence[Any], base: Node) -> set[int]:
    """The parts of an index that take all of an axis, at every size."""
    if not all(isinstance(part, slice | int) for part in keys[0]):
        return set()
    each = zip(zip(*keys, strict=True), zip(*spelling.shapes(base), strict=True), strict=False)
    return {i for i, (parts, sizes) in enumerate(each) if all(
        isinstance(part, slice) and range(n)[part] == range(n) for part, n in zip(parts, sizes, strict=True)
    )}  # fmt: skip


def _key_part(spelling: Spelling, parts: Sequence[Any], index: Operands) -> str:
    first = parts[0]
    if isinstance(first, Slot):
        return str(index[first])
    if first is None:
        return "np.newaxis"
    if first is Ellipsis:
        return "..."
    if isinstance(first, slice):
        bounds = [_bound(spelling, [getattr(part, name) for part in parts]) for name in ("start", "stop", "step")]
        text = f"{bounds[0]}:{bounds[1]}"
        return f"{text}:{bounds[2]}" if bounds[2] else text
    return _bound(spelling, parts)


def _bound(spelling: Spelling, numbers: Sequence[Any]) -> str:
    if all(number is None for number in numbers):
        return ""
    if any(number is None for number in numbers):
        raise UnspelledError("derive number", numbers=", ".join(map(str, numbers)))
    return spelling.sizes.number([int(number) for number in numbers])
