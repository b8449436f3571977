"""NumPy's functions as a person calls them, for rows whose own function is one of dout's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.engine.export.written_names import dtype_text
from dout.explain.spelling.written_text import tupled
from dout.graph import Primitive, Shape
from dout.ops import by_primitive, primitives

Static = Mapping[str, Any]
_REDUCED = primitives("sum mean var std prod max min any all")
_CALLED = by_primitive({"clip": "np.clip", "inv": "np.linalg.inv", "solve": "np.linalg.solve", "det": "np.linalg.det"})
_MADE = by_primitive({"zeros": "zeros", "ones": "ones", "full": "full", "empty": "zeros"})  # a recording sees zeros
_WRITTEN: dict[Primitive, Callable[[list[str], Static], str]] = by_primitive({
    "concatenate": lambda operands, static: f"np.concatenate({tupled(operands)}, axis={static['axis']})",
    "einsum": lambda operands, static: f"np.einsum({', '.join([repr(static['subscripts']), *operands])})",
    "astype": lambda operands, static: f"{operands[0]}.astype({dtype_text(np.dtype(static['dtype']))})",
    "copy": lambda operands, static: f"{operands[0]}.copy()",
    "ravel": lambda operands, static: f"{operands[0]}.ravel()",
    "flatten": lambda operands, static: f"{operands[0]}.flatten()",
    "item": lambda operands, static: f"{operands[0]}.item()",
})  # fmt: skip
_ORDERS = by_primitive({"copy": "CK", "astype": "K"})  # in which a result lies as without the word; "C" for others


def call(row: Primitive, operands: Sequence[str], static: Static) -> str | None:
    """The expression for a row on operands; None for rows that need none of their own."""
    given = list(operands)
    if row in _REDUCED:
        given[1:] = [text if text.startswith("out=") else f"where={text}" for text in operands[1:]]
    if row in _REDUCED or row in _CALLED:
        return f"{_CALLED.get(row, f'np.{row}')}({', '.join([*given, *_options(static)])})"
    if static.get("order", "") not in _ORDERS.get(row, "C") or static.get("array"):
        return None
    if row in _MADE:
        dtype = dtype_text(np.dtype(static["dtype"]))
        return f"np.{_MADE[row]}({', '.join([str(static['shape']), *given, f'dtype={dtype}'])})"
    return _WRITTEN[row](given, static) if row in _WRITTEN else None


def _options(static: Static) -> Iterator[str]:
    for key, item in static.items():
        yield f"{key}={dtype_text(np.dtype(item)) if key == 'dtype' else repr(item)}"


def bounds(key: Any, shape: Shape) -> Iterator[tuple[int, int]]:
    """What slices in an index rest on: lengths of axes, and how long they have to be for the slices to be whole."""
    parts = key if isinstance(key, tuple) else (key,)
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    axis = 0
    for part in parts:
        if part is None:
            continue
        if part is Ellipsis:
            axis += len(shape) - taken
            continue
        if isinstance(part, slice) and axis < len(shape):
            ends = [abs(end) for end in (part.start, part.stop) if end is not None]
            if ends and max(ends):
                yield shape[axis], max(ends)
        axis += 1
