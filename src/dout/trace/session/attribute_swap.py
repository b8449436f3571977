"""The user's objects, place by place: which objects are within reach, and how a place gets other content.

Objects are read and written behind their classes' backs: no property, `__getattr__`, `__setattr__` or `__setitem__` of
the user's runs, for it may raise, refuse, or count.
"""

from __future__ import annotations

import gc
import operator
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache, partial
from threading import local
from types import FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from dout.run import dict_of, filled_cells, module_of, mro_of, slots_of, vars_of
from dout.trace.model.user_source import is_user_code
from dout.trace.session.user_modules import is_of_user

MOST = 100_000  # objects looked at; a data set in a list need not be searched for arrays
PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis)})
_WHOLE = PLAIN - {slice}  # those without parts
_PARTS = (
    dict, list, deque, tuple, FunctionType, MethodType, staticmethod, classmethod, partial, SimpleNamespace,
    MappingProxyType,
)  # fmt: skip
CACHE = type(lru_cache(len))
_MORE_PARTS = (set, frozenset, CACHE, BaseException, local)
_SETTINGS = ("argparse", "Namespace")  # objects of this class are nothing but the user's settings
_OF_TYPES = frozenset(name for name, item in vars(type).items() if hasattr(type(item), "__set__"))  # cls.__name__


class Place(NamedTuple):
    """One place inside an object: its key, its name for a person, its content, and how to replace that."""

    key: Any
    name: str
    item: Any
    put: Callable[[Any], Any]


class Namespace:
    """The global names of a module, or of a cell that is not loaded as one; of these `words` alone where given."""

    __slots__ = ("__dict__", "words")

    def __init__(self, names: dict[str, Any], words: Collection[str] | None = None) -> None:
        self.__dict__ = names
        self.words = words


class Reach:
    """Finds the user's objects within reach of an object, and the places in each."""

    def __init__(self, is_user_class: Callable[[type], bool]) -> None:
        self.by_names = False  # whether names of modules are looked at one by one, by whoever knows which
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
        if kind in PLAIN:
            return False
        if issubclass(kind, ModuleType):
            return not anyone and is_of_user(item.__name__, item)
        if issubclass(kind, type):
            return self.is_users(item)
        if kind is FunctionType and not anyone:
            return "__recorded__" in item.__dict__ or is_user_code(item.__code__.co_filename)
        if issubclass(kind, _PARTS) or self._is_own(kind):
            return True
        if issubclass(kind, np.ndarray):
            return anyone and item.dtype == object
        return anyone and (issubclass(kind, _MORE_PARTS) or self.is_library_object(item))

    def is_library_object(self, item: Any) -> bool:
        """Whether an object with attributes is neither the user's, nor ours, nor one that only keeps parts."""
        kind = type(item)
        if kind.__dictoffset__ == 0 or issubclass(kind, (*_PARTS, *_MORE_PARTS, type, np.ndarray)):
            return False
        return not (issubclass(kind, ModuleType) or self._is_own(kind) or module_of(kind).startswith("dout."))

    def _is_own(self, kind: type) -> bool:
        """Whether a class is the user's, or that of their settings."""
        return self.is_users(kind) or (module_of(kind), kind.__name__) == _SETTINGS

    def places(self, holder: Any, *, numbers: bool = False) -> Iterator[Place]:
        """Every place directly inside an object. With `numbers`, also a container's places with a number or text."""
        kind = type(holder)
        if issubclass(kind, type):
            for cls in filter(self.is_users, mro_of(holder)):
                yield from _of_class(cls)
            return
        if issubclass(kind, dict):
            pairs = [(k, v) for k, v in dict.items(holder) if numbers or type(v) not in _WHOLE]
            yield from (Place(k, _text(k), v, partial(dict.__setitem__, holder, k)) for k, v in pairs)
        elif issubclass(kind, list | deque):
            base: Any = list if issubclass(kind, list) else deque
            items = [(i, v) for i, v in enumerate(base.__iter__(holder)) if numbers or type(v) not in _WHOLE]
            yield from (Place(i, str(i), v, partial(base.__setitem__, holder, i)) for i, v in items)
        elif issubclass(kind, tuple | set | frozenset):
            base = next(base for base in (tuple, set, frozenset) if issubclass(kind, base))
            items = [(i, v) for i, v in enumerate(base.__iter__(holder)) if type(v) not in PLAIN]
            yield from (Place(i, str(i), v, nowhere) for i, v in items)
        elif issubclass(kind, np.ndarray):
            yield from (Place(i, str(i), v, partial(holder.flat.__setitem__, i)) for i, v in enumerate(holder.flat))
        elif kind is FunctionType:
            for name, cell in filled_cells(holder):
                yield Place(name, name, cell.cell_contents, partial(setattr, cell, "cell_contents"))
            for key in ("__defaults__", "__kwdefaults__"):
                yield Place(key, "default", getattr(holder, key), partial(setattr, holder, key))
        elif kind is MethodType or issubclass(kind, staticmethod | classmethod):
            key = "__self__" if kind is MethodType else "__func__"
            yield Place(key, "", getattr(holder, key), nowhere)
        elif issubclass(kind, partial):
            yield Place("func", "", holder.func, nowhere)
            yield Place("keywords", "", holder.keywords, nowhere)
            yield Place("args", "args", holder.args, lambda new: partial.__setstate__(holder, _state(holder, new)))  # type: ignore[attr-defined]
        elif kind is MappingProxyType:
            yield from (Place("", "", inside, nowhere) for inside in gc.get_referents(holder))
        elif issubclass(kind, CACHE):
            yield from (Place("", "", inside, nowhere) for inside in remembered(holder))
        elif issubclass(kind, BaseException):
            yield Place("args", "args", holder.args, partial(BaseException.args.__set__, holder))  # type: ignore[attr-defined]
        attributes = dict_of(holder)
        put = partial(dict.__setitem__, attributes)
        if kind is Namespace and holder.words is not None:
            attributes = {word: attributes[word] for word in list(holder.words) if word in attributes}
        elif self.by_names and issubclass(kind, ModuleType):
            return
        dunder = not issubclass(kind, ModuleType) and kind is not Namespace
        yield from _attributes(attributes, put, dunder=dunder)
        if self.is_users(kind):
            for slot in (slot for slot in slots_of(kind).values() if self.is_users(slot.__objclass__)):
                if not is_empty(slot, holder):
                    item, put = slot.__get__(holder), partial(slot.__set__, holder)
                    yield Place(slot.__name__, unmangled(slot.__name__), item, put)
            yield Place("__class__", "", kind, nowhere)


