"""What a function is given when it is recorded: the names of its arguments, and arrays that no stand-in stands for."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np


def is_strange(item: Any) -> bool:
    """Whether an array is of a kind that no stand-in stands for: of text, of objects, masked."""
    return isinstance(item, np.ndarray) and (type(item) is not np.ndarray or item.dtype.kind not in "biufc")


def described(array: Any) -> str:
    """How a message calls such an array."""
    kind = type(array)
    return f"an array of dtype {array.dtype}" if kind is np.ndarray else f"a {kind.__qualname__}"


def parameters(function: Any, count: int) -> list[str | None]:
    """The names of the first arguments by position; None where there is none."""
    try:
        names: list[str | None] = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return [*names[:count], *([None] * (count - len(names)))]
