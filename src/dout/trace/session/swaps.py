"""Swapping: arrays and numbers in the user's objects become stand-ins during a trace, and are put back after it."""

from __future__ import annotations

import gc
import operator
from collections import deque
from collections.abc import Callable, Collection
from contextvars import copy_context
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.run import dict_of, is_generator
from dout.trace.session.attribute_swap import (
    CACHE,
    MOST,
    PLAIN,
    Place,
    Reach,
    content,
    identity_of,
    kind_of_dict,
    nowhere,
    refill,
    slice_parts,
)
from dout.trace.tracer.traced import Traced
from dout.trace.tracer.traced_modules import tracing_version, untraced
from dout.trace.tracer.user_functions import under_way

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer

_LONG = 1_000  # numbers in one list or dict; more of them are data, not parameters


class Swaps:
    """Replacements of arrays and numbers by stand-ins, each remembered so that it can be undone."""

    def __init__(self, is_user_class: Callable[[type], bool], meet: Callable[[Any], None], tracer: Tracer) -> None:
        self.reach = Reach(is_user_class)
        self.tracer = tracer
        self.meet = meet  # told of every function, module and class found, and of an instance's class
        self.everywhere = False  # whether it also looks into closures of methods, and at numbers in modules
        self.into, self.back = Rebuilder(), Rebuilder()
        self.holders: list[Any] = []  # all objects looked into; the user's code may move them
        self.seen: set[int] = set()
        self.visited: list[tuple[Any, Place, Any]] = []  # every place with its holder and new content
        self.with_numbers: dict[int, bool] = {}  # by identity of a holder: whether numbers in it were swapped
        self.long: dict[int, tuple[Any, ...]] = {}  # contents of lists and dicts whose numbers were not swapped
        self.originals: dict[int, tuple[Any, Any]] = {}  # by identity: a stand-in, and its original
        self.rows: set[int] = set()  # identities of those that are tuples of stand-ins, numbers and text alone

    def swap_in(
        self,
        root: Any,
        wrap: Callable[[Any, str], Any],
        *,
        numbers: bool = False,
        name: str = "",
        only: Collection[str] | None = None,
    ) -> None:
        """Replace the arrays (and where asked the numbers) reachable from `root`; each is named by its place.

        `only` these of its names where given: of a module that may have been looked at before.
        """
        waiting = [(root, name, numbers, False)]
        while waiting and len(self.seen) < MOST:
            holder, path, numbers, data = waiting.pop()
            keys = only if holder is root else None
            if identity_of(holder) in self.seen and keys is None:
                continue
            self.seen.add(identity_of(holder))
            if keys is None or id(holder) not in self.with_numbers:
                self.holders.append(holder)
            kind = type(holder)
            if kind is FunctionType or issubclass(kind, ModuleType | type):
                self.meet(holder)
            elif self.reach.is_users(kind):
                self.meet(kind)
            data = issubclass(kind, list | dict | deque) and (data or len(holder) > _LONG)  # with the rows of a table
            few = numbers and not data
            self.with_numbers[id(holder)] = few
            if numbers and data:
                self.long[id(holder)] = content(holder)
            for place in self.reach.places(holder, numbers=few):
                if keys is not None and place.key not in keys:
                    continue
                name = f"{path}[{place.name}]" if isinstance(place.key, int) else place.name
                new = self._swapped(place.item, name, wrap, numbers=few)
                self.visited.append((holder, place, new))
                if new is not place.item and place.put is not nowhere:
                    place.put(new)
                    self.originals[id(new)] = new, place.item
                if issubclass(type(new), Traced):
                    continue  # most that there is, and nothing in it
                # The closure of a method is no state of the layer's.
                method = issubclass(kind, type) and callable(new) and not (self.everywhere and _may_keep(new))
                if new is not place.item and type(new) is tuple and all(map(_is_bare, new)):
                    self.rows.add(id(new))
                elif self.reach.holds(new) and not method:
                    within = numbers and (self.everywhere or not isinstance(new, ModuleType))
                    waiting.append((new, name, within, data))

    def _swapped(self, item: Any, name: str, wrap: Callable[[Any, str], Any], *, numbers: bool = False) -> Any:
        if _is_value(item, numbers=numbers):
            return wrap(item, name)
        if _is_fixed(item):
            return self.into.rebuilt(item, lambda part, i: self._swapped(part, f"{name}[{i}]", wrap))
        return self.tracer.generator(item) if is_generator(item) else tracing_version(item)

    def swap_out(self, *others: Any) -> None:
        """Put everything back, here and in `others`; untouched content comes back as the very same object.

        A value computed meanwhile becomes a plain value, wherever the user's code put it: into its own objects, or into
        what it can name of a library's (`request.result = y`), but not into what that in turn leads to.
        """
        seen: set[int] = set()
        of_libraries: deque[Any] = deque()  # their objects, with what is in them: looked at after all of the user's
        kept = [(variable, item, self._real(item)) for variable, item in copy_context().items()]
        for variable, item, real in kept:
            if real is not item:
                variable.set(real)
        waiting = [*self.holders, *others, *(real for *_, real in kept if self.reach.holds(real, anyone=True))]
        while waiting or of_libraries:
            is_users = bool(waiting)
            holder = waiting.pop() if is_users else of_libraries.popleft()
            if identity_of(holder) in seen:
                continue
            seen.add(identity_of(holder))
            kind = type(holder)
            if kind is CACHE and _caches_ours(holder):
                holder.cache_clear()  # its results cannot be replaced; they will be computed again
            if issubclass(kind, dict):
                self._real_keys(holder)
                waiting += [key for key in dict.keys(holder) if type(key) not in PLAIN and self.reach.holds(key)]
            if issubclass(kind, set):
                ours = {item for item in set.__iter__(holder) if self._real(item) is not item}
                set.difference_update(holder, ours)
                set.update(holder, set(map(self._real, ours)))
            for place in self.reach.places(holder):
                real = self._real(place.item)
                if real is not place.item:
                    _put(holder, place, real)
                if type(real) is np.ndarray and real.dtype != object:
                    continue  # most that there is, and nothing in it
                if id(place.item) in self.rows:
                    continue  # it cannot have got other parts
                if self.reach.is_library_object(real):
                    of_libraries += [real] if is_users else []
                elif self.reach.holds(real, anyone=True):
                    (waiting if is_users or self.reach.is_users(type(real)) else of_libraries).append(real)

    def _real_keys(self, holder: dict[Any, Any]) -> None:
        """Put the keys back, in their order."""
        pairs = [(key, self._real(key), item) for key, item in kind_of_dict(holder).items(holder)]
        if not all(real is key for key, real, _ in pairs):
            refill(holder, {real: item for _, real, item in pairs})

    def _real(self, item: Any) -> Any:
        if id(item) in self.originals:
            return self.originals[id(item)][1]
        if _is_fixed(item):
            return self.back.rebuilt(item, lambda part, _: self._real(part))
        if type(item) is slice:
            real = tuple(map(self._real, slice_parts(item)))
            return item if all(map(operator.is_, real, slice_parts(item))) else slice(*real)
        if under_way and not (issubclass(type(item), Traced) and item._recorder is self.tracer):
            return item  # it belongs to the trace around this one
        return untraced(item)


