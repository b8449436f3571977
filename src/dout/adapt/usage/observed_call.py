"""What is known of a call: its arguments as plain values, shapes and names, and the methods called on its result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

_LARGEST = 1e12  # a number counts no further


class _Unknown(Enum):
    UNKNOWN = "UNKNOWN"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown.UNKNOWN  # what an argument is cannot be told


@dataclass(frozen=True)
class Shape:
    """An array of this shape; of whole numbers from 0 up to `below` (None where it is not known) if `whole`."""

    sizes: tuple[int, ...]
    whole: bool = False
    below: int | None = None


@dataclass(frozen=True)
class Array:
    """An array of these values, nested lists."""

    values: Any

    @property
    def sizes(self) -> tuple[int, ...]:
        """Its shape, by its first items."""
        sizes, inner = [], self.values
        while isinstance(inner, list | tuple):
            sizes.append(len(inner))
            inner = inner[0] if inner else None
        return tuple(sizes)


@dataclass(frozen=True)
class Named:
    """A class or function of this name; what it gives for `args` where it is `called`."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    called: bool = False


@dataclass(frozen=True)
class Method:
    """A method called on an instance."""

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One call, and the methods that are called on its result, in order."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    methods: tuple[Method, ...]
    file: str
    line: int

    @property
    def unknown(self) -> int:
        """How many of its arguments cannot be told."""
        return unknowns([*self.args, *self.kwargs.values()])


def unknowns(value: Any) -> int:
    """How many parts of a value cannot be told."""
    match value:
        case Named():
            return unknowns([*value.args, *value.kwargs.values()])
        case dict():
            return sum(map(unknowns, value.values()))
        case list() | tuple():
            return sum(map(unknowns, value))
    return int(value is UNKNOWN)


def bulk(value: Any) -> float:
    """How large the numbers in a value are, and its arrays."""
    match value:
        case Shape() | Array():
            return math.prod(value.sizes)
        case Named():
            return bulk([*value.args, *value.kwargs.values()])
        case list() | tuple():
            return sum(map(bulk, value))
        case int() | float() if not isinstance(value, bool):
            return min(abs(value), _LARGEST)
    return 0
