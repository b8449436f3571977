"""Swapping: what the user's objects hold becomes a stand-in for the time of a trace, and is put back after it.

Objects are read and written behind their classes' backs: no property, `__getattr__`, `__setattr__` or `__setitem__` of
the user's runs, for it may raise, refuse, or count.
"""

from __future__ import annotations

import gc
import operator
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from functools import lru_cache, partial
from threading import local
from types import FunctionType, MappingProxyType, MemberDescriptorType, MethodType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dout.run import attributes_of, is_generator, module_of, mro_of, vars_of
from dout.trace.model.user_source import is_user_code
from dout.trace.session.user_modules import is_of_user
from dout.trace.tracer.traced import Traced
from dout.trace.tracer.traced_modules import tracing_version, untraced
from dout.trace.tracer.user_functions import under_way

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer

MOST = 100_000  # objects looked at; a data set in a list need not be searched for arrays
_LONG = 1_000  # numbers in one list or dict; more of them are data, not parameters
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis)})
_PARTS = (
    dict, list, deque, tuple, FunctionType, MethodType, staticmethod, classmethod, partial, SimpleNamespace,
    MappingProxyType,
)  # fmt: skip
CACHE = type(lru_cache(len))
_OF_TYPES = frozenset(name for name, item in vars(type).items() if hasattr(type(item), "__set__"))  # cls.__name__


class Place(NamedTuple):
    """One place inside an object: its key, its name for a person, what stands there, and how to replace it."""

    key: Any
    name: str
    item: Any
    put: Callable[[Any], Any]


class Namespace:
    """The global names of a module or cell that may not be loaded as a module."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.__dict__ = names


class Reach:
    """What of the user's lies within reach of an object, and the places in it."""

    def __init__(self, is_user_class: Callable[[type], bool]) -> None:
        self._judge = is_user_class
        self._users: dict[int, tuple[type, bool]] = {}

    def is_users(self, cls: type) -> bool:
        """Whether a class is the user's; asked of the same class over and over."""
        known = self._users.get(id(cls))  # a class need not be hashable
        if known is None:
            known = self._users[id(cls)] = cls, self._judge(cls)
        return known[1]

    def holds(self, item: Any, *, anyone: bool = False) -> bool:
        """Whether arrays may be inside: in containers, functions, the user's objects; with `anyone`, in any object."""
        kind = type(item)
        if kind in _PLAIN:
            return False
        if issubclass(kind, ModuleType):
            return not anyone and is_of_user(item.__name__, item)
        if issubclass(kind, type):
            return self.is_users(item)
        if kind is FunctionType and not anyone:
            return "__recorded__" in item.__dict__ or is_user_code(item.__code__.co_filename)
        if issubclass(kind, _PARTS) or self.is_users(kind) or _is_settings(kind):
            return True
        if issubclass(kind, np.ndarray):
            return anyone and item.dtype == object
        if not anyone or module_of(kind).startswith("dout."):
            return False
        return issubclass(kind, set | frozenset | CACHE | BaseException | local) or kind.__dictoffset__ != 0

    def places(self, holder: Any, *, numbers: bool = False) -> Iterator[Place]:
        """Every place directly inside an object; those in a container that hold a number or text only where asked."""
        kind = type(holder)
        if issubclass(kind, type):
            for cls in filter(self.is_users, mro_of(holder)):
                special = {
                    key: item
                    for key, item in vars_of(cls).items()
                    if is_special(key) and type(item) is FunctionType and key not in _OF_TYPES
                }
                yield from _attributes(vars_of(cls), partial(type.__setattr__, cls))
                yield from _attributes(special, partial(type.__setattr__, cls), dunder=True)
            return
        if issubclass(kind, dict):
            pairs = [(k, v) for k, v in dict.items(holder) if numbers or type(v) not in _PLAIN]
            yield from (Place(k, _text(k), v, partial(dict.__setitem__, holder, k)) for k, v in pairs)
        elif issubclass(kind, list | deque):
            base: Any = list if issubclass(kind, list) else deque
            items = [(i, v) for i, v in enumerate(base.__iter__(holder)) if numbers or type(v) not in _PLAIN]
            yield from (Place(i, str(i), v, partial(base.__setitem__, holder, i)) for i, v in items)
        elif issubclass(kind, tuple | set | frozenset):
            base = next(base for base in (tuple, set, frozenset) if issubclass(kind, base))
            items = [(i, v) for i, v in enumerate(base.__iter__(holder)) if type(v) not in _PLAIN]
            yield from (Place(i, str(i), v, _nowhere) for i, v in items)
        elif issubclass(kind, np.ndarray):
            yield from (Place(i, str(i), v, partial(holder.flat.__setitem__, i)) for i, v in enumerate(holder.flat))
        elif kind is FunctionType:
            yield from _cells(holder)
            yield Place("__defaults__", "default", holder.__defaults__, partial(setattr, holder, "__defaults__"))
            yield Place("__kwdefaults__", "", holder.__kwdefaults__, partial(setattr, holder, "__kwdefaults__"))
        elif issubclass(kind, staticmethod | classmethod):
            yield Place("__func__", "", holder.__func__, _nowhere)
        elif kind is MethodType:
            yield Place("__self__", "", holder.__self__, _nowhere)
        elif issubclass(kind, partial):
            yield Place("func", "", holder.func, _nowhere)
            yield Place("keywords", "", holder.keywords, _nowhere)
            yield Place("args", "args", holder.args, lambda new: partial.__setstate__(holder, _state(holder, new)))  # type: ignore[attr-defined]
        elif kind is MappingProxyType:
            yield from (Place("", "", inside, _nowhere) for inside in gc.get_referents(holder))
        elif issubclass(kind, CACHE):
            yield from (Place("", "", inside, _nowhere) for inside in remembered(holder))
        elif issubclass(kind, BaseException):
            yield Place("args", "args", holder.args, partial(BaseException.args.__set__, holder))  # type: ignore[attr-defined]
        attributes = attributes_of(holder)
        put = partial(dict.__setitem__, attributes)
        yield from _attributes(attributes, put, dunder=not issubclass(kind, ModuleType) and kind is not Namespace)
        if self.is_users(kind):
            for cls in filter(self.is_users, mro_of(kind)):
                yield from _slots(holder, cls)
            yield Place("__class__", "", kind, _nowhere)


