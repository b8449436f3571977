"""What a call elsewhere in the repository passes, made here: arrays of its shapes, its numbers, its classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.adapt.sizes.proposed_arrays import array_of, whole_numbers
from dout.adapt.usage import UNKNOWN, Array, Call, Named, Shape

MOST_ELEMENTS = 4_096  # of an array that a call elsewhere shows


class Unproposed(Exception):
    """An argument for which nothing can be proposed."""


def bound(call: Call, function: Any, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of a call by name, with those that are `given` in their stead; None where one cannot be told."""
    try:
        items = inspect.signature(function).bind(*call.args, **call.kwargs).arguments
        return {**{name: value_of(item, known, name) for name, item in items.items()}, **given}
    except (TypeError, ValueError, Unproposed):
        return None


def value_of(item: Any, known: Mapping[str, Any], name: str = "x") -> Any:
    """One argument, called `name`; `known` are the names that the called module knows. Raises Unproposed."""
    match item:
        case Array():
            _refuse_large(item.sizes)
            return np.array(item.values)
        case Shape():
            _refuse_large(item.sizes)
            return whole_numbers(item.sizes, item.below or 2) if item.whole else array_of(item.sizes, name)
        case Named():
            found = known.get(item.name)
            if found is None:
                raise Unproposed
            args = [value_of(arg, known) for arg in item.args]
            keywords = {key: value_of(arg, known, key) for key, arg in item.kwargs.items()}
            return found(*args, **keywords) if item.called else found
        case list() | tuple():
            return type(item)(value_of(part, known, f"{name}{i}") for i, part in enumerate(item))
        case dict():
            return {key: value_of(part, known, str(key)) for key, part in item.items()}
    if item is UNKNOWN:
        raise Unproposed
    return item


def _refuse_large(sizes: tuple[int, ...]) -> None:
    if int(np.prod(sizes)) > MOST_ELEMENTS:
        raise Unproposed
