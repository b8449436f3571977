"""Tracing versions of numpy and math, and where the user's own modules hold the real ones."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import lru_cache

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.trace import source

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
        tracer = current()
        if tracer is None:
            return self.__wrapped__(*args, **kwargs)
        return tracer.call(self.__wrapped__, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


class TracingModule(ModuleType):
    """A module whose functions record while a trace runs."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__["__wrapped__"] = module

    def __getattr__(self, name: str) -> Any:
        item = tracing_version(getattr(self.__dict__["__wrapped__"], name))
        self.__dict__[name] = item
        return item

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["__wrapped__"])


@lru_cache(maxsize=None)
def _modules() -> dict[int, TracingModule]:
    modules = (np, np.random, np.linalg, np.fft, math)
    return {id(module): TracingModule(module) for module in modules}


@lru_cache(maxsize=None)
def _functions() -> dict[int, TracingFunction]:
    """A tracing version of every function that numpy and math show; classes and constants stay as they are."""
    functions = {}
    for module in (np, np.random, np.linalg, np.fft, math):
        for item in list(vars(module).values()):
            if callable(item) and not isinstance(item, type):
                functions[id(item)] = TracingFunction(item)
    return functions


def tracing_version(item: Any) -> Any:
    """Return the tracing version of a module or function of numpy or math, and anything else as it is."""
    if isinstance(item, ModuleType):
        return _modules().get(id(item), item)
    return _functions().get(id(item), item) if callable(item) else item


_judged: dict[str, tuple[ModuleType, bool]] = {}  # by module name: judging hundreds of them anew costs a millisecond


def _is_users(name: str, module: Any) -> bool:
    known = _judged.get(name)
    if known is None or known[0] is not module:
        file = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        known = _judged[name] = (module, bool(file) and source.is_user_code(file))  # type: ignore[arg-type]
    return known[1]


def user_modules(*targets: str | None) -> list[ModuleType]:
    """The user's own modules that are loaded: no library's, but the whole package of each target, also installed."""
    packages = {name.partition(".")[0] for name in targets if name} - {"dout", "builtins"}
    found = []
    for name, module in list(sys.modules.items()):
        if _is_users(name, module) or name == "__main__" or name in targets:
            found.append(module)
        elif packages and name.partition(".")[0] in packages:
            found.append(module)
    return [module for module in found if isinstance(module, ModuleType) and module.__name__ != "builtins"]
