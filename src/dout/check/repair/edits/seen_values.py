"""What a run showed at an expression: its value, and the names in scope there with theirs."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dout.check.repair.edits.exchanged_parts import Terms

_MOST_TERMS = 64
NOTHING = 1e-12  # what is nothing but rounding is right as a factor, or as a term, by chance


@dataclass
class Seen:
    """What a run showed at one expression: its first value, and the names in scope there with their values."""

    value: Any
    names: dict[str, Any]
    composed: frozenset[str] = frozenset()  # those of its parts that forward computes of several
    parts: Terms = ()  # elements and slices of arrays that its function writes, and what it calls

    @cached_property
    def terms(self) -> Terms:
        """The numbers that can be written there: local names, arguments, attributes of self, and parts of them."""
        found = ((text, number_in(value)) for text, value in self._written())
        found = ((text, value) for text, value in found if is_number(value) and type(value) is not bool)
        return [*itertools.islice(_different(found), _MOST_TERMS), *self.parts]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tuples of whole numbers in scope: a shape that forward has kept."""
        held = {f"self.{name}": value for name, value in getattr(self.names.get("self"), "__dict__", {}).items()}
        found = ((text, value) for text, value in {**self.names, **held}.items() if type(value) is tuple and value)
        return {text: value for text, value in found if all(type(n) is int for n in value)}

    def _written(self) -> Iterator[tuple[str, Any]]:
        own = sorted(((k, v) for k, v in self.names.items() if k != "self"), key=lambda item: item[0] != "dout")
        held = getattr(self.names.get("self"), "__dict__", {})
        attributes = [
            (f"self.{name}", value) for name, value in held.items() if not name.startswith("_dout")
        ]  # is ours
        yield from (*own, *attributes)
        for text, value in (*own, *attributes):
            if isinstance(value, dict):
                yield from ((f'{text}["{key}"]', item) for key, item in value.items() if isinstance(key, str))
            elif isinstance(value, list | tuple):
                yield from ((f"{text}[{i}]", item) for i, item in enumerate(value[:4]))

    @cached_property
    def shape(self) -> tuple[int, ...] | None:
        """Its shape; None if it is no number."""
        return np.shape(self.value) if is_number(self.value) else None

    @property
    def ndim(self) -> int:
        """The number of its axes; 0 if it is no number."""
        return len(self.shape or ())

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Lengths of axes, and sizes, as a user would write them: one name for each number, of `dout` if it has it."""
        known: dict[int, str] = {}
        for text, value in sorted(self.terms, key=lambda term: term[0] != "dout"):
            for axis, n in enumerate(np.shape(value)):
                known.setdefault(n, f"{text}.shape[{axis}]")
            if np.ndim(value) > 1:
                known.setdefault(np.size(value), f"{text}.size")
        named = {text: n for text, n in self.terms if type(n) is int and n in known and "[" not in text}
        return {text: n for text, n in (*named.items(), *((text, n) for n, text in known.items())) if n > 1}

    @cached_property
    def scalars(self) -> set[float]:
        """The numbers that have a name in scope, but for 0 and 1."""
        return self.named | {*self.lengths.values()}

    @cached_property
    def named(self) -> set[float]:
        """The numbers that a name holds, but for 0 and 1."""
        return {abs(float(v)) for _, v in self.terms if not np.shape(v)} - {0.0, 1.0}


def _different(terms: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The terms without arrays that hold what one before them holds, by another name, or nothing but zeros."""
    known = set[tuple[Any, ...]]()
    for text, value in terms:
        is_array = isinstance(value, np.ndarray)
        held = (value.shape, value.dtype.str, value.tobytes()) if is_array else (text,)
        if held not in known and not (is_array and not value.any()):
            yield text, value
        known.add(held)


def number_in(value: Any) -> Any:
    """The array that an object of the user's computes with, as a tape's tensor does; any other value as it is."""
    held = getattr(value, "__dict__", None) if hasattr(type(value), "__mul__") and not is_number(value) else None
    return next((item for item in (held or {}).values() if isinstance(item, np.ndarray)), value)


def with_number(value: Any, number: Any) -> Any:
    """The same with another number: of an object of the user's a copy that computes with it."""
    array = number_in(value)
    if array is value:
        return number
    made = copy.copy(value)
    vars(made).update({name: number for name, item in vars(value).items() if item is array})
    return made


def has_an_order(value: Any) -> bool:
    """Whether a loop may run over it backwards."""
    return isinstance(value, tuple | np.ndarray) or hasattr(value, "__reversed__")


def is_number(value: Any) -> bool:
    """Whether a value is an array of numbers, or a number."""
    is_array = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc"
    return is_array or type(value) in (int, float, bool)


def is_float(value: Any) -> bool:
    """Whether a value is floats."""
    return isinstance(value, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


def is_bool(value: Any) -> bool:
    """Whether a value is a condition."""
    return type(value) is bool or (isinstance(value, np.ndarray | np.generic) and value.dtype == bool)
