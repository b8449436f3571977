"""What a layer takes and gives, maybe nested: numbers and arrays one after the other, and copies of them."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from dout.errors import TargetError

T = TypeVar("T")


def flat(item: Any) -> Iterator[Any]:
    """The numbers and arrays inside nested lists, tuples and dicts, in order."""
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, list | tuple):
        for part in item:
            if isinstance(part, list | tuple | dict):  # a generator for each number of a data set would take long
                yield from flat(part)
            else:
                yield part
    else:
        yield item


def mapped(item: Any, change: Callable[[Any], Any]) -> Any:
    """Nested lists, tuples and dicts with each part inside changed; the very object where no part is another one."""
    kind: Any = type(item)
    if issubclass(kind, dict):
        new = {key: mapped(part, change) for key, part in item.items()}
        return item if all(new[key] is part for key, part in item.items()) else new
    if not issubclass(kind, list | tuple):
        return change(item)
    parts = [mapped(part, change) for part in item]
    if all(a is b for a, b in zip(parts, item, strict=True)):
        return item
    return tuple.__new__(kind, parts) if issubclass(kind, tuple) else parts


def copied(item: Any) -> Any:
    """An array in memory of its own, in its own order; so are those in lists, tuples and dicts. Others as they are."""
    if isinstance(item, np.ndarray):
        return item.copy("K")
    return copy.deepcopy(item) if isinstance(item, list | tuple | dict) else item


def deep_copy(item: T) -> T:
    """A layer, or anything that it is given, with all parts anew. Raises TargetError where there can be no copy."""
    try:
        with suppress(TypeError):  # a module inside, `self.backend = np`, say
            return copy.deepcopy(item)
        return copy.deepcopy(item, {id(module): module for module in [*sys.modules.values()]})
    except Exception as error:
        raise TargetError(f"{type(item).__qualname__} cannot be copied ({error}): give the class instead") from None


def anew(item: T) -> T:
    """A copy of a layer, or of anything that it is given; the very object where there can be no copy."""
    with suppress(TargetError):
        return deep_copy(item)
    return item


def is_float_array(item: Any) -> bool:
    """Whether this is an array of floats."""
    return isinstance(item, np.ndarray) and item.dtype.kind == "f"


def weighed(outputs: Iterable[Any], douts: Iterable[Any]) -> Any:
    """The sum of all outputs times their upstream gradients: its slopes are the gradients that backward returns."""
    return sum(np.sum(np.multiply(output, dout)) for output, dout in zip(outputs, douts, strict=True))


def differs_at(one: Any, two: Any) -> tuple[int, ...]:
    """The first place where two arrays of one shape differ."""
    a, b = np.asarray(one), np.asarray(two)
    unequal = (a != b) & ~((a != a) & (b != b))
    return tuple(int(i) for i in np.argwhere(unequal)[0]) if np.any(unequal) else (0,) * a.ndim
