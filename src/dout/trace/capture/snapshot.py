"""The contents of the user's objects before and after a run, as templates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from dout.graph import Node
from dout.ops import PRIMITIVES
from dout.run import dict_of
from dout.trace.capture.templates import (
    Built,
    Held,
    HeldView,
    Same,
    Spot,
    Template,
    can_be_made,
    end,
    is_fixed,
    is_held,
    made_anew,
    whole,
)
from dout.trace.session.attribute_swap import Place, content, is_ordered, is_rewritten, slice_parts
from dout.trace.session.session import Session
from dout.trace.tracer.traced import Traced, TracedArray
from dout.trace.tracer.traced_modules import BUILTINS, untraced

_DEEP = 20  # containers inside each other


class Holdings:
    """Makes templates of objects, out of objects from before the run and values that the run made."""

    def __init__(self) -> None:
        self.entered: dict[int, tuple[Traced, Node]] = {}  # stand-ins by identity, and the node under which they came
        self.known: dict[int, Any] = {}  # objects within reach before the run, by identity
        self.built: dict[int, tuple[Any, Built]] = {}  # containers that the run made, by identity
        self.views: dict[int, tuple[Any, HeldView]] = {}  # the same of views
        self.new: list[str] = []  # objects that the run made and nothing can make again
        self.changed: list[str] = []  # containers that the run changed, and no program can change so
        self.lengths: dict[int, int] = {}  # of lists and dicts before the run, by identity
        self.long: dict[int, tuple[Any, ...]] = {}  # contents of long lists and dicts
        self.keys: dict[int, tuple[Any, ...]] = {}  # those of dicts, in order
        self.contents: list[tuple[Any, tuple[Any, ...]]] = []  # sets and deques, with their elements
        self.is_users: Callable[[type], bool] = lambda _: False

    def before(self, state: Session, given: Iterable[Any]) -> None:
        """Remember the objects within reach before the run, and its arguments."""
        holders = state.swaps.holders
        self.is_users = state.swaps.reach.is_users
        for item in (*holders, *given):
            if type(item) not in (Traced, TracedArray) and not issubclass(type(item), tuple | frozenset):
                self.known[id(item)] = item
        self.lengths = {id(h): len(h) for h in holders if issubclass(type(h), list | dict)}
        self.long = state.swaps.long
        self.keys = {id(h): tuple(h) for h in holders if is_ordered(h)}
        found = {id(item): item for item in (*holders, *(new for _, _, new in state.swaps.visited))}
        self.contents = [(item, tuple(item)) for item in found.values() if issubclass(type(item), set | deque)]

    def enter(self, item: Any) -> None:
        """Remember under which node a stand-in came."""
        kind = type(item)
        if kind is Traced or kind is TracedArray:
            self.entered.setdefault(id(item), (item, item.node))
        elif kind is tuple:
            for part in item:
                self.enter(part)

    def came_as(self, item: Traced) -> Node | None:
        """The node of an array that was there before, and is the same object at the next call if nobody replaces it."""
        return self.entered[id(item)][1] if id(item) in self.entered and type(item.value) is np.ndarray else None

    def template(self, item: Any, depth: int = 0) -> Template:
        """The template of an object."""
        kind = type(item)
        if kind is TracedArray and id(item) in self.entered and isinstance(item.value, np.ndarray):
            return Held(self.entered[id(item)][1])
        if kind is TracedArray and item.base is not None and item.step is not None:
            return self._view(item)
        if kind is Traced or kind is TracedArray:
            return item.resolve()  # type: ignore[no-any-return]
        if (real := untraced(item)) is not item:  # a generator, a function of NumPy's
            return Same(real)
        if id(item) in self.known or is_fixed(item):
            return Same(item)
        if id(item) in self.built:
            return self.built[id(item)][1]
        named = issubclass(kind, tuple) and hasattr(kind, "_fields") and kind.__dictoffset__ == 0
        if (kind in (list, tuple, dict, slice) or named) and depth < _DEEP:
            inside = item.values() if kind is dict else slice_parts(item) if kind is slice else item
            parts = tuple(self.template(part, depth + 1) for part in inside)
            made = Built(kind, parts, self._keys_of(item) if kind is dict else ())
            self.built[id(item)] = item, made
            return made
        if depth < _DEEP and self.is_users(kind) and can_be_made(kind):
            attributes = dict_of(item)
            parts = tuple(self.template(part, depth + 1) for part in attributes.values())
            made = Built(kind, parts, tuple(attributes))
            made_anew.add(kind)
            self.built[id(item)] = item, made
            return made
        self.new.append(kind.__qualname__)
        return Same(item)

    def _keys_of(self, keys: Iterable[Any]) -> tuple[Any, ...]:
        """Keys of a dict as they are; those that the run made are other objects at the next call."""
        self.new += [type(key).__qualname__ for key in keys if id(key) not in self.known and not is_fixed(key)]
        return tuple(keys)

    def _view(self, item: TracedArray) -> HeldView:
        if id(item) not in self.views:
            assert item.base is not None
            assert item.step is not None
            base = self.template(item.base)
            if item.step[0] is PRIMITIVES["getitem"] and any(i.shape for i in item.step[1]) and is_held(base):
                self.changed.append("view by strides of an array that was given")
            self.views[id(item)] = item, HeldView(base, item.step, item.resolve())
        return self.views[id(item)][1]

    def spots(self, state: Session) -> tuple[Spot, ...]:
        """Every place within reach, once, with its new content if that changed."""
        return tuple({_key(spot.holder, spot.place): spot for spot in self._spots(state)}.values())

    def _spots(self, state: Session) -> Iterator[Spot]:
        reach = state.swaps.reach
        before: dict[int, dict[Any, tuple[Place, Any]]] = {}
        holders: dict[int, Any] = {}
        for holder in state.swaps.holders:
            holders[id(holder)] = holder
            before[id(holder)] = {}
        for holder, place, new in state.swaps.visited:
            before[id(holder)][_key(holder, place)] = place, new
        self.changed += [type(i).__qualname__ for i, stood in self.contents if list(map(id, i)) != list(map(id, stood))]
        for key, holder in holders.items():
            known = before[key]
            if key in self.long and is_rewritten(self.long[key], content(holder), type(holder)):
                self.changed.append(f"long {type(holder).__qualname__}")
            if type(holder) in (list, dict) and self._is_refilled(holder, known):
                yield self._refilled(holder, known)
                yield from (Spot(holder, place, self._standing(place.item, new), None) for place, new in known.values())
                continue
            places = reach.places(holder, numbers=state.swaps.with_numbers[key])
            now = {_key(holder, place): place for place in places if not _is_ours(place)}
            for where, (place, new) in known.items():
                if _is_ours(place):
                    continue
                here = now.get(where)
                was = self._standing(place.item, new)
                kept = here is not None and here.item is place.item and not isinstance(was, Node)
                if here is None:
                    self.new.append(f"{type(holder).__qualname__} without {place.name}")
                elif kept or here.item is new:
                    yield Spot(holder, place, was, None)
                else:
                    yield Spot(holder, place, was, self.template(here.item))
            for where, place in now.items():
                if where not in known and issubclass(type(holder), type):
                    self.changed.append(f"class {holder.__qualname__}")  # it has a new attribute
                elif where not in known:
                    if issubclass(type(holder), dict) and isinstance(place.put, partial):
                        self._keys_of(place.put.args[1:])
                    if issubclass(type(holder), list):
                        self.new.append(f"element of a {type(holder).__qualname__}")
                    yield Spot(holder, place, None, self.template(place.item))

    def _is_refilled(self, holder: list[Any] | dict[Any, Any], known: Mapping[Any, tuple[Place, Any]]) -> bool:
        """Whether a list has got another length, or a dict has lost a key."""
        if isinstance(holder, list):
            return len(holder) != self.lengths.get(id(holder), len(holder))
        keys = [place.put.args[1] for place, _ in known.values() if isinstance(place.put, partial)]
        return list(holder)[: len(keys)] != keys if self.lengths.get(id(holder)) == len(keys) else False

    def _refilled(self, holder: list[Any] | dict[Any, Any], known: Mapping[Any, tuple[Place, Any]]) -> Spot:
        """The new content of a list or dict: of a list whose elements stayed only the end, else all of it."""
        if isinstance(holder, dict):
            content = Built(dict, tuple(map(self.template, holder.values())), self._keys_of(holder))
            return Spot(holder, whole(holder), None, content)
        stay = self.lengths[id(holder)]
        items = [(holder[place.key], place, new) for place, new in known.values() if place.key < len(holder)]
        grown = len(holder) > stay and all(item is new or item is place.item for item, place, new in items)
        parts = tuple(map(self.template, holder[stay:] if grown else holder))
        return Spot(holder, end(holder) if grown else whole(holder), None, Built(list, parts))

    def _standing(self, original: Any, new: Any) -> Template:
        """The template of a place's content before the run."""
        if type(new) is TracedArray or type(new) is Traced:
            node = self.entered[id(new)][1]
            return Held(node) if type(new.value) is np.ndarray else node
        if isinstance(new, tuple) and new is not original:
            return Built(type(original), tuple(map(self._standing, original, new)))
        return Same(untraced(original))  # the content when nothing is traced


def _is_ours(place: Place) -> bool:
    """Whether a global name is bound to a temporary tracing stand-in."""
    return place.item is BUILTINS.get(place.name, place)


def _key(holder: Any, place: Place) -> tuple[Any, ...]:
    """The key of a place; attributes of an object have the keys of its `__dict__`."""
    arguments = getattr(place.put, "args", ())
    return (place.key, id(arguments[0])) if arguments else (place.key, id(holder), id(place.item))
