"""Running the user's code once more so that it leaves no trace: every change is put back afterwards."""

from __future__ import annotations

import gc
import operator
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from dout.run import dict_of, is_generator, put_state, slots_of, state_of, vars_of
from dout.trace.session.attribute_swap import MOST, Namespace, Reach, is_empty, kind_of_dict, refill
from dout.trace.tracer.traced_modules import traced_modules

_LARGE = 1 << 20  # bytes; a larger array is made read-only instead of being copied
MOST_COPIED = 1 << 28  # bytes


def is_small(item: Any) -> bool:
    """Whether an object holds little enough to be deep-copied: neither a data set nor a million parts."""
    seen: set[int] = set()
    size, waiting = 0, [item]
    while waiting:
        whole = waiting.pop()
        if id(whole) in seen or issubclass(type(whole), type | ModuleType | FunctionType):
            continue
        seen.add(id(whole))
        size += whole.nbytes if issubclass(type(whole), np.ndarray) else 0
        inside = gc.get_referents(whole)
        if size > MOST_COPIED or len(seen) + len(inside) > MOST:
            return False
        waiting.extend(inside)
    return True


@contextmanager
def undone(holders: Iterable[Any], reach: Reach) -> Iterator[None]:
    """Undo changes that the code inside makes to `holders`, their arrays and generators, and warning filters."""
    back: list[Callable[[], Any]] = [_patches(module) for module in traced_modules()]
    arrays: dict[int, Any] = {}
    for holder in holders:
        back.extend(containers(holder))
        for place in reach.places(holder):
            item = place.item
            if type(item) is np.ndarray:
                arrays[id(item)] = item
            elif is_generator(item):
                back.append(partial(put_state, item, state_of(item)))
            elif type(item) in (set, bytearray):
                back.extend(containers(item))
            if not issubclass(type(holder), dict | list | deque | np.ndarray):
                back.append(partial(place.put, place.item))
    back.insert(0, _arrays(arrays.values()))
    with ExitStack() as ends, warnings.catch_warnings():
        for undo in reversed(back):
            ends.callback(undo)  # all are called, also after one that raises
        warnings.simplefilter("ignore")  # the first run gave all warnings
        yield


def containers(holder: Any) -> Iterator[Callable[[], Any]]:
    """Yield functions that put back the present content of an object. They ask no key or element for its hash."""
    kind = type(holder)
    if issubclass(kind, dict):
        yield _dict(holder)
    elif issubclass(kind, set):
        yield _set(holder)
    elif kind is bytearray:
        yield partial(bytearray.__setitem__, holder, slice(None), bytes(holder))
    elif issubclass(kind, list | deque):
        base: Any = list if issubclass(kind, list) else deque
        kept = list(holder)
        yield lambda: (base.clear(holder), base.extend(holder, kept))
    if issubclass(kind, type):
        names = set(vars_of(holder))
        yield lambda: [type.__delattr__(holder, name) for name in set(vars_of(holder)) - names]
    elif kind.__dictoffset__ != 0 or kind is Namespace:
        yield _dict(dict_of(holder))
    for slot in slots_of(kind).values():
        if is_empty(slot, holder):
            yield partial(_empty, slot, holder)


def _empty(slot: Any, holder: Any) -> None:
    if not is_empty(slot, holder):
        slot.__delete__(holder)


def _dict(holder: dict[Any, Any]) -> Callable[[], None]:
    kept = _content(holder)

    def undo() -> None:
        for name in [key for key in _content(holder) if type(key) is str and key not in kept]:
            kind_of_dict(holder).__delitem__(holder, name)  # alone: a thread may read the other names of a module
        now = _content(holder)
        if list(map(id, now)) != list(map(id, kept)):
            refill(holder, kept)
        elif not all(map(operator.is_, now.values(), kept.values())):
            dict.update(holder, kept)

    return undo


def _content(holder: dict[Any, Any]) -> dict[Any, Any]:
    """A plain dict of a dict's content. Keys are not hashed anew, unless the class iterates in a way of its own."""
    return dict.copy(holder) if type(holder).__iter__ is dict.__iter__ else dict(kind_of_dict(holder).items(holder))


def _set(holder: set[Any]) -> Callable[[], None]:
    kept = set(holder)

    def undo() -> None:
        if {*map(id, set(holder))} != {*map(id, kept)}:
            set.clear(holder)
            set.update(holder, kept)

    return undo


