"""Tracing versions of numpy and math, and where the user's own modules hold the real ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.ops import special
from dout.trace import source
from dout.trace.compose import TracingConcatenator
from dout.trace.standin import plain

if TYPE_CHECKING:
    from dout.trace.tracer import Tracer

under_way: list[Tracer] = []  # the traces under way, the innermost last; all belong to the thread that holds the lock


def current() -> Tracer | None:
    """The trace that records here and now."""
    if under_way and under_way[-1].live:
        return under_way[-1]
    return None


class TracingFunction:
    """A function of numpy or math that records while a trace runs, and is the plain function otherwise."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Record the call where a trace runs, else make it."""
        tracer = current()
        if tracer is None:
            return self.__wrapped__(*args, **kwargs)
        return tracer.call(self.__wrapped__, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


class _AnyType(type):
    """Every class is an instance of the tracing `type`."""

    def __instancecheck__(cls, item: Any) -> bool:
        return isinstance(item, type)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, type)


class TracingType(type, metaclass=_AnyType):
    """`type` in the user's modules while a trace runs: the type of a stand-in is that of its value."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """As `type`: the type of one thing, or a new class."""
        if len(args) == 1 and cls is TracingType:
            return type(plain(args[0]))
        return type.__new__(type if cls is TracingType else cls, *args, **kwargs)


class _GeneratorType(type):
    """Real generators, and their stand-ins, are instances of the tracing RandomState."""

    def __instancecheck__(cls, item: Any) -> bool:
        return isinstance(item, np.random.RandomState)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, np.random.RandomState)


class TracingRandomState(metaclass=_GeneratorType):
    """`np.random.RandomState` while a trace runs: what it makes records its draws."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """As RandomState."""
        tracer, generator = current(), np.random.RandomState(*args, **kwargs)
        return generator if tracer is None else tracer.generator(generator)


class TracingModule(ModuleType):
    """A module whose functions record while a trace runs."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__["__wrapped__"] = module

    def __getattr__(self, name: str) -> Any:
        item = getattr(self.__dict__["__wrapped__"], name)
        if isinstance(item, ModuleType):
            item = tracing_version(item)
        elif is_function(item):
            item = TracingFunction(item)
        elif name == "RandomState":
            item = TracingRandomState
        elif item is np.r_ or item is np.c_:
            item = TracingConcatenator(item, current)
        self.__dict__[name] = item
        return item

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["__wrapped__"])


def is_function(item: Any) -> bool:
    """Whether something is to be called and is no class: classes and constants stay as they are."""
    return callable(item) and not isinstance(item, type)


_SPACES = ("numpy", "numpy.random", "numpy.linalg", "numpy.fft", "math", "scipy", "scipy.special")  # some load late
_modules: dict[int, TracingModule] = {}
_functions: dict[int, TracingFunction] = {}


def learn() -> None:
    """Make tracing versions of what has been loaded by now."""
    for module in (sys.modules.get(name) for name in _SPACES):
        if module is not None and id(module) not in _modules:
            _modules[id(module)] = TracingModule(module)
            if module.__name__ == "scipy.special":
                special.learn(module)
            functions = [item for item in list(vars(module).values()) if is_function(item)]
            _functions.update({id(item): TracingFunction(item) for item in functions if id(item) not in _functions})


def tracing_version(item: Any) -> Any:
    """Return the tracing version of a module or function of numpy or math, and anything else as it is."""
    if isinstance(item, ModuleType):
        if item.__name__ in _SPACES:
            learn()
        return _modules.get(id(item), item)
    return _functions.get(id(item), item) if callable(item) else item


_judged: dict[str, tuple[ModuleType, bool]] = {}  # by module name: judging hundreds of them anew costs a millisecond


def _is_users(name: str, module: Any) -> bool:
    known = _judged.get(name)
    if known is None or known[0] is not module:
        file = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        known = _judged[name] = (module, bool(file) and source.is_user_code(file))
    return known[1]


def user_modules(*targets: str | None) -> list[ModuleType]:
    """The user's own modules that are loaded: no library's, but the whole package of each target, also installed."""
    packages = {name.partition(".")[0] for name in targets if name} - {"dout", "builtins"}
    found = []
    for name, module in list(sys.modules.items()):
        named = name == "__main__" or name in targets or (packages and name.partition(".")[0] in packages)
        if named or _is_users(name, module):
            found.append(module)
    return [module for module in found if isinstance(module, ModuleType) and module.__name__ != "builtins"]
