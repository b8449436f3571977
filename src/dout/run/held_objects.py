"""What a layer holds: the arrays and objects within reach of its attributes, by their path."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from dout.ops import StandIn
from dout.run.attributes import attributes_of, filled_cells, is_class, mro_of, slots_of
from dout.run.random_states import has_random_state

MOST = 10_000  # places looked at
_NOT_OPENED = (np.ndarray, np.generic, StandIn, ModuleType, FunctionType, type, str, bytes, int, float, complex)


class HeldPlace(NamedTuple):
    """A place inside a layer: its path (`self.params['W']`), what stands there, and how to replace it."""

    path: str
    item: Any
    put: Callable[[Any], None]


def places(root: Any, path: str = "self", *, ours: bool = False) -> Iterator[HeldPlace]:
    """Every place within reach of an object, each holder once; those of an adapter only where asked."""
    waiting: list[tuple[str, Any]] = [(path, root)]
    seen: set[int] = set()
    while waiting and len(seen) < MOST:
        path, holder = waiting.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        for place in _inside(path, holder, ours):
            yield place
            if not issubclass(type(place.item), _NOT_OPENED) and place.item is not None:
                waiting.append((place.path, place.item))


def _inside(path: str, holder: Any, ours: bool) -> Iterator[HeldPlace]:
    if issubclass(type(holder), dict):
        for key, item in list(holder.items()):
            yield HeldPlace(f"{path}[{key!r}]", item, partial(holder.__setitem__, key))
    elif issubclass(type(holder), list | tuple):
        for i, item in enumerate(holder):
            put = _nowhere if issubclass(type(holder), tuple) else partial(holder.__setitem__, i)
            yield HeldPlace(f"{path}[{i}]", item, put)
    else:
        attributes = attributes_of(holder)
        for key, item in list(attributes.items()):
            if ours or not key.startswith("_dout_"):  # an adapter's: what the caller of such a layer keeps
                yield HeldPlace(f"{path}.{key}", item, partial(attributes.__setitem__, key))


def _nowhere(new: Any) -> None:
    """For what stands in a tuple."""


def member_of(path: str) -> tuple[str, str]:
    """The path of the object of which a path names an attribute, and that name; "" of what is no attribute.

    >>> member_of("self.params['fc.W'].data"), member_of("self.params['fc.W']")
    (("self.params['fc.W']", 'data'), ('', ''))
    """
    found = re.fullmatch(r"(.+)\.(\w+)", path)
    return (found[1], found[2]) if found else ("", "")


def arrays(layer: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays that a layer holds, by path."""
    return {place.path: place.item for place in places(layer) if issubclass(type(place.item), np.ndarray)}


