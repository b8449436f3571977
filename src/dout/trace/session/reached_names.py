"""Which names of the user's modules the code at hand can use: they stand in it, or in code that it leads to."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import ReferenceType

import numpy as np

from dout.run import dict_of, filled_cells, mro_of, names_of, vars_of
from dout.trace.model.user_source import TAUGHT, is_user_code
from dout.trace.session.attribute_swap import CACHE, PLAIN, Namespace, is_special
from dout.trace.session.user_modules import FINDERS, is_of_user, last_part
from dout.trace.tracer.traced_modules import BUILTINS

_LONG = 1_000  # parts of a list or dict; more of them are data
_EXACT = (dict, list, tuple, set, frozenset, deque)
_WRAPPERS = (MethodType, staticmethod, classmethod, property, partial, CACHE)
# Whoever uses one of these may come to any object, by a name that is made while it runs, or by none.
_FREE = FINDERS | frozenset({
    "getattr", "setattr", "delattr", "globals", "locals", "vars", "dir", "eval", "exec", "compile", "attrgetter",
    "methodcaller", "__dict__", "__globals__", "f_globals", "_getframe", "currentframe", "inspect", "gc",
    "__subclasses__", "load", "loads", "import_module", "runpy", "__builtins__",
})  # fmt: skip


class ReachedNames:
    """The names that the code met so far can use, module by module; they grow as more code is met.

    A function uses a global name only if the name stands in its code. So of a module with forty classes, a recording
    need look at those few objects alone that the code it runs can come to.
    """

    def __init__(self, loaded: Iterable[ModuleType], is_users: Callable[[type], bool]) -> None:
        self.loaded = list(loaded)
        self.findable: list[ModuleType] = []  # those that code may come to by a name that does not stand in it
        self.words = {"__getattr__"}  # which Python itself asks a module for
        self.spaces: dict[int, Namespace] = {}  # the global names of modules within reach, by their identity
        self._is_users = is_users
        self._met: dict[int, Any] = {}  # objects whose code is known, by identity; they live as long as this
        self._taken: dict[int, set[str]] = {}  # by identity of a space: what was handed out of it
        self._findable: set[int] = set()  # identities of the names of findable modules
        self._called: dict[str, list[dict[str, Any]]] = {}  # the same by the last part of the module's name
        # Few programs use the layers that come with dout, and to look through all of them takes long.
        self._ready_made = [module for module in self.loaded if _is_ready_made(module)]
        self._find(module for module in self.loaded if not _is_ready_made(module))

    @property
    def is_open(self) -> bool:
        """Whether the code may use names that do not stand in it."""
        return not _FREE.isdisjoint(self.words)

    def learn(self, item: Any) -> None:
        """Take the names in the code of an object, and of all that it holds and its class."""
        waiting = [item]
        while waiting:
            item = waiting.pop()
            if type(item) in PLAIN or id(item) in self._met:
                continue
            self._met[id(item)] = item
            if type(item) is FunctionType:
                self._take(item)
            elif issubclass(type(item), ModuleType) and self._is_module_of_user(item):
                self._add(names_of(item))
            waiting += self._parts(item)

    def fresh(self) -> Iterator[tuple[Namespace, set[str]]]:
        """The spaces in which there are names that were not handed out yet, with these names."""
        for key, space in [*self.spaces.items()]:
            names = space.__dict__.keys() | BUILTINS.keys()
            if self.is_open:
                space.words = None
            names = self.words & names if space.words is not None else {name for name in names if not is_special(name)}
            new = names - self._taken.setdefault(key, set())
            self._taken[key] |= new
            if new:
                yield space, new

    def _find(self, modules: Iterable[ModuleType]) -> None:
        """Let code find modules by their names."""
        for module in modules:
            names = names_of(module)
            self.findable.append(module)
            self._findable.add(id(names))
            self._called.setdefault(last_part(str(names.get("__name__"))), []).append(names)

    def _add(self, names: dict[str, Any]) -> None:
        if id(names) not in self.spaces:
            self.spaces[id(names)] = Namespace(names, self.words)

    def _take(self, function: FunctionType) -> None:
        names = function.__globals__
        if id(names) not in self._findable and not is_user_code(function.__code__.co_filename):
            return
        self._add(names)
        words = _words(function.__code__)
        if self._ready_made and any(word.partition(".")[0] == "dout" for word in words):
            self._find(self._ready_made)
            self._ready_made = []
        for named in (named for word in words - self.words for named in self._called.get(last_part(word), ())):
            self._add(named)  # an import in the function may name it
        self.words |= words

    def _is_module_of_user(self, module: ModuleType) -> bool:
        names = names_of(module)
        return id(names) in self._findable or is_of_user(str(names.get("__name__")), module)

    def _parts(self, item: Any) -> Iterable[Any]:
        """The objects directly inside an object that may hold code."""
        kind = type(item)
        if kind is FunctionType:
            cells = [cell.cell_contents for _, cell in filled_cells(item)]
            return *cells, item.__defaults__, item.__kwdefaults__, item.__dict__
        if issubclass(kind, type):
            own = [part for cls in mro_of(item) if self._is_users(cls) for part in list(vars_of(cls).values())]
            return *own, kind
        if issubclass(kind, ModuleType | np.ndarray):
            return ()
        if issubclass(kind, _EXACT):
            few = _few(item)
            more = gc.get_referents(item)[:_LONG] if kind not in _EXACT else ()  # a defaultdict's factory
            return *few, *more, kind
        if self._is_users(kind):
            return *dict_of(item).values(), *gc.get_referents(item), kind
        if issubclass(kind, ReferenceType):
            return (ReferenceType.__call__(item),)
        if issubclass(kind, _WRAPPERS):
            return [part for part in gc.get_referents(item) if type(part) is not str]
        inside = gc.get_referents(item)  # an object of a library's: it may have been given code of the user's
        deeper = [part for whole in inside if type(whole) in (dict, list, tuple) for part in _few(whole)]
        return [part for part in (*inside, *deeper) if self._is_code(part)]

    def _is_code(self, part: Any) -> bool:
        kind = type(part)
        if issubclass(kind, type):
            return self._is_users(part)
        return kind is FunctionType or issubclass(kind, (*_WRAPPERS, ReferenceType)) or self._is_users(kind)


def _few(whole: Any) -> Iterable[Any]:
    """What is in a list or dict, unless it is long."""
    for base in _EXACT:
        if issubclass(type(whole), base):
            if base.__len__(whole) > _LONG:
                return ()
            return [*dict.values(whole), *dict.keys(whole)] if base is dict else list(base.__iter__(whole))
    return ()


def _is_ready_made(module: ModuleType) -> bool:
    return str(names_of(module).get("__name__")).startswith(TAUGHT)


def functions_of(kind: type) -> Iterator[FunctionType]:
    """The functions that a class and its bases define."""
    for cls in mro_of(kind):
        items = (item.__func__ if type(item) is staticmethod else item for item in vars_of(cls).values())
        yield from (item for item in items if type(item) is FunctionType)


@cache
def _words(code: CodeType) -> frozenset[str]:
    """The names in a code object and in those inside it; with the texts in it, where it may find modules by them."""
    found = frozenset(code.co_names).union(*(_words(part) for part in code.co_consts if isinstance(part, CodeType)))
    return found if FINDERS.isdisjoint(found) else found.union(t for t in code.co_consts if isinstance(t, str))