class Swaps:
    """Replacements of arrays and numbers by stand-ins, each remembered so that it can be undone."""

    def __init__(self, is_user_class: Callable[[type], bool], meet: Callable[[Any], None], tracer: Tracer) -> None:
        self.reach = Reach(is_user_class)
        self.tracer = tracer
        self.meet = meet  # told of every function and module found, and every class of which an instance is found
        self.everywhere = False  # whether it also looks into what methods close over, and at numbers in modules
        self.into, self.back = Rebuilder(), Rebuilder()
        self.holders: list[Any] = []  # everything looked into; the user's code may take it out of where it was
        self.seen: set[int] = set()
        self.visited: list[tuple[Any, Place, Any]] = []  # every place: what holds it, what stood and what was put there
        self.with_numbers: dict[int, bool] = {}  # by identity of what was looked into: also at the numbers in it
        self.long: dict[int, tuple[Any, ...]] = {}  # what stood in lists and dicts at whose numbers it did not look
        self.originals: dict[int, tuple[Any, Any]] = {}  # by identity: what was put in, and what had stood there

    def swap_in(self, root: Any, wrap: Callable[[Any, str], Any], *, numbers: bool = False, name: str = "") -> None:
        """Replace the arrays (and where asked the numbers) reachable from `root`; each is named by its place."""
        waiting = [(root, name, numbers, False)]
        while waiting and len(self.seen) < MOST:
            holder, path, numbers, data = waiting.pop()
            if id(holder) in self.seen:
                continue
            self.seen.add(id(holder))
            self.holders.append(holder)
            kind = type(holder)
            if kind is FunctionType or issubclass(kind, ModuleType):
                self.meet(holder)
            elif self.reach.is_users(kind):
                self.meet(kind)
            data = issubclass(kind, list | dict | deque) and (data or len(holder) > _LONG)  # with the rows of a table
            few = numbers and not data
            self.with_numbers[id(holder)] = few
            if numbers and data:
                self.long[id(holder)] = content(holder)
            for place in self.reach.places(holder, numbers=few):
                name = f"{path}[{place.name}]" if isinstance(place.key, int) else place.name
                new = self._swapped(place.item, name, wrap, numbers=few)
                self.visited.append((holder, place, new))
                if new is not place.item and place.put is not _nowhere:
                    place.put(new)
                    self.originals[id(new)] = new, place.item
                # What a method closes over is no state of the layer's.
                method = issubclass(kind, type) and callable(new) and not (self.everywhere and _may_keep(new))
                if self.reach.holds(new) and not method:
                    within = numbers and (self.everywhere or not isinstance(new, ModuleType))
                    waiting.append((new, name, within, data))

    def _swapped(self, item: Any, name: str, wrap: Callable[[Any, str], Any], *, numbers: bool = False) -> Any:
        if _is_fixed(item):
            return self.into.rebuilt(item, lambda part, i: self._swapped(part, f"{name}[{i}]", wrap))
        if _is_value(item, numbers=numbers):
            return wrap(item, name)
        return self.tracer.generator(item) if is_generator(item) else tracing_version(item)

    def swap_out(self, *others: Any) -> None:
        """Put everything back, here and in `others`: what was not touched as the very object it was.

        A value computed meanwhile becomes a plain value, wherever the user's code put it.
        """
        seen: set[int] = set()
        kept = [(variable, item, self._real(item)) for variable, item in copy_context().items()]
        for variable, item, real in kept:
            if real is not item:
                variable.set(real)
        waiting = [*self.holders, *others, *(real for *_, real in kept if self.reach.holds(real, anyone=True))]
        while waiting:
            holder = waiting.pop()
            if id(holder) in seen:
                continue
            seen.add(id(holder))
            kind = type(holder)
            if kind is CACHE and _caches_ours(holder):
                holder.cache_clear()  # what it remembers cannot be replaced; it will be computed again
            if issubclass(kind, dict) and any(self._real(key) is not key for key in dict.keys(holder)):
                pairs = [(self._real(key), item) for key, item in dict.items(holder)]
                dict.clear(holder)
                dict.update(holder, pairs)
            if issubclass(kind, dict):
                waiting += [key for key in dict.keys(holder) if type(key) not in _PLAIN and self.reach.holds(key)]
            if issubclass(kind, set) and any(self._real(item) is not item for item in holder):
                parts = [self._real(item) for item in holder]
                set.clear(holder)
                set.update(holder, parts)
            for place in self.reach.places(holder):
                real = self._real(place.item)
                if real is not place.item:
                    place.put(real)
                if self.reach.holds(real, anyone=True):
                    waiting.append(real)

    def _real(self, item: Any) -> Any:
        if id(item) in self.originals:
            return self.originals[id(item)][1]
        if _is_fixed(item):
            return self.back.rebuilt(item, lambda part, _: self._real(part))
        if under_way and not (issubclass(type(item), Traced) and item._recorder is self.tracer):
            return item  # it belongs to the trace around this one
        return untraced(item)