def snapshot(layer: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Copies of the float arrays that a layer holds, by path."""
    return {path: array.copy() for path, array in arrays(layer).items() if array.dtype.kind == "f"}


def cast(layer: Any, change: Callable[[Any], Any]) -> None:
    """Replace each array and NumPy scalar that a layer holds, also inside tuples, by what `change` makes of it."""
    for place in list(places(layer)):
        new = _changed(place.item, change)
        if new is not place.item:
            place.put(new)


def _changed(item: Any, change: Callable[[Any], Any]) -> Any:
    if issubclass(type(item), np.ndarray | np.generic):
        return change(item)
    if type(item) is tuple:
        parts = tuple(_changed(part, change) for part in item)
        return item if all(a is b for a, b in zip(item, parts, strict=True)) else parts
    return item


def of_class(layer: Any) -> dict[str, Any]:
    """The arrays and containers that are attributes of a layer's class, where it has none of its own of that name."""
    held = attributes_of(layer)
    return {
        name: item
        for owner in reversed(users_classes(layer))
        for name, item in list(vars(owner).items())
        if name not in held and issubclass(type(item), np.ndarray | dict | list) and not name.startswith("__")
    }


def generators(layer: Any) -> list[Any]:
    """Random generators that a layer holds, or that its class, its module or its methods use."""
    return _generators_among([place.item for place in places(layer)], users_classes(layer))


def generators_of_target(target: Any) -> list[Any]:
    """Random generators that a layer, a class or a function uses: held, of its module, or what it closes over."""
    if is_class(target):
        return _generators_among([target], mro_of(target))
    return _generators_among([target], ()) if inspect.isroutine(target) else generators(target)


def generators_of(**roots: Any) -> list[Any]:
    """The random generators that the objects within reach hold, or that their classes and modules use."""
    objects = [item for _, item in named_objects(**roots)]
    held = [place.item for root in roots.values() for place in places(root)]
    return _generators_among(held, list(dict.fromkeys(cls for item in objects for cls in users_classes(item))))


def _generators_among(held: Sequence[Any], classes: Sequence[type]) -> list[Any]:
    inside = [*held, *(item for cls in classes if cls is not object for item in vars(cls).values())]
    methods = [item for item in inside if type(item) is FunctionType]
    holders = list(inside)
    for names in {id(method.__globals__): method.__globals__ for method in methods}.values():
        holders += names.values()
    for method in methods:
        holders += [cell.cell_contents for _, cell in filled_cells(method)]
        holders += method.__defaults__ or ()
    return list({id(holder): holder for holder in holders if has_random_state(holder)}.values())


def users_classes(layer: Any) -> list[type]:
    """The classes of a layer, without `object`."""
    return [cls for cls in type(layer).__mro__ if cls.__module__ != "builtins"]


def shared_by_language(layer: Any) -> set[int]:
    """Identities of what instances share by class attribute, mutable default argument or a global that methods name."""
    own: list[Any] = []
    waiting: list[Any] = users_classes(layer)
    met = set[int]()
    for code in waiting:  # grows: a method may come to a global through a function
        if id(code) in met:
            continue
        met.add(id(code))
        if type(code) is FunctionType:
            function = inspect.unwrap(code)
            own += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
            named = [function.__globals__[name] for name in _names_in(function.__code__) & {*function.__globals__}]
            waiting += [item for item in named if type(item) is FunctionType]
            own += named
        else:
            inside = [
                getattr(item, "__func__", item)
                for name, item in list(vars(code).items())
                if name[:2] != "__" or callable(item)
            ]
            waiting += [item for item in inside if type(item) is FunctionType]
            own += [item for item in inside if type(item) is not FunctionType]
    return {id(place.item) for place in places(own)}


def _names_in(code: CodeType) -> frozenset[str]:
    """The names in a function and in those inside it."""
    return frozenset(code.co_names).union(*(_names_in(part) for part in code.co_consts if type(part) is CodeType))


def mutable_parts(layer: Any) -> dict[int, Any]:
    """What a layer holds that can be changed in place, by identity."""
    fixed = (str, bytes, int, float, complex, tuple, frozenset, type, ModuleType, FunctionType, np.generic, np.dtype)
    found = (place.item for place in places(layer))
    return {
        id(item): item
        for item in found
        if item is not None and not issubclass(type(item), fixed) and not callable(item)
    }


def closures(layer: Any) -> set[int]:
    """Identities of functions with closures that a layer holds: a copy of it holds the same ones."""
    found = (place.item for place in places(layer))
    return {id(item) for item in found if issubclass(type(item), FunctionType) and item.__closure__}


# --- put back what is held --------------------------------------------------------------------------------------------


def held_by(*holders: Any) -> list[Any]:
    """Some objects and everything within their reach, each once."""
    found = [*holders, *(place.item for holder in holders for place in places(holder, ours=True))]
    return list({id(item): item for item in found}.values())


def objects_in(layer: Any) -> list[Any]:
    """The layer and the objects it holds."""
    return [item for item in held_by(layer) if _has_attributes(item)]


def named_objects(**roots: Any) -> Iterator[tuple[str, Any]]:
    """The objects with attributes within reach, each once, with a path that leads there: `net.layers[0]`."""
    seen = set[int]()
    for name, root in roots.items():
        here = chain([(name, root)], ((place.path, place.item) for place in places(root, name)))
        for path, item in here:
            if _has_attributes(item) and id(item) not in seen:
                seen.add(id(item))
                yield path, item


def _has_attributes(item: Any) -> bool:
    closed = (*_NOT_OPENED, list, tuple, dict)
    has_some = bool(type(item).__dictoffset__) or bool(slots_of(type(item)))
    return has_some and not issubclass(type(item), closed)


class HeldMemory:
    """What objects hold, to be put back after each run: the same arrays, lists and attributes as before."""

    def __init__(self, *holders: Any) -> None:
        self.arrays: list[tuple[Any, Any]] = []
        self.lists: list[tuple[list[Any], list[Any]]] = []
        self.names: list[tuple[Any, dict[Any, Any]]] = []
        for item in held_by(*holders):
            if isinstance(item, np.ndarray):
                if item.flags.writeable and item.dtype != object:
                    self.arrays.append((item, item.copy()))
            elif isinstance(item, list):
                self.lists.append((item, list(item)))
            elif not isinstance(item, type | ModuleType):
                self.names.append((item, dict(_names_in_place(item))))

    def put_back(self) -> None:
        """Everything as it was."""
        for array, kept in self.arrays:
            array[...] = kept
        for items, kept_items in self.lists:
            items[:] = kept_items
        for item, before in self.names:
            names = _names_in_place(item)
            if len(names) != len(before) or any(names.get(key, names) is not item for key, item in before.items()):
                names.clear()
                names.update(before)


def _names_in_place(item: Any) -> dict[Any, Any]:
    return item if isinstance(item, dict) else attributes_of(item)
