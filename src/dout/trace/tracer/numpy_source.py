"""NumPy functions that are written in Python: their own source runs over stand-ins, and calls what records."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from dout.trace.tracer.composed import BY_SOURCE
from dout.trace.tracer.composed_numeric import COMPOSED
from dout.trace.tracer.user_functions import is_function, tracing_function

_names: dict[int, dict[str, Any]] = {}  # by the global names of a module of NumPy: what its functions see here
_functions: dict[FunctionType, FunctionType] = {}


def _by_source(function: Any) -> Callable[..., Any]:
    return lambda tracer, *args, **kwargs: rebound(function._implementation)(*args, **kwargs)


COMPOSED.update({function: _by_source(function) for function in BY_SOURCE})


class _Converter:
    """What NumPy 2 makes arrays of its arguments with, in C; a stand-in stays one."""

    def __init__(self, *items: Any) -> None:
        self.items = [tracing_function(np.asanyarray)(item) for item in items]

    def __getitem__(self, place: int) -> Any:
        return self.items[place]

    def wrap(self, result: Any) -> Any:
        """The result: no subclass of arrays is traced."""
        return result


class _NumpyModule:
    """A module of NumPy's as its functions see it here."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        return _seen(getattr(self.module, name))


def _seen(item: Any) -> Any:
    if isinstance(item, ModuleType):
        return _NumpyModule(item) if item.__name__.startswith("numpy") else item
    if not (getattr(item, "__module__", None) or "numpy").startswith("numpy"):
        return item
    if type(item) is FunctionType:
        return rebound(item)
    return tracing_function(item) if is_function(item) else item


def rebound(function: Any) -> Callable[..., Any]:
    """A function of NumPy's with global names that record."""
    if function not in _functions:
        given = function.__globals__
        names = _names.setdefault(id(given), {})
        rebound = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
        rebound.__kwdefaults__ = function.__kwdefaults__
        _functions[function] = rebound
        if not names:
            names.update(given)
            names.update((key, _seen(item)) for key, item in given.items() if not key.startswith("__"))
            names["_array_converter"] = _Converter
    return _functions[function]
