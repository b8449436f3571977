"""Swapping: what the user's objects hold becomes a stand-in for the time of a trace, and is put back after it."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from dout.trace.draws import Draws, generator_of, is_generator
from dout.trace.standin import Traced, plain_deep

_MOST = 100_000  # objects looked at; a data set in a list need not be searched for arrays


class Place(NamedTuple):
    """One place inside an object: its key, its name for a person, what stands there, and how to read and replace it."""

    key: Any
    name: str
    item: Any
    get: Callable[[], Any]
    put: Callable[[Any], None]


class Namespace:
    """The global names of a module or cell that may not be loaded as a module."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.__dict__ = names


class Swaps:
    """Replacements of arrays and numbers by stand-ins, each remembered so that it can be undone."""

    def __init__(
        self, is_user_class: Callable[[type], bool], meet: Callable[[Any], None], generator: Callable[[Any], Any]
    ) -> None:
        self.is_user_class = is_user_class
        self.generator = generator  # gives the stand-in of a random generator
        self.meet = meet  # told of every function found, and every class of the user's of which an instance is found
        self.roots: list[Any] = []
        self.seen: set[int] = set()
        self.undo: list[tuple[Place, Any]] = []

    def swap_in(self, root: Any, wrap: Callable[[Any, str], Any], *, numbers: bool = False) -> None:
        """Replace the arrays (and where asked the numbers) reachable from `root`; each is named by its place."""
        self.roots.append(root)
        waiting = [(root, "")]
        while waiting and len(self.seen) < _MOST:
            holder, path = waiting.pop()
            if id(holder) in self.seen:
                continue
            self.seen.add(id(holder))
            if self.is_user_class(type(holder)):
                self.meet(type(holder))
            elif inspect.isfunction(holder):
                self.meet(holder)
            for place in self._places(holder):
                name = f"{path}[{place.name}]" if isinstance(place.key, int) else place.name
                if _is_value(place.item, numbers=numbers):
                    self._replace(place, wrap(place.item, name))
                elif is_generator(place.item):
                    self._replace(place, self.generator(place.item))
                elif type(place.item) is tuple and any(_is_value(part) for part in place.item):
                    parts = enumerate(place.item)
                    self._replace(place, tuple(wrap(p, f"{name}[{i}]") if _is_value(p) else p for i, p in parts))
                else:
                    waiting.extend((holder, name) for holder in self._holders(place.item))

    def _replace(self, place: Place, new: Any) -> None:
        place.put(new)
        self.undo.append((place, new))

    def swap_out(self) -> None:
        """Put everything back: what was not touched as the very object it was, the rest as its plain value."""
        for place, new in reversed(self.undo):
            if place.get() is new:
                place.put(place.item)
        seen: set[int] = set()
        waiting = list(self.roots)
        while waiting:
            holder = waiting.pop()
            if id(holder) in seen:
                continue
            seen.add(id(holder))
            for place in self._places(holder):
                if isinstance(place.item, Traced) or type(place.item) is Draws:
                    place.put(generator_of(place.item))
                elif type(place.item) is tuple and (bare := plain_deep(place.item)) is not place.item:
                    place.put(bare)
                waiting.extend(self._holders(place.item))

    def _holders(self, item: Any) -> Iterable[Any]:
        """What of `item` can hold arrays: itself, or for a tuple its parts."""
        if type(item) is tuple:
            return [holder for part in item for holder in self._holders(part)]
        known = isinstance(item, dict | list | deque) or inspect.isfunction(item) or inspect.ismethod(item)
        return [item] if known or self.is_user_class(type(item)) else []

    def _places(self, holder: Any) -> Iterator[Place]:
        if isinstance(holder, ModuleType | Namespace):
            yield from _attributes(holder, vars(holder))
        elif isinstance(holder, dict | list | deque):
            yield from _items(holder)
        elif inspect.isfunction(holder):
            yield from _cells(holder)
        elif inspect.ismethod(holder):
            yield Place("__self__", "", holder.__self__, lambda: holder.__self__, lambda new: None)
        if self.is_user_class(type(holder)):
            attributes = getattr(holder, "__dict__", None)
            yield from _attributes(holder, attributes if isinstance(attributes, dict) else {})
            for cls in filter(self.is_user_class, type(holder).__mro__):
                yield from _slots(holder, cls)
                yield from _attributes(cls, vars(cls))


def _is_value(item: Any, *, numbers: bool = False) -> bool:
    if type(item) is np.ndarray:
        return item.dtype.kind in "biufc"
    return numbers and (type(item) in (int, float) or (isinstance(item, np.generic) and item.dtype.kind in "iuf"))


def _items(holder: Any) -> Iterator[Place]:
    pairs = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
    for key, item in pairs:
        yield Place(key, str(key), item, partial(_item, holder, key), partial(holder.__setitem__, key))


def _item(holder: Any, key: Any) -> Any:
    try:
        return holder[key]
    except (KeyError, IndexError):
        return None


def _attributes(holder: Any, attributes: Any) -> Iterator[Place]:
    for key, item in list(attributes.items()):
        if isinstance(key, str) and not (key.startswith("__") and key.endswith("__")) and not callable(item):
            put = partial(setattr, holder, key) if isinstance(holder, type) else partial(attributes.__setitem__, key)
            name = key[key.index("__") :] if key.startswith("_") and "__" in key[1:] else key
            yield Place(key, name, item, partial(attributes.get, key), put)


def _slots(holder: Any, cls: type) -> Iterator[Place]:
    slots = vars(cls).get("__slots__", ())
    for name in (slots,) if isinstance(slots, str) else tuple(slots):
        private = name.startswith("__") and not name.endswith("__")
        key = f"_{cls.__name__.lstrip('_')}{name}" if private else name
        if hasattr(holder, key) and not key.startswith("__"):
            get, put = partial(getattr, holder, key, None), partial(setattr, holder, key)
            yield Place(key, name, getattr(holder, key), get, put)


def _cells(function: Any) -> Iterator[Place]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            item = cell.cell_contents
        except ValueError:
            continue  # a cell that nothing was put into yet
        get, put = partial(getattr, cell, "cell_contents", None), partial(setattr, cell, "cell_contents")
        yield Place(name, name, item, get, put)
