"""What a layer takes where its forward has no arguments: it reads attributes, its own or of the layers before it.

A place is written as the user would read it from the layer, without `self`: `input`, `bottom.value`, `parts[0].out`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from dout.run import attributes_of
from dout.trace.tracer.traced import plain

_STEP = re.compile(r"\.?([^\W\d]\w*)|\[(\d+)\]|\['([^']*)'\]|\[([^\W\d][\w.]*(?:\[\d+\])?)\]")
_CONSUMERS = "[]"  # what follows the layer: its upstream gradient is asked of that
_DEEPEST = 4


class Consumer:
    """A layer or a loss that follows, and has the gradient: in whatever attribute, under whatever key, from any call.

    >>> Consumer(0.5).gradients["me"], Consumer(0.5).derivative(1.0, 2.0)
    (0.5, 0.5)
    """

    def __init__(self, dout: Any) -> None:
        self.dout = dout

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _OfAny(self.dout)

    def __call__(self, *given: Any, **named: Any) -> Any:
        """The gradient: it is a loss, or a method of one."""
        return self.dout


class _OfAny:
    def __init__(self, dout: Any) -> None:
        self.dout = dout

    def __getitem__(self, key: Any) -> Any:
        return self.dout

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.dout


def held_at(layer: Any, place: str) -> Any:
    """What stands at a place; None where nothing does."""
    item = layer
    for name, number, key, other in _STEP.findall(place):
        try:
            item = _attribute(item, name) if name else item[_key(layer, number, key, other)]
        except (LookupError, TypeError):
            return None
    return item


def put_at(layer: Any, place: str, value: Any) -> None:
    """Put a value at a place: what holds it must be there. What follows the layer is made anew."""
    if place.endswith(_CONSUMERS):
        place, value = place.removesuffix(_CONSUMERS), [Consumer(value)]
    holder, (name, number, key, other) = _holder_and_step(layer, place)
    if name:
        setattr(holder, name, value)
    else:
        holder[_key(layer, number, key, other)] = value


def may_be_put_at(layer: Any, place: str) -> bool:
    """Whether what stands at a place may be replaced: not in a tuple."""
    return not isinstance(_holder_and_step(layer, place)[0], tuple)


def _holder_and_step(layer: Any, place: str) -> tuple[Any, Sequence[str]]:
    """What holds what stands at a place, and how it is reached from there."""
    last = list(_STEP.finditer(place))[-1]
    return held_at(layer, place[: last.start()]), last.groups()


def _key(layer: Any, number: str, key: str, other: str) -> Any:
    """A place in a list, a key, or an object that is itself a key: the layer before, in a dict of gradients."""
    return int(number) if number else held_at(layer, other) if other else key


def places_of(layer: Any) -> dict[str, Any]:
    """Every place within reach of a layer that can be written so, with what stands there; each holder once."""
    found: dict[str, Any] = {}
    known: dict[int, str] = {id(layer): ""}
    waiting = [("", layer)]
    for path, holder in waiting:  # grows as it is walked: the nearest first
        for place, item in _inside(path, holder, known):
            found[place] = item
            if len(_STEP.findall(place)) < _DEEPEST and id(item) not in known and _is_opened(item):
                known[id(item)] = place
                waiting.append((place, item))
    return found


def _inside(path: str, holder: Any, known: Mapping[int, str]) -> Iterator[tuple[str, Any]]:
    if isinstance(holder, list | tuple):
        yield from ((f"{path}[{i}]", item) for i, item in enumerate(holder))
    elif isinstance(holder, dict):
        for key, item in list(holder.items()):
            text = repr(key) if isinstance(key, str) and "'" not in key else known.get(id(key), "")
            if text:
                yield f"{path}[{text}]", item
    else:
        dot = "." if path else ""
        yield from ((f"{path}{dot}{name}", item) for name, item in list(attributes_of(holder).items()))


def _is_opened(item: Any) -> bool:
    """Whether something is an object of the user's, or holds such."""
    return isinstance(item, list | tuple | dict) or (
        bool(attributes_of(item)) and not isinstance(item, type | ModuleType)
    )


class HeldShapeError(ValueError):
    """An input has another shape than that in which another object gives it to the layer."""


def give(layer: Any, place: str, value: Any) -> None:
    """Put an input at a place. Raises HeldShapeError where another object gives it, which has a shape of its own."""
    before = held_at(layer, place)
    if "." in place and np.ndim(before) and np.shape(before) != np.shape(value):
        raise HeldShapeError(f"self.{place} has shape {np.shape(before)}, not {np.shape(value)}")
    put_at(layer, place, value)


def gradients_at(layer: Any, given: Sequence[str], found: Sequence[str]) -> tuple[Any, ...]:
    """Take the gradients of inputs away from where backward has left them; None of an input that has none.

    What stays there would be a gradient that is kept beside the one that is returned; zeros beside an input are none.
    """
    gradients = tuple(held_at(layer, place) if place else None for place in found)
    beside = [f"{place.rpartition('.')[0]}.grad" for place in given if "." in place]
    zeros = [p for p in beside if np.ndim(plain(held_at(layer, p))) and not np.any(plain(held_at(layer, p)))]
    for place in {*filter(None, found), *zeros}:
        put_at(layer, place, None)
    return gradients


def argument_name(place: str) -> str:
    """What an argument is called that stands for a place.

    >>> argument_name("parts[0].out")
    'parts_0_out'
    """
    return "_".join(re.findall(r"\w+", place))


def _attribute(item: Any, name: str) -> Any:
    held = attributes_of(item)
    return held[name] if name in held else getattr(item, name, None)
