"""NumPy's functions as a person calls them, for rows whose own function is one of dout's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.engine.export.written_names import dtype_text
from dout.graph import Primitive, Shape
from dout.ops import by_primitive, primitives

Static = Mapping[str, Any]
_REDUCED = primitives("sum mean var std prod max min any all")
_CALLED = by_primitive({"clip": "np.clip", "inv": "np.linalg.inv", "solve": "np.linalg.solve", "det": "np.linalg.det"})


def call(row: Primitive, operands: Sequence[str], static: Static) -> str | None:
    """The expression for a row on operands; None for rows that need none of their own."""
    if row in _REDUCED:
        more = (text if text.startswith("out=") else f"where={text}" for text in operands[1:])
        return f"np.{row}({', '.join([operands[0], *_options(static), *more])})"
    if row in _CALLED:
        return f"{_CALLED[row]}({', '.join([*operands, *_options(static)])})"
    write = _WRITTEN.get(row)
    return write(operands, static) if write else None


def _options(static: Static) -> Iterator[str]:
    for key, item in static.items():
        yield f"{key}={dtype_text(np.dtype(item)) if key == 'dtype' else repr(item)}"


def _made(function: str) -> Callable[[Sequence[str], Static], str | None]:
    """An array of one number: of `full`, the operand."""

    def write(operands: Sequence[str], static: Static) -> str | None:
        if static.get("order", "C") != "C":
            return None
        shape, dtype = static["shape"], dtype_text(np.dtype(static["dtype"]))
        return f"np.{function}({', '.join([str(shape), *operands, f'dtype={dtype}'])})"

    return write


def _flat(method: str) -> Callable[[Sequence[str], Static], str | None]:
    def write(operands: Sequence[str], static: Static) -> str | None:
        return f"{operands[0]}.{method}()" if static.get("order", "C") == "C" else None

    return write


def _joined(operands: Sequence[str], static: Static) -> str:
    return f"np.concatenate(({', '.join(operands)}{',' if len(operands) == 1 else ''}), axis={static['axis']})"


def _astype(operands: Sequence[str], static: Static) -> str | None:
    return f"{operands[0]}.astype({dtype_text(np.dtype(static['dtype']))})" if set(static) == {"dtype"} else None


def _copied(operands: Sequence[str], static: Static) -> str | None:
    return f"{operands[0]}.copy()" if static.get("order", "K") in ("C", "K") and not static.get("array") else None


def _einsum(operands: Sequence[str], static: Static) -> str:
    return f"np.einsum({', '.join([repr(static['subscripts']), *operands])})"


_WRITTEN: dict[Primitive, Callable[[Sequence[str], Static], str | None]] = by_primitive(
    {
        "concatenate": _joined,
        "astype": _astype,
        "copy": _copied,
        "einsum": _einsum,
        "ravel": _flat("ravel"),
        "flatten": _flat("flatten"),
        "zeros": _made("zeros"),
        "ones": _made("ones"),
        "empty": _made("zeros"),  # what a recording has seen there are zeros
        "full": _made("full"),
        "item": lambda operands, static: f"{operands[0]}.item()",
    }
)


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