def _patches(module: ModuleType) -> Callable[[], None]:
    kept = dict(vars(module))

    def undo() -> None:
        now = dict(vars(module))
        if len(now) == len(kept) and all(map(operator.is_, now.values(), kept.values())):
            return
        for name, item in now.items():
            if kept.get(name, item) is not item:
                setattr(module, name, kept[name])

    return undo


def _arrays(arrays: Iterable[Any]) -> Callable[[], None]:
    """Return what puts back the numbers in arrays and their flags; large arrays are read-only meanwhile."""
    flags = [(array, array.flags.writeable) for array in arrays]
    kept = [(array, array.copy()) for array, _ in flags if array.nbytes <= _LARGE]
    flags.sort(key=lambda pair: pair[0].base is not None)  # a view can only be unlocked after its base
    for array, _ in flags:
        if array.nbytes > _LARGE:
            array.flags.writeable = False

    def undo() -> None:
        for array, _ in flags:
            if not array.flags.writeable:
                with suppress(ValueError):  # its memory is read-only for everybody: nobody has written there
                    array.flags.writeable = True
        for array, content in kept:
            if array.flags.writeable:
                array[...] = content
        for array, writeable in flags:
            if not writeable:
                array.flags.writeable = False

    return undo


# --- the runtime of dout itself ---------------------------------------------------------------------------------------

_CORE = (  # modules that run the user's code, and report on it
    "builtins", "sys", "os", "posixpath", "ntpath", "io", "time", "signal", "threading", "types", "typing", "abc",
    "ast", "re", "traceback", "linecache", "tokenize", "inspect", "dis", "contextlib", "functools", "itertools",
    "operator", "collections", "copy", "copyreg", "pickle", "struct", "dataclasses", "enum", "importlib",
    "importlib.util", "multiprocessing.connection", "multiprocessing.reduction", "gc", "weakref", "math", "random",
)  # fmt: skip
_THEIRS = {"sys.excepthook", "sys.displayhook", "sys.breakpointhook", "sys.unraisablehook"}  # made to be replaced


_Anything = BaseException  # by a name that nobody replaces


class KeptRuntime:
    """The runtime of dout itself: Python's names, modules and import path, as they were before the user's code."""

    def __init__(self) -> None:
        self.take()

    def take(self) -> None:
        """Remember how everything is."""
        self.names: list[tuple[str, dict[str, Any], dict[str, Any]]] = [("sys.modules", sys.modules, dict(sys.modules))]
        for module in (sys.modules[name] for name in _CORE if name in sys.modules):
            name, names = module.__name__, vars(module)
            whole = name == "builtins"  # elsewhere numbers and tables are a module's own affair
            parts = {k: v for k, v in names.items() if whole or callable(v) or isinstance(v, ModuleType)}
            self.names.append((name, names, {k: v for k, v in parts.items() if f"{name}.{k}" not in _THEIRS}))
        self.read = [(names, operator.itemgetter(*kept), (*kept.values(),)) for _, names, kept in self.names]
        self.table, self.limit = sys.modules, sys.getrecursionlimit()
        self.watched = sys.gettrace(), sys.getprofile()
        self.lists = [(key, getattr(sys, key), list(getattr(sys, key))) for key in ("path", "meta_path", "path_hooks")]

    def _is_same(self) -> bool:
        """Whether nothing has changed: asked after each statement of a file."""
        try:
            for names, read, kept in self.read:
                if read(names) != kept:  # identical objects are not compared
                    return False
        except _Anything:  # a name is missing, or its new object refuses to be compared
            return False
        return True

    def put_back(self) -> list[str]:
        """Put everything back, and return the names that had changed, such as `builtins.len`. Added names stay.

        Until Python's own names are there again, this calls nothing that has one.
        """
        changed: list[str] = []
        if not self._is_same():
            for module, names, kept in self.names:
                for name in kept:
                    if name not in names or names[name] is not kept[name]:
                        names[name] = kept[name]
                        changed.append(f"{module}.{name}")
        sys.modules = self.table
        for key, whole, entries in self.lists:
            if getattr(sys, key) is not whole:
                whole[:] = getattr(sys, key) if isinstance(getattr(sys, key), list) else []
                setattr(sys, key, whole)
            whole += [entry for entry in entries if entry not in whole]
        sys.setrecursionlimit(max(sys.getrecursionlimit(), self.limit))
        if (sys.gettrace(), sys.getprofile()) != self.watched:
            sys.settrace(self.watched[0])
            sys.setprofile(self.watched[1])
        return changed