def kind_of_dict(holder: dict[Any, Any]) -> type[dict[Any, Any]]:
    """The built-in class whose methods read and write a dict: an OrderedDict keeps an order of its own."""
    return OrderedDict if issubclass(type(holder), OrderedDict) else dict


def refill(holder: dict[Any, Any], content: dict[Any, Any]) -> None:
    """Put other content into a dict."""
    kind_of_dict(holder).clear(holder)
    if issubclass(type(holder), OrderedDict):
        for key, item in content.items():
            OrderedDict.__setitem__(holder, key, item)
    else:
        dict.update(holder, content)


def content(holder: Any) -> tuple[Any, ...]:
    """The numbers and text in a list or dict, in order, with a dict's keys; `...` for objects that are looked into."""
    keys = tuple(dict.keys(holder)) if isinstance(holder, dict) else ()
    items = dict.values(holder) if isinstance(holder, dict) else holder
    return (*keys, *(item if type(item) in PLAIN else ... for item in items))


def slice_parts(item: slice) -> tuple[Any, Any, Any]:
    """What a slice is made of: during a recording its numbers may be stand-ins."""
    return item.start, item.stop, item.step


def is_special(name: str) -> bool:
    """Whether Python looks a name up in the class alone."""
    return name.startswith("__") and name.endswith("__")


def identity_of(holder: Any) -> int:
    """The identity of an object; of a module that of its names, which other modules may have."""
    return id(dict_of(holder)) if issubclass(type(holder), ModuleType | Namespace) else id(holder)


def is_ordered(holder: Any) -> bool:
    """Whether an object is a dict that tells the order of its keys by itself, and by none of the user's code."""
    return isinstance(holder, dict) and type(holder).__iter__ in (dict.__iter__, OrderedDict.__iter__)


def is_rewritten(before: tuple[Any, ...], now: tuple[Any, ...], kind: type) -> bool:
    """Whether a long list or dict holds other numbers or text than before; a list may have grown."""
    grown = issubclass(kind, list) and len(now) > len(before)
    return not all(map(operator.is_, before, now)) or (len(before) != len(now) and not grown)


def _attributes(
    attributes: Mapping[Any, Any], put: Callable[[Any, Any], Any], *, dunder: bool = False
) -> Iterator[Place]:
    for key, item in list(attributes.items()):
        if dunder or (isinstance(key, str) and not is_special(key)):
            yield Place(str(key), unmangled(str(key)), item, partial(put, key))


def unmangled(name: str) -> str:
    """A private name as it is written in the class: `_Layer__W` is `__W`."""
    return name[name.index("__") :] if name.startswith("_") and "__" in name[1:] else name


def _of_class(cls: type) -> Iterator[Place]:
    """The attributes of a class, and its special methods."""
    put = partial(type.__setattr__, cls)
    yield from _attributes(vars_of(cls), put)
    methods = {k: v for k, v in vars_of(cls).items() if is_special(k) and type(v) is FunctionType}
    yield from _attributes({k: v for k, v in methods.items() if k not in _OF_TYPES}, put, dunder=True)


def is_empty(slot: Any, holder: Any) -> bool:
    """Whether nothing was put into a slot yet."""
    try:
        slot.__get__(holder)
    except AttributeError:
        return True
    return False


def remembered(cached: Any) -> Iterator[Any]:
    """The results that an `lru_cache` remembers, and the objects it is made of."""
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


def _state(call: Any, args: Any) -> tuple[Any, ...]:
    return call.func, args, call.keywords, dict_of(call)


def _text(key: Any) -> str:
    return str(key) if type(key) in PLAIN else type(key).__name__  # a key of the user's may not want to be read


def nowhere(new: Any) -> None:
    """The `put` of a place that cannot change: it is only looked into."""
