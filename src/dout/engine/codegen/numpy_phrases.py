"""NumPy's steps as a person writes them: `x.T`, `x[mask]`, `np.add(x, y)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import Any

import numpy as np

from dout.engine.codegen.driver_text import DriverText
from dout.graph import Primitive
from dout.ops import by_primitive
from dout.ops.operators import Slot, fill_key

Static = Mapping[str, Any]


def subscript(key: Any, index: Sequence[str], text: DriverText) -> str:
    """What stands in the brackets of an index: `:, i, 2`; `index` are the expressions of what its slots hold."""
    parts = key if isinstance(key, tuple) else (key,)
    written = [_part(part, index) for part in parts]
    if all(part is not None for part in written) and parts:
        return ", ".join(map(str, written)) + ("," if isinstance(key, tuple) and len(parts) == 1 else "")
    if not index:
        return text.constant(key, "key")
    return f"{text.constant(fill_key)}({text.constant(key, 'key')}, ({', '.join(index)},))"


def _part(part: Any, index: Sequence[str]) -> str | None:
    if isinstance(part, Slot):
        return index[part]
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)
        if not all(end is None or type(end) is int for end in ends):
            return None
        start, stop, step = ("" if end is None else str(end) for end in ends)
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return repr(part) if type(part) in (int, type(None)) else "..." if isinstance(part, EllipsisType) else None


def _transposed(operands: Sequence[str], static: Static, text: DriverText) -> str:
    axes = static["axes"]
    return f"{operands[0]}.T" if axes == tuple(range(len(axes)))[::-1] else f"{operands[0]}.transpose({axes})"


def _reshaped(operands: Sequence[str], static: Static, text: DriverText) -> str | None:
    return f"{operands[0]}.reshape({static['shape']})" if set(static) == {"shape"} else None


def _broadcast(operands: Sequence[str], static: Static, text: DriverText) -> str | None:
    return f"np.broadcast_to({operands[0]}, {static['shape']})" if set(static) == {"shape"} else None


def _item(operands: Sequence[str], static: Static, text: DriverText) -> str:
    return f"{operands[0]}[{subscript(static['key'], operands[1:], text)}]"


PHRASES: dict[Primitive, Callable[[Sequence[str], Static, DriverText], str | None]] = by_primitive(
    {"transpose": _transposed, "reshape": _reshaped, "broadcast_to": _broadcast, "getitem": _item}
)


def function(item: Any, name: str, text: DriverText) -> str:
    """An expression for a function: np.add where it is NumPy's own."""
    known = getattr(item, "__name__", "")
    return f"np.{known}" if getattr(np, known, None) is item else text.constant(item, name)
