"""The static parameters of a node in a few quiet words below it: "axis=0, keepdims", "[:, 2:4]"."""

from __future__ import annotations

from typing import Any

from dout.graph import CONSTANT, Node
from dout.number_text import format_number
from dout.ops.operators import Slot

_SHOWN = ("axis", "shape", "axes", "n", "decimals")
_FLAGS = ("keepdims",)
_MOST = 4  # entries of a tuple
_KEY_ROOM = 24  # columns


def static_words(node: Node) -> list[str]:
    """The parameters that are short enough to be read beside a node, and say something."""
    if node.primitive is CONSTANT:
        return []
    words = [_word(name, value) for name, value in node.static.items() if name in _SHOWN]
    words += [name for name in _FLAGS if node.static.get(name) is True]
    return [word for word in (*words, _key(node.static.get("key"))) if word]


def _word(name: str, value: Any) -> str:
    if name == "axes" and value == (1, 0):
        return ""  # a matrix has no other transpose
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{name}={format_number(value)}"
    if isinstance(value, tuple) and len(value) <= _MOST and all(isinstance(v, int) for v in value):
        return str(value) if name == "shape" else f"{name}={value}"
    return ""


def _key(key: Any) -> str:
    """An index as it is written; empty where all of it comes in on edges, or is everything."""
    parts = key if isinstance(key, tuple) else (key,)
    if key is None or all(isinstance(part, Slot) or part is Ellipsis for part in parts):
        return ""
    text = f"[{', '.join(map(_part, parts))}]"
    return text if len(text) <= _KEY_ROOM else ""


def _part(part: Any) -> str:
    """One entry of an index; a dot for what comes in on an edge."""
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends) + ("" if part.step in (None, 1) else f":{part.step}")
    return "·" if isinstance(part, Slot) else "..." if part is Ellipsis else str(part)