def _put(holder: Any, place: Place, real: Any) -> None:
    """Put an object back into its place, also into a read-only array."""
    locked = issubclass(type(holder), np.ndarray) and not holder.flags.writeable
    if locked:
        holder.flags.writeable = True
    place.put(real)
    if locked:
        holder.flags.writeable = False


class Rebuilder:
    """Makes changed copies of tuples and frozensets, also inside each other."""

    def __init__(self) -> None:
        self.done: dict[int, tuple[Any, Any]] = {}  # by identity: the original, kept alive, and its copy

    def rebuilt(self, item: Any, change: Callable[[Any, int], Any]) -> Any:
        """What `item` becomes when each part is changed, given its place; the same object if nothing changed.

        Iterative, and each tuple once: they may lie deep, and often the same.
        """
        waiting = [item]
        while waiting:
            whole = waiting[-1]
            nested = [p for p in whole if _is_fixed(p) and id(p) not in self.done] if id(whole) not in self.done else []
            if nested:
                waiting.extend(nested)
                continue
            waiting.pop()
            if id(whole) not in self.done:
                parts = [self.done[id(p)][1] if _is_fixed(p) else change(p, i) for i, p in enumerate(whole)]
                same = all(a is b for a, b in zip(parts, whole, strict=True))
                self.done[id(whole)] = whole, whole if same else _like(whole, parts)
        return self.done[id(item)][1]


def _is_bare(part: Any) -> bool:
    """Whether a part of a tuple is a stand-in, a plain number or text: nothing to look into."""
    return type(part) in PLAIN or issubclass(type(part), Traced | np.generic)


def _is_fixed(item: Any) -> bool:
    return issubclass(type(item), tuple | frozenset)


def _like(whole: Any, parts: list[Any]) -> Any:
    if issubclass(type(whole), tuple):
        new: Any = tuple.__new__(type(whole), parts)
    else:  # only changed parts are hashed
        changed = [(part, real) for part, real in zip(whole, parts, strict=True) if part is not real]
        kept = frozenset(whole).difference({part for part, _ in changed})
        new = frozenset.__new__(type(whole), kept.union({real for _, real in changed}))
    dict_of(new).update(dict_of(whole))
    return new


def _is_value(item: Any, *, numbers: bool = False) -> bool:
    if type(item) is np.ndarray:
        return item.dtype.kind in "biufc"
    return numbers and (type(item) in (int, float) or (issubclass(type(item), np.generic) and item.dtype.kind in "iuf"))


def _may_keep(method: Any) -> bool:
    """Whether calls may store something in a method: in its cells, or in defaults that can change."""
    if type(method) is not FunctionType:
        return True
    cells = method.__code__.co_freevars not in ((), ("__class__",))
    return cells or bool(method.__kwdefaults__) or any(type(d) not in PLAIN for d in method.__defaults__ or ())


def _caches_ours(cached: Any) -> bool:
    """Whether an `lru_cache` remembers a stand-in."""
    waiting, seen = [cached], 0
    while waiting and seen < MOST:
        inside = gc.get_referents(waiting.pop())
        seen += len(inside)
        if any(untraced(item) is not item for item in inside):
            return True
        waiting.extend(i for i in inside if type(i) in (dict, list, tuple) or type(i).__name__ == "_lru_list_elem")
    return False