def content(holder: Any) -> tuple[Any, ...]:
    """The numbers and text in a list or dict, in order, with the keys of a dict; `...` for what is looked into."""
    keys = tuple(dict.keys(holder)) if isinstance(holder, dict) else ()
    items = dict.values(holder) if isinstance(holder, dict) else holder
    return (*keys, *(item if type(item) in _PLAIN else ... for item in items))


def is_special(name: str) -> bool:
    """Whether Python looks a name up in the class alone."""
    return name.startswith("__") and name.endswith("__")


def is_ordered(holder: Any) -> bool:
    """Whether an object is a dict that tells the order of its keys by itself, and by none of the user's code."""
    return isinstance(holder, dict) and type(holder).__iter__ in (dict.__iter__, OrderedDict.__iter__)


def is_rewritten(before: tuple[Any, ...], now: tuple[Any, ...], kind: type) -> bool:
    """Whether a long list or dict holds other numbers or text than before; a list may have grown."""
    grown = issubclass(kind, list) and len(now) > len(before)
    return not all(map(operator.is_, before, now)) or (len(before) != len(now) and not grown)


class Rebuilder:
    """Tuples and frozensets with a change made to what they hold, also inside each other."""

    def __init__(self) -> None:
        self.done: dict[int, tuple[Any, Any]] = {}  # by identity: what was given, kept alive, and what it became

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


