"""An index as NumPy text: `:, i:i + n`, with its bounds as lengths of arrays at hand."""

from __future__ import annotations

import itertools
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
    lengths = zip(*spelling.shapes(base), strict=True) if _is_plain(keys[0]) else ()
    each = itertools.zip_longest(zip(*keys, strict=True), lengths)
    parts = [
        _key_part(spelling, _shortest(part, sizes) if sizes else part, index)
        for part, sizes in each
        if part is not None
    ]
    while len(parts) > 1 and parts[-1] == ":" and "..." not in parts:
        parts.pop()
    return ", ".join(parts) if parts else "()"


def _is_plain(key: tuple[Any, ...]) -> bool:
    """Whether an index has one slice or number for each of the first axes."""
    return all(isinstance(part, slice | int) for part in key)


def _shortest(parts: Sequence[Any], sizes: Sequence[int]) -> Sequence[Any]:
    """A slice at every size without the bounds that say what is so anyway: the first element, the last one."""
    if not all(isinstance(part, slice) and (part.step is None or part.step > 0) for part in parts):
        return parts
    pairs = list(zip(parts, sizes, strict=True))
    if all(range(n)[part] == range(n) for part, n in pairs):
        return [slice(None)] * len(parts)
    start = None if all(part.start in (None, 0) for part in parts) else [part.start for part in parts]
    stop = None if all(part.stop is None or part.stop >= n for part, n in pairs) else [part.stop for part in parts]
    return [slice(start and start[i], stop and stop[i], part.step) for i, part in enumerate(parts)]


def _key_part(spelling: Spelling, parts: Sequence[Any], index: Operands) -> str:
    first = parts[0]
    if isinstance(first, Slot):
        return str(index[first])
    if first is None:
        return "np.newaxis"
    if first is Ellipsis:
        return "..."
    if isinstance(first, range):
        counts = all((part.start, part.step) == (0, 1) for part in parts)
        ends = (_bound(spelling, [getattr(part, name) for part in parts]) for name in ("start", "stop", "step"))
        return f"range({_bound(spelling, [part.stop for part in parts]) if counts else ', '.join(ends)})"
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
