"""A trace under way: what is replaced in the user's modules, classes and objects, and put back whatever happens."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from dout.trace import modules, source
from dout.trace.layercalls import KINDS, is_layer, recording
from dout.trace.state import Namespace, Swaps
from dout.trace.tracer import Tracer
from dout.trace.users_warnings import users_warnings

_ABSENT = object()
_lock = threading.RLock()  # one thread traces at a time; a trace inside a trace is the same thread


class Patches:
    """Names in the user's modules and classes that lead elsewhere for the time of a trace."""

    def __init__(self, is_user_class: Any) -> None:
        self.is_user_class = is_user_class
        self.undo: list[tuple[Any, str, Any, Any]] = []
        self.seen: set[int] = set()

    def namespace(self, names: dict[str, Any]) -> None:
        """Lead a module's names of numpy and math to the tracing versions, and record its layers' calls."""
        if id(names) in self.seen:
            return
        self.seen.add(id(names))
        if "type" not in names:
            names["type"] = modules.TracingType
            self.undo.append((names, "type", _ABSENT, modules.TracingType))
        for name, item in list(names.items()):
            if isinstance(item, type):
                if self.is_user_class(item):
                    self.layer(item)
            elif (version := modules.tracing_version(item)) is not item:
                names[name] = version
                self.undo.append((names, name, item, version))

    def layer(self, cls: type) -> None:
        """Record the calls of a layer class's forward and backward."""
        if id(cls) in self.seen or not is_layer(cls):
            return
        self.seen.add(id(cls))
        for base in cls.__mro__:
            for kind in KINDS:
                original = vars(base).get(kind)
                if original is not None and hasattr(original, "__code__") and not hasattr(original, "__recorded__"):
                    method = recording(kind, original, modules.current)
                    method.__recorded__ = True  # type: ignore[attr-defined]
                    setattr(base, kind, method)
                    self.undo.append((base, kind, original, method))

    def put_back(self) -> None:
        """Undo everything that the user's code did not itself replace meanwhile."""
        for holder, name, original, version in reversed(self.undo):
            if isinstance(holder, dict):
                if holder.get(name) is version:
                    holder[name] = original
                    if original is _ABSENT:
                        del holder[name]
            elif vars(holder).get(name) is version:
                setattr(holder, name, original)


def user_class_test(packages: set[str], given: set[type]) -> Any:
    """Return the test whether a class is the user's: written in their code, in one of these packages, or given."""

    def is_user_class(cls: type) -> bool:
        if cls in given:
            return True
        module = getattr(cls, "__module__", None)
        if not isinstance(module, str) or module == "builtins":
            return False
        package = module.partition(".")[0]
        if package == "dout":
            return module.startswith(("dout.layers", "dout.train"))
        if module == "__main__" or package in packages:
            return True
        loaded = sys.modules.get(module)
        file = getattr(loaded, "__file__", None)
        return loaded is None or (file is not None and source.is_user_code(file))

    return is_user_class


class Session:
    """What is replaced in the user's modules, classes and objects while one trace is under way."""

    def __init__(self, tracer: Tracer, packages: set[str], given: set[type]) -> None:
        is_user_class = user_class_test(packages, given)
        self.tracer = tracer
        self.patches = Patches(is_user_class)
        self.swaps = Swaps(is_user_class, self._meet, tracer.generator)
        self.adopted: set[str] = set()

    def _meet(self, found: Any) -> None:
        """Take a class of which an instance is within reach, or a function, which may live in no module."""
        if isinstance(found, type):
            self.patches.layer(found)
        elif source.is_user_code(found.__code__.co_filename):
            self.patches.namespace(found.__globals__)

    def adopt(self, loaded: Iterable[ModuleType]) -> None:
        """Take modules as the user's: their numpy traces, their layers are recorded, their arrays are inputs."""
        modules.learn()
        new = [module for module in loaded if module.__name__ not in self.adopted]
        self.adopted.update(module.__name__ for module in new)
        for module in new:
            self.patches.namespace(module.__dict__)
        for module in new:
            self.swaps.swap_in(module, self.tracer.source)

    def target(self, target: Any, *, numbers: bool) -> None:
        """Take the layer or function that will run; where asked, the numbers it holds become inputs too."""
        spaces = {id(function.__globals__): function.__globals__ for function in _functions_of(target)}
        for names in spaces.values():
            self.patches.namespace(names)
        self.swaps.swap_in(target, self.tracer.source, numbers=numbers)
        for names in spaces.values():
            self.swaps.swap_in(Namespace(names), self.tracer.source)


@contextmanager
def session(tracer: Tracer, target: Any = None, *, numbers: bool = False) -> Iterator[Session]:
    """Trace what runs inside, from `target` or, where there is none, from what the caller adopts."""
    home = getattr(target, "__module__", None) or type(target).__module__
    with _lock:
        given = {type(target)} if is_layer(type(target)) else set()
        state = Session(tracer, {home.partition(".")[0]} - {"dout", "builtins"}, given)
        modules.under_way.append(tracer)
        try:
            if target is not None:
                state.target(target, numbers=numbers)
                state.adopt(modules.user_modules(home))
            with users_warnings():
                yield state
        finally:
            tracer.stop()
            modules.under_way.remove(tracer)
            state.patches.put_back()
            state.swaps.swap_out()


def _functions_of(target: Any) -> Iterator[Any]:
    """The functions whose globals a target's code sees."""
    target = getattr(target, "__func__", target)
    if hasattr(target, "__globals__"):
        yield target
    for cls in type(target).__mro__:
        yield from (item for item in vars(cls).values() if hasattr(item, "__globals__"))