def _is_settings(kind: type) -> bool:
    """Whether objects of a library's class are nothing but the user's settings."""
    return module_of(kind) == "argparse" and kind.__name__ == "Namespace"


def _is_fixed(item: Any) -> bool:
    return issubclass(type(item), tuple | frozenset)


def _like(whole: Any, parts: list[Any]) -> Any:
    base = tuple if issubclass(type(whole), tuple) else frozenset
    new: Any = base.__new__(type(whole), parts)
    attributes_of(new).update(attributes_of(whole))
    return new


def _is_value(item: Any, *, numbers: bool = False) -> bool:
    if type(item) is np.ndarray:
        return item.dtype.kind in "biufc"
    return numbers and (type(item) in (int, float) or (issubclass(type(item), np.generic) and item.dtype.kind in "iuf"))


def _attributes(attributes: Iterable[Any], put: Callable[[Any, Any], Any], *, dunder: bool = False) -> Iterator[Place]:
    for key, item in list(attributes.items()):  # type: ignore[attr-defined]
        if dunder or (isinstance(key, str) and not is_special(key)):
            private = isinstance(key, str) and key.startswith("_") and "__" in key[1:]
            name = key[key.index("__") :] if private else str(key)
            yield Place(str(key), name, item, partial(put, key))


def _slots(holder: Any, cls: type) -> Iterator[Place]:
    for key, slot in list(vars_of(cls).items()) if "__slots__" in vars_of(cls) else ():  # those of C cannot be put
        if type(slot) is MemberDescriptorType:
            try:
                item = slot.__get__(holder, cls)
            except AttributeError:
                continue  # nothing was put into it yet
            yield Place(key, key[key.index("__") :] if "__" in key[1:] else key, item, partial(slot.__set__, holder))


def _cells(function: Any) -> Iterator[Place]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            item = cell.cell_contents
        except ValueError:
            continue  # a cell that nothing was put into yet
        yield Place(name, name, item, partial(setattr, cell, "cell_contents"))


def _may_keep(method: Any) -> bool:
    """Whether calls may leave something in what stands in a class: in cells, or in defaults that can change."""
    if type(method) is not FunctionType:
        return True
    cells = method.__code__.co_freevars not in ((), ("__class__",))
    return cells or bool(method.__kwdefaults__) or any(type(d) not in _PLAIN for d in method.__defaults__ or ())


def remembered(cached: Any) -> Iterator[Any]:
    """What an `lru_cache` remembers, and what it is made of."""
    if not cached.cache_info().currsize:
        return
    for item in gc.get_referents(cached):
        table = type(item) is dict and item is not vars(cached)
        if table and cached.cache_parameters()["maxsize"] is None:
            yield from item.values()
        elif item is not vars(cached) and not (
            table and "_lru_list_elem" in {type(part).__name__ for part in item.values()}
        ):
            yield item


def _caches_ours(cached: Any) -> bool:
    """Whether what an `lru_cache` remembers holds a stand-in."""
    waiting, seen = [cached], 0
    while waiting and seen < MOST:
        inside = gc.get_referents(waiting.pop())
        seen += len(inside)
        if any(untraced(item) is not item for item in inside):
            return True
        waiting.extend(i for i in inside if type(i) in (dict, list, tuple) or type(i).__name__ == "_lru_list_elem")
    return False


def _state(call: Any, args: Any) -> tuple[Any, ...]:
    return call.func, args, call.keywords, attributes_of(call)


def _text(key: Any) -> str:
    return str(key) if type(key) in _PLAIN else type(key).__name__  # a key of the user's may not want to be read


def _nowhere(new: Any) -> None:
    """For what cannot be put elsewhere: it is only looked into."""
